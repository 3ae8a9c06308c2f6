package workspacepolicy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

	isWorkspace := func(object client.Object) bool {
		_, isWorkspace := object.(*tenantv1beta1.Workspace)

		return isWorkspace
	}

	return harness.Subject{
		Name:        workspacepolicy.Name,
		Scheme:      scheme,
		Primary:     &tenantv1beta1.WorkspacePolicy{},
		Kinds:       []client.ObjectList{&tenantv1beta1.WorkspacePolicyList{}, &tenantv1beta1.WorkspaceList{}},
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
		MaxReads: 2, MaxWrites: 1,
		// Workspaces are looked at and never made or changed.
		Unrepaired: isWorkspace,
		Remains:    isWorkspace,
	}
}

func worlds() []harness.World {
	workspaces := func(policy *tenantv1beta1.WorkspacePolicy) []client.Object {
		return []client.Object{
			workspace("full", "basic", 3), workspace("over", "basic", 4), workspace("room", "basic", 2),
			workspace("gold", "gold", 9), policy,
		}
	}

	dry, paused, invalid := policy("dry", 3), policy("paused", 3), policy("invalid", 3)
	dry.Spec.Mode = tenantv1beta1.ModeDryRun
	paused.Annotations = map[string]string{kube.PausedAnnotation: "true"}
	invalid.Spec.Selector.MatchLabels = map[string]string{"plan": "not a label value"}

	return []harness.World{
		{Name: "limit", Objects: workspaces(policy("limit", 3))},
		{Name: "no limit", Objects: workspaces(policy("no-limit", -1))},
		{Name: "dry run", Objects: workspaces(dry)},
		{Name: "paused", Objects: workspaces(paused)},
		{Name: "invalid", Objects: workspaces(invalid), Fails: true},
		{Name: "nothing selected", Objects: []client.Object{policy("lonely", 3)}},
	}
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
	}{
		"limit":            {"True/InForce", 3, []string{"full", "over"}},
		"no limit":         {"True/NoLimits", 3, nil},
		"dry run":          {"True/DryRun", 3, []string{"full", "over"}},
		"paused":           {"Unknown/Paused", -1, nil},
		"invalid":          {"False/InvalidSelector", 0, nil},
		"nothing selected": {"True/InForce", 0, nil},
	}

	for _, world := range worlds() {
		t.Run(world.Name, func(t *testing.T) {
			test := tests[world.Name]
			status := outcome(t, world)

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
		})
	}
}

// outcome runs the controller once and returns what it says of the policy of a world, which is the last object.
func outcome(t *testing.T, world harness.World) tenantv1beta1.WorkspacePolicyStatus {
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

		if made, isWorkspace := planted.(*tenantv1beta1.Workspace); isWorkspace {
			made.Status.NamespaceCount = object.(*tenantv1beta1.Workspace).Status.NamespaceCount

			if err := c.Status().Update(t.Context(), made); err != nil {
				t.Fatal(err)
			}
		}
	}

	built, err := workspacepolicy.New(manager.Dependencies{
		Client: c, Recorder: events.NewFakeRecorder(1000), Clock: testclock.NewFakePassiveClock(time.Unix(0, 0)),
	})
	if err != nil {
		t.Fatal(err)
	}

	key := client.ObjectKeyFromObject(world.Objects[len(world.Objects)-1])

	_, err = built.Reconciler.Reconcile(t.Context(), reconcile.Request{NamespacedName: key})
	if (err != nil) != world.Fails {
		t.Errorf("the run ended with %v", err)
	}

	found := &tenantv1beta1.WorkspacePolicy{}
	if err := c.Get(t.Context(), key, found); err != nil {
		t.Fatal(err)
	}

	return found.Status
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
