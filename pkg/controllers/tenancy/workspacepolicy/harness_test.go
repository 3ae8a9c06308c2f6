package workspacepolicy_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/workspacepolicy"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/limits"
)

func TestWorkspacePolicyKeepsThePromises(t *testing.T) {
	harness.Run(t, subject(t))
}

func subject(t *testing.T) harness.Subject {
	t.Helper()

	scheme := runtime.NewScheme()
	if err := tenantv1beta1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}

	if err := admissionregistrationv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}

	isGiven := func(object client.Object) bool {
		_, isBinding := object.(*admissionregistrationv1.ValidatingAdmissionPolicyBinding)

		return !isBinding
	}

	return harness.Subject{
		Name:    workspacepolicy.Name,
		Scheme:  scheme,
		Primary: &tenantv1beta1.WorkspacePolicy{},
		Kinds: []client.ObjectList{
			&tenantv1beta1.WorkspacePolicyList{}, &tenantv1beta1.WorkspaceList{},
			&admissionregistrationv1.ValidatingAdmissionPolicyBindingList{},
			&admissionregistrationv1.ValidatingAdmissionPolicyList{},
		},
		StatusKinds: []client.Object{&tenantv1beta1.WorkspacePolicy{}, &tenantv1beta1.Workspace{}},
		New: func(environment harness.Environment) reconcile.Reconciler {
			built, err := workspacepolicy.New(manager.Dependencies{
				Client: environment.Client, Recorder: environment.Recorder, Clock: environment.PassiveClock(),
			})
			if err != nil {
				t.Fatal(err)
			}

			return built.Reconciler
		},
		Worlds:   worlds(),
		Seeds:    6,
		Drifts:   drifts(),
		MaxReads: 5, MaxWrites: 3,
		// Workspaces and the admission policy are looked at and never made or changed.
		Unrepaired: isGiven,
		Remains:    isGiven,
	}
}

// drifts are what would keep the guard from asking about workspaces that are full.
func drifts() []harness.Drift {
	change := func(
		name string, change func(*admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec),
	) harness.Drift {
		return harness.Drift{Name: name, World: "limit", Make: func(ctx context.Context, c client.Client) error {
			binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}
			if err := c.Get(ctx, client.ObjectKey{Name: limits.Guard}, binding); err != nil {
				return err
			}

			change(&binding.Spec)

			return c.Update(ctx, binding)
		}}
	}

	return []harness.Drift{
		change("selects others", func(spec *admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec) {
			spec.MatchResources.ObjectSelector.MatchExpressions[0].Values = []string{"room"}
		}),
		change("excludes some", func(spec *admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec) {
			spec.MatchResources.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
		}),
		change("only warns", func(spec *admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec) {
			spec.ValidationActions = []admissionregistrationv1.ValidationAction{admissionregistrationv1.Warn}
		}),
		change("without parameters", func(spec *admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec) {
			spec.ParamRef = nil
		}),
	}
}

func worlds() []harness.World {
	guard := &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: limits.Guard}}
	workspaces := func(policy *tenantv1beta1.WorkspacePolicy) []client.Object {
		return []client.Object{
			guard, workspace("full", "basic", 3), workspace("over", "basic", 4), workspace("room", "basic", 2),
			workspace("gold", "gold", 9), policy,
		}
	}

	dry, paused, invalid := policy("dry", 3), policy("paused", 3), policy("invalid", 3)
	dry.Spec.Mode = tenantv1beta1.ModeDryRun
	paused.Annotations = map[string]string{kube.PausedAnnotation: "true"}
	paused.Status.FullWorkspaces = []string{"over"}
	invalid.Spec.Selector.MatchLabels = map[string]string{"plan": "not a label value"}

	return []harness.World{
		{Name: "limit", Objects: workspaces(policy("limit", 3))},
		{Name: "two limits", Objects: append(workspaces(policy("high", 4)), policy("low", 2))},
		{Name: "no guard", Objects: workspaces(policy("limit", 3))[1:]},
		{Name: "a binding of old", Objects: append([]client.Object{oldBinding()}, workspaces(policy("none", 99))...)},
		{Name: "no limit", Objects: workspaces(policy("no-limit", -1))},
		{Name: "dry run", Objects: workspaces(dry)},
		{Name: "paused", Objects: workspaces(paused)},
		{Name: "invalid", Objects: workspaces(invalid), Fails: true},
		{Name: "nothing selected", Objects: []client.Object{policy("lonely", 3)}},
	}
}

// oldBinding is the one that releases before this had in config/policy.
func oldBinding() *admissionregistrationv1.ValidatingAdmissionPolicyBinding {
	old := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: limits.Guard}}
	old.Spec.PolicyName = limits.Guard
	old.Spec.ParamRef = &admissionregistrationv1.ParamRef{Selector: &metav1.LabelSelector{}}
	old.Spec.ValidationActions = []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny}

	return old
}

