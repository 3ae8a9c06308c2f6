package cleanup_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ks-core/ks-controller-manager/pkg/tenancy/cleanup"
)

func kind(group, version, name, resource string) cleanup.Kind {
	return cleanup.Kind{
		GroupVersionKind: schema.GroupVersionKind{Group: group, Version: version, Kind: name}, Resource: resource,
	}
}

func namespaces() cleanup.Kind { return kind("", "v1", "Namespace", "namespaces") }

func accounts() cleanup.Kind { return kind("", "v1", "ServiceAccount", "serviceaccounts") }

func workspaces() cleanup.Kind {
	return kind("tenant.kubesphere.io", "v1beta1", "Workspace", "workspaces")
}

func iamRoles() cleanup.Kind { return kind("iam.kubesphere.io", "v1beta1", "Role", "roles") }

func users() cleanup.Kind { return kind("iam.kubesphere.io", "v1beta1", "User", "users") }

func bindings() cleanup.Kind {
	return kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")
}

func policyBindings() cleanup.Kind {
	return kind("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicyBinding",
		"validatingadmissionpolicybindings")
}

func clusterRoles() cleanup.Kind {
	return kind("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles")
}

func leases() cleanup.Kind { return kind("coordination.k8s.io", "v1", "Lease", "leases") }

func object(change func(*metav1.PartialObjectMetadata)) *metav1.PartialObjectMetadata {
	made := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "one", UID: "u", ResourceVersion: "7"}}
	change(made)

	return made
}

func managed(o *metav1.PartialObjectMetadata) {
	o.Labels = map[string]string{"app.kubernetes.io/managed-by": "ks-controller-manager"}
}

func finalized(finalizers ...string) func(*metav1.PartialObjectMetadata) {
	return func(o *metav1.PartialObjectMetadata) { o.Finalizers = finalizers }
}

func marked(o *metav1.PartialObjectMetadata) {
	o.Labels = map[string]string{"kubesphere.io/workspace": "w", "kubesphere.io/namespace": "one", "team": "a"}
	o.Annotations = map[string]string{"tenant.kubesphere.io/admitted": "w", "kubesphere.io/creator": "alice"}
}

func owned(o *metav1.PartialObjectMetadata) {
	o.Labels = map[string]string{"kubesphere.io/workspace": "w"}
	o.Finalizers = []string{"example.com/keep", "finalizers.kubesphere.io/namespaces"}
	o.OwnerReferences = []metav1.OwnerReference{
		{APIVersion: "tenant.kubesphere.io/v1alpha1", Kind: "Workspace", Name: "w", UID: "x"},
		{APIVersion: "capsule.clastix.io/v1beta2", Kind: "Tenant", Name: "t", UID: "y"},
	}
}

func TestStepFor(t *testing.T) {
	t.Parallel()

	plain := func(*metav1.PartialObjectMetadata) {}
	everything := cleanup.Options{Labels: true, CustomResources: true, Leases: []types.NamespacedName{{Name: "one"}}}

	tests := map[string]struct {
		kind    cleanup.Kind
		change  func(*metav1.PartialObjectMetadata)
		options cleanup.Options
		// want is the patch, "delete" behind it where the object is to be deleted.
		want string
	}{
		"a namespace":             {namespaces(), plain, everything, ""},
		"a managed namespace":     {namespaces(), managed, everything, ""},
		"a namespace of 4.x":      {namespaces(), finalized("kubesphere.io/cascading-deletion"), cleanup.Options{}, `{"finalizers":[]}`},
		"a namespace of another":  {namespaces(), finalized("example.com/keep"), everything, ""},
		"a service account":       {accounts(), finalized("finalizers.kubesphere.io/serviceaccount"), everything, `{"finalizers":[]}`},
		"a workspace":             {workspaces(), plain, cleanup.Options{}, ""},
		"a managed workspace":     {workspaces(), managed, cleanup.Options{}, ""},
		"a workspace of 3.x":      {workspaces(), finalized("a/b", "finalizers.tenant.kubesphere.io"), cleanup.Options{}, `{"finalizers":["a/b"]}`},
		"a workspace to go":       {workspaces(), plain, cleanup.Options{CustomResources: true}, "delete"},
		"a user":                  {users(), finalized("finalizers.kubesphere.io/users"), cleanup.Options{}, `{"finalizers":[]}`},
		"a user to go":            {users(), finalized("finalizers.kubesphere.io/users"), everything, `{"finalizers":[]}delete`},
		"a role":                  {iamRoles(), plain, cleanup.Options{}, ""},
		"a managed role":          {iamRoles(), managed, cleanup.Options{}, "delete"},
		"a native binding":        {bindings(), plain, everything, ""},
		"a managed native one":    {bindings(), managed, cleanup.Options{}, "delete"},
		"a policy's binding":      {policyBindings(), plain, everything, ""},
		"a managed one":           {policyBindings(), managed, cleanup.Options{}, "delete"},
		"our Lease":               {leases(), plain, everything, "delete"},
		"another Lease":           {leases(), plain, cleanup.Options{Leases: []types.NamespacedName{{Namespace: "x", Name: "one"}}}, ""},
		"labels stay":             {namespaces(), marked, cleanup.Options{CustomResources: true}, ""},
		"labels go":               {namespaces(), marked, cleanup.Options{Labels: true}, `{"annotations":{"tenant.kubesphere.io/admitted":null},"labels":{"kubesphere.io/namespace":null,"kubesphere.io/workspace":null}}`},
		"a namespace with owners": {namespaces(), owned, cleanup.Options{}, `{"finalizers":["example.com/keep"],"ownerReferences":[{"apiVersion":"capsule.clastix.io/v1beta2","kind":"Tenant","name":"t","uid":"y"}]}`},
		"one that is going": {
			workspaces(),
			func(o *metav1.PartialObjectMetadata) {
				o.DeletionTimestamp = &metav1.Time{}
				o.DeletionTimestamp.Time = o.DeletionTimestamp.AddDate(2000, 0, 0)
				o.Finalizers = []string{"kubesphere.io/cascading-deletion"}
			},
			everything, `{"finalizers":[]}`,
		},
	}

	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()

			step, needed := cleanup.StepFor(test.kind, object(test.change), test.options)
			if got := told(t, step); got != test.want || needed != (test.want != "") {
				t.Errorf("step %t: %s, want %s", needed, got, test.want)
			}
		})
	}
}

