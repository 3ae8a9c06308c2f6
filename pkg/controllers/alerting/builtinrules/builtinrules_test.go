package builtinrules_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/builtin"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/alerting/builtinrules"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// cluster is a server with the definition in it, and the controller of all groups that come with the platform.
type cluster struct {
	t          *testing.T
	client     client.Client
	reconciler reconcile.Reconciler
	events     chan string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()

	server, err := harness.Fake().Open(t.Context(), subject(t))
	if err != nil {
		t.Fatal(err)
	}

	recorder := events.NewFakeRecorder(100)

	built, err := builtinrules.Descriptor().New(manager.Dependencies{Client: server, Recorder: recorder})
	if err != nil {
		t.Fatal(err)
	}

	made := &cluster{t: t, client: server, reconciler: built.Reconciler, events: recorder.Events}
	if err := server.Create(t.Context(), definition()); err != nil {
		t.Fatal(err)
	}

	made.run()

	return made
}

func (c *cluster) run() {
	c.t.Helper()

	request := reconcile.Request{NamespacedName: types.NamespacedName{Name: builtinrules.Definition}}
	if _, err := c.reconciler.Reconcile(c.t.Context(), request); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) get(name string) *alertingv2beta1.GlobalRuleGroup {
	c.t.Helper()

	found := &alertingv2beta1.GlobalRuleGroup{}
	if err := c.client.Get(c.t.Context(), client.ObjectKey{Name: name}, found); err != nil {
		c.t.Fatal(err)
	}

	return found
}

func (c *cluster) edit(name string, edit func(*alertingv2beta1.GlobalRuleGroup)) {
	c.t.Helper()

	if err := change(c.t.Context(), c.client, name, edit); err != nil {
		c.t.Fatal(err)
	}

	c.run()
}

// served leaves out what a server adds.
func served() cmp.Options {
	return cmp.Options{
		cmpopts.IgnoreFields(metav1.ObjectMeta{},
			"UID", "ResourceVersion", "Generation", "CreationTimestamp", "ManagedFields"),
		cmpopts.IgnoreTypes(metav1.TypeMeta{}), cmpopts.EquateEmpty(),
	}
}

// In an empty cluster all groups are made, and one that was deleted is made again.
func TestAllGroupsAreMade(t *testing.T) {
	want, err := builtin.Groups()
	if err != nil {
		t.Fatal(err)
	}

	there := newCluster(t)
	if err := there.client.Delete(t.Context(), there.get(want[0].Name)); err != nil {
		t.Fatal(err)
	}

	there.run()

	got := &alertingv2beta1.GlobalRuleGroupList{}
	if err := there.client.List(t.Context(), got); err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(want, got.Items, served()); diff != "" {
		t.Error(diff)
	}
}

// What users write stays, until they ask for what was there.
func TestEditsStayUntilReset(t *testing.T) {
	there := newCluster(t)
	made := there.get("builtin-etcd")

	limit := int32(7)

	there.edit("builtin-etcd", func(group *alertingv2beta1.GlobalRuleGroup) {
		group.Labels[alertingv2beta1.EnableLabel] = "false"
		group.Labels["team"] = "a"
		group.Spec.Rules[0].Disable = true
		group.Spec.Limit = &limit
		group.Spec.Rules[1].Labels = map[string]string{"tier": "1"}
	})

	edited := there.get("builtin-etcd")
	if !edited.Spec.Rules[0].Disable || edited.Spec.Limit == nil ||
		edited.Labels[alertingv2beta1.EnableLabel] != "false" {
		t.Fatalf("the edit is gone: %+v", edited.Spec)
	}

	there.edit("builtin-etcd", func(group *alertingv2beta1.GlobalRuleGroup) {
		group.Annotations[builtin.ResetAnnotation] = "true"
	})

	want := made.DeepCopy()
	want.Labels[alertingv2beta1.EnableLabel] = "false"
	want.Labels["team"] = "a"

	if diff := cmp.Diff(want, there.get("builtin-etcd"), served()); diff != "" {
		t.Error(diff)
	}

	if told := <-there.events; told == "" || len(there.events) > 0 {
		t.Errorf("%q, and %d more", told, len(there.events))
	}
}

// A group made meanwhile under the same name stays its author's, and holds nothing else up: the cache did not know it
// yet.
func TestNothingIsTakenOver(t *testing.T) {
	server, err := harness.Fake().Open(t.Context(), subject(t))
	if err != nil {
		t.Fatal(err)
	}

	theirs := changed(group("builtin-etcd", "1"), func(group *alertingv2beta1.GlobalRuleGroup) { group.Labels = nil })
	for _, object := range []client.Object{definition(), theirs} {
		if err := server.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}

	stale := interceptor.NewClient(server, interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return nil },
	})

	built, err := builtinrules.Descriptor().New(manager.Dependencies{
		Client: stale, Recorder: events.NewFakeRecorder(1),
	})
	if err != nil {
		t.Fatal(err)
	}

	there := &cluster{t: t, client: server, reconciler: built.Reconciler}
	there.run()

	if diff := cmp.Diff(theirs, there.get("builtin-etcd"), served()); diff != "" {
		t.Error(diff)
	}

	if made := there.get("builtin-watchdog"); made.Labels[alertingv2beta1.BuiltinLabel] != "true" {
		t.Errorf("got %+v", made.ObjectMeta)
	}
}