func policy(name string, limit int32) *tenantv1beta1.WorkspacePolicy {
	made := &tenantv1beta1.WorkspacePolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	made.Spec.Mode = tenantv1beta1.ModeEnforce
	made.Spec.Selector.MatchLabels = map[string]string{"plan": "basic"}

	if limit >= 0 {
		made.Spec.Limits.Namespaces = &limit
	}

	return made
}

func workspace(name, plan string, namespaces int32) *tenantv1beta1.Workspace {
	made := &tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"plan": plan}}}
	made.Status.NamespaceCount = &namespaces

	return made
}

func TestOutcomes(t *testing.T) {
	tests := map[string]struct {
		ready string
		count int32
		full  []string
		bound []string
	}{
		"limit":      {"True/InForce", 3, []string{"full", "over"}, []string{"full", "over"}},
		"two limits": {"True/InForce", 3, []string{"full", "over", "room"}, []string{"full", "over", "room"}},
		// A binding to what is not there would be refused.
		"no guard":         {"True/InForce", 3, []string{"full", "over"}, nil},
		"a binding of old": {"True/InForce", 3, nil, nil},
		"no limit":         {"True/NoLimits", 3, nil, nil},
		"dry run":          {"True/DryRun", 3, []string{"full", "over"}, nil},
		// Who pauses a policy keeps what it said last, in force.
		"paused":           {"Unknown/Paused", -1, []string{"over"}, []string{"over"}},
		"invalid":          {"False/InvalidSelector", 0, nil, nil},
		"nothing selected": {"True/InForce", 0, nil, nil},
	}

	for _, world := range worlds() {
		t.Run(world.Name, func(t *testing.T) {
			test := tests[world.Name]
			c := plant(t, world)
			name := world.Objects[len(world.Objects)-1].GetName()

			if err := run(t, c, name); (err != nil) != world.Fails {
				t.Errorf("the run ended with %v", err)
			}

			status := found(t, c, name).Status

			count := int32(-1)
			if status.WorkspaceCount != nil {
				count = *status.WorkspaceCount
			}

			ready := fmt.Sprintf("%s/%s", status.Conditions[0].Status, status.Conditions[0].Reason)
			if ready != test.ready || count != test.count {
				t.Errorf("Ready=%s with %d workspaces, want %s with %d", ready, count, test.ready, test.count)
			}

			if diff := cmp.Diff(test.full, status.FullWorkspaces); diff != "" {
				t.Errorf("full workspaces (-want +got):\n%s", diff)
			}

			if diff := cmp.Diff(test.bound, bound(t, c)); diff != "" {
				t.Errorf("the guard is asked about (-want +got):\n%s", diff)
			}
		})
	}
}

// The guard is asked about what is full, and no longer than it is.
func TestBindingFollows(t *testing.T) {
	c := plant(t, worlds()[0])
	step := func(title, wake string, change func() error, want ...string) {
		t.Helper()

		if err := change(); err != nil {
			t.Fatalf("%s: %v", title, err)
		}

		if err := run(t, c, wake); err != nil {
			t.Fatalf("%s: %v", title, err)
		}

		if diff := cmp.Diff(want, bound(t, c)); diff != "" {
			t.Errorf("%s: the guard is asked about (-want +got):\n%s", title, diff)
		}
	}
	edit := func(name string, change func(*tenantv1beta1.WorkspacePolicy)) func() error {
		return func() error {
			edited := found(t, c, name)
			change(edited)

			return c.Update(t.Context(), edited)
		}
	}
	guard := &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: limits.Guard}}

	step("at first", "limit", func() error { return nil }, "full", "over")
	step("a second policy", "low", func() error { return c.Create(t.Context(), policy("low", 2)) },
		"full", "over", "room")
	step("a DryRun", "low", edit("low", func(low *tenantv1beta1.WorkspacePolicy) {
		low.Spec.Mode = tenantv1beta1.ModeDryRun
	}), "full", "over")
	step("a higher limit", "limit", edit("limit", func(limit *tenantv1beta1.WorkspacePolicy) {
		limit.Spec.Limits.Namespaces = new(int32(4))
	}), "over")
	step("a workspace that empties", "limit", func() error {
		over := &tenantv1beta1.Workspace{}
		if err := c.Get(t.Context(), client.ObjectKey{Name: "over"}, over); err != nil {
			return err
		}

		over.Status.NamespaceCount = new(int32(1))

		return c.Status().Update(t.Context(), over)
	})
	step("a lower limit", "limit", edit("limit", func(limit *tenantv1beta1.WorkspacePolicy) {
		limit.Spec.Limits.Namespaces = new(int32(3))
	}), "full")
	step("no guard", limits.Guard, func() error { return c.Delete(t.Context(), guard) })
	step("the guard again", limits.Guard, func() error { return c.Create(t.Context(), guard.DeepCopy()) }, "full")
	step("no policy in force", "limit", func() error { return c.Delete(t.Context(), found(t, c, "limit")) })
}