// told is the metadata that a step patches, and whether it deletes.
func told(t *testing.T, step cleanup.Step) string {
	t.Helper()

	patch, err := step.Patch()
	if err != nil {
		t.Fatal(err)
	}

	text := strings.Replace(string(patch), `,"resourceVersion":"7"`, "", 1)
	text = strings.TrimSuffix(strings.TrimPrefix(text, `{"metadata":`), "}")

	if len(patch) > 0 && !strings.Contains(string(patch), `"resourceVersion":"7"`) {
		t.Errorf("the patch is under no version: %s", patch)
	}

	if step.Delete {
		text += "delete"
	}

	return text
}

func TestOrder(t *testing.T) {
	t.Parallel()

	options := cleanup.Options{CustomResources: true, Leases: []types.NamespacedName{{Name: "one"}}}
	planned := []struct {
		kind   cleanup.Kind
		change func(*metav1.PartialObjectMetadata)
	}{
		{leases(), func(*metav1.PartialObjectMetadata) {}},
		{workspaces(), func(*metav1.PartialObjectMetadata) {}},
		{accounts(), finalized("finalizers.kubesphere.io/serviceaccount")},
		{clusterRoles(), managed},
		{bindings(), managed},
		{namespaces(), owned},
	}

	steps := make([]cleanup.Step, 0, len(planned))

	for _, one := range planned {
		step, needed := cleanup.StepFor(one.kind, object(one.change), options)
		if !needed {
			t.Errorf("nothing to do for %s", one.kind)
		}

		steps = append(steps, step)
	}

	cleanup.Sort(steps)

	got := make([]string, 0, len(steps))
	for _, step := range steps {
		got = append(got, step.Object())
	}

	want := []string{
		"namespaces/one", "rolebindings.rbac.authorization.k8s.io/one", "clusterroles.rbac.authorization.k8s.io/one",
		"serviceaccounts/one", "workspaces.tenant.kubesphere.io/one", "leases.coordination.k8s.io/one",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestSummarize(t *testing.T) {
	t.Parallel()

	var steps []cleanup.Step

	for i := range 4 {
		step, _ := cleanup.StepFor(namespaces(), object(func(o *metav1.PartialObjectMetadata) {
			owned(o)
			o.Name = fmt.Sprint("n", i)
		}), cleanup.Options{})
		steps = append(steps, step)
	}

	got := make([]string, 0, 2)
	for _, row := range cleanup.Summarize(steps) {
		got = append(got, strings.Join([]string{row.Action, row.Resource, row.What, row.Examples(2)}, "|"))
	}

	want := []string{
		"take off finalizer|namespaces|finalizers.kubesphere.io/namespaces|n0, n1 and 2 more",
		"take off owner|namespaces|Workspace|n0, n1 and 2 more",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestSelector(t *testing.T) {
	t.Parallel()

	foreign := labels.Set{"app.kubernetes.io/managed-by": "Helm"}
	if bindings().Selector().Matches(foreign) || !namespaces().Selector().Matches(foreign) {
		t.Error("a selector is too wide or too narrow")
	}
}

// Whatever an object is like: namespaces are never deleted, what is foreign stays on it, and once a step is taken
// there is nothing more to do.
func TestOnceIsEnough(t *testing.T) {
	t.Parallel()

	kinds := []cleanup.Kind{
		namespaces(), accounts(), workspaces(), iamRoles(), users(), bindings(), clusterRoles(), leases(),
	}

	for seed := range uint64(2000) {
		random := rand.New(rand.NewPCG(seed, 4)) //nolint:gosec // the same for the same seed
		one := kinds[random.IntN(len(kinds))]
		options := cleanup.Options{Labels: random.IntN(2) == 0, CustomResources: random.IntN(2) == 0}
		before := randomObject(random)

		step, needed := cleanup.StepFor(one, before.DeepCopy(), options)
		if !needed {
			continue
		}

		if step.Delete && one.Group == "" {
			t.Fatalf("seed %d: %s is deleted", seed, step.Object())
		}

		after := patched(t, before, step)
		checkForeign(t, seed, before, after)

		again, more := cleanup.StepFor(one, after, options)
		if more && (told(t, again) != "delete" || !step.Delete) {
			t.Fatalf("seed %d: again: %s", seed, told(t, again))
		}
	}
}

func randomObject(random *rand.Rand) *metav1.PartialObjectMetadata {
	return object(func(o *metav1.PartialObjectMetadata) {
		for _, finalizer := range []string{
			"a/b", "finalizers.kubesphere.io/users", "kubesphere.io/cascading-deletion", "c",
		} {
			if random.IntN(2) == 0 {
				o.Finalizers = append(o.Finalizers, finalizer)
			}
		}

		for i, group := range []string{
			"tenant.kubesphere.io/v1alpha1", "apps/v1", "v1", "tenant.kubesphere.io/v1beta1",
		} {
			if random.IntN(2) == 0 {
				o.OwnerReferences = append(o.OwnerReferences, metav1.OwnerReference{
					APIVersion: group, Kind: "Workspace", Name: "w", UID: types.UID(strconv.Itoa(i)),
				})
			}
		}

		if random.IntN(2) == 0 {
			marked(o)
		}

		if random.IntN(3) == 0 {
			managed(o)
		}
	})
}

// patched returns the object as it is after the patch of a step.
func patched(t *testing.T, before *metav1.PartialObjectMetadata, step cleanup.Step) *metav1.PartialObjectMetadata {
	t.Helper()

	patch, err := step.Patch()
	if err != nil {
		t.Fatal(err)
	}

	after := before.DeepCopy()

	if patch == nil {
		return after
	}

	var changes struct {
		Metadata struct {
			Finalizers      *[]string                `json:"finalizers"`
			OwnerReferences *[]metav1.OwnerReference `json:"ownerReferences"`
			Labels          map[string]*string       `json:"labels"`
			Annotations     map[string]*string       `json:"annotations"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(patch, &changes); err != nil {
		t.Fatal(err)
	}

	if changes.Metadata.Finalizers != nil {
		after.Finalizers = *changes.Metadata.Finalizers
	}

	if changes.Metadata.OwnerReferences != nil {
		after.OwnerReferences = *changes.Metadata.OwnerReferences
	}

	for key := range changes.Metadata.Labels {
		delete(after.Labels, key)
	}

	for key := range changes.Metadata.Annotations {
		delete(after.Annotations, key)
	}

	return after
}

func checkForeign(t *testing.T, seed uint64, before, after *metav1.PartialObjectMetadata) {
	t.Helper()

	for _, finalizer := range []string{"a/b", "c"} {
		if slices.Contains(before.Finalizers, finalizer) && !slices.Contains(after.Finalizers, finalizer) {
			t.Errorf("seed %d: finalizer %s is gone", seed, finalizer)
		}
	}

	for _, owner := range before.OwnerReferences {
		if !strings.HasPrefix(owner.APIVersion, "tenant.") && !slices.Contains(after.OwnerReferences, owner) {
			t.Errorf("seed %d: owner %s is gone", seed, owner.APIVersion)
		}
	}

	if before.Labels["team"] != after.Labels["team"] || len(before.Annotations)-len(after.Annotations) > 1 {
		t.Errorf("seed %d: labels %v, annotations %v", seed, after.Labels, after.Annotations)
	}
}