// Where the last policy went while no manager ran, only the binding is left to wake one.
func TestBindingOfNoPolicy(t *testing.T) {
	c := plant(t, harness.World{Objects: []client.Object{worlds()[0].Objects[0], oldBinding()}})

	if err := run(t, c, limits.Guard); err != nil {
		t.Fatal(err)
	}

	if got := bound(t, c); got != nil {
		t.Errorf("the guard is asked about %v", got)
	}
}

// plant makes the objects of a world, with their status.
func plant(t *testing.T, world harness.World) client.Client {
	t.Helper()

	c, err := harness.Fake().Open(t.Context(), subject(t))
	if err != nil {
		t.Fatal(err)
	}

	for _, object := range world.Objects {
		planted, isObject := object.DeepCopyObject().(client.Object)
		if !isObject || c.Create(t.Context(), planted) != nil {
			t.Fatalf("cannot create %s", object.GetName())
		}

		switch made := planted.(type) {
		case *tenantv1beta1.Workspace:
			made.Status = object.(*tenantv1beta1.Workspace).Status
		case *tenantv1beta1.WorkspacePolicy:
			made.Status = object.(*tenantv1beta1.WorkspacePolicy).Status
		default:
			continue
		}

		if err := c.Status().Update(t.Context(), planted); err != nil {
			t.Fatal(err)
		}
	}

	return c
}

// run runs the controller once.
func run(t *testing.T, c client.Client, name string) error {
	t.Helper()

	built, err := workspacepolicy.New(manager.Dependencies{
		Client: c, Recorder: events.NewFakeRecorder(1000), Clock: testclock.NewFakePassiveClock(time.Unix(0, 0)),
	})
	if err != nil {
		t.Fatal(err)
	}

	request := reconcile.Request{NamespacedName: client.ObjectKey{Name: name}}
	_, err = built.Reconciler.Reconcile(t.Context(), request)

	return err
}

func found(t *testing.T, c client.Client, name string) *tenantv1beta1.WorkspacePolicy {
	t.Helper()

	policy := &tenantv1beta1.WorkspacePolicy{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: name}, policy); err != nil {
		t.Fatal(err)
	}

	return policy
}

// bound returns the workspaces that the guard is asked about: nil where it is not asked at all.
func bound(t *testing.T, c client.Client) []string {
	t.Helper()

	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}

	err := c.Get(t.Context(), client.ObjectKey{Name: limits.Guard}, binding)
	if apierrors.IsNotFound(err) {
		return nil
	}

	if err != nil {
		t.Fatal(err)
	}

	return binding.Spec.MatchResources.ObjectSelector.MatchExpressions[0].Values
}

// Ten thousand namespaces change their workspaces' conditions often; only what counts wakes the policies.
func TestWhatWakes(t *testing.T) {
	built, err := workspacepolicy.New(manager.Dependencies{})
	if err != nil {
		t.Fatal(err)
	}

	before := workspace("w", "basic", 3)
	reported, moved, grown := before.DeepCopy(), workspace("w", "gold", 3), workspace("w", "basic", 4)
	reported.Status.Conditions = []metav1.Condition{{Type: "Ready"}}

	for name, test := range map[string]struct {
		after *tenantv1beta1.Workspace
		want  bool
	}{"conditions": {reported, false}, "labels": {moved, true}, "count": {grown, true}} {
		predicates := built.Watches[1].Predicates
		if got := predicates[0].Update(event.UpdateEvent{ObjectOld: before, ObjectNew: test.after}); got != test.want {
			t.Errorf("%s: wakes %t, want %t", name, got, test.want)
		}
	}
}

// What was published of a policy wakes it once more, for the binding; the rest of its status does not.
func TestWhatWakesAPolicy(t *testing.T) {
	built, err := workspacepolicy.New(manager.Dependencies{})
	if err != nil {
		t.Fatal(err)
	}

	before := policy("p", 3)
	reported, published, paused := before.DeepCopy(), before.DeepCopy(), before.DeepCopy()
	reported.Status.Conditions = []metav1.Condition{{Type: "Ready"}}
	published.Status.FullWorkspaces = []string{"full"}
	paused.Annotations = map[string]string{kube.PausedAnnotation: "true"}

	for name, test := range map[string]struct {
		after *tenantv1beta1.WorkspacePolicy
		want  bool
	}{"conditions": {reported, false}, "what is full": {published, true}, "pause": {paused, true}} {
		predicates := built.Watches[0].Predicates
		if got := predicates[0].Update(event.UpdateEvent{ObjectOld: before, ObjectNew: test.after}); got != test.want {
			t.Errorf("%s: wakes %t, want %t", name, got, test.want)
		}
	}
}
