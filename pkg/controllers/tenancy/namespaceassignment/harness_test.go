package namespaceassignment_test

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/namespaceassignment"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

func TestNamespaceAssignmentKeepsThePromises(t *testing.T) {
	harness.Run(t, subject(t))
}

func subject(t *testing.T) harness.Subject {
	t.Helper()

	return harness.Subject{
		Name:    namespaceassignment.Name,
		Scheme:  newScheme(t),
		Primary: &tenantv1beta1.NamespaceAssignment{},
		Kinds: []client.ObjectList{
			&tenantv1beta1.NamespaceAssignmentList{}, &tenantv1beta1.WorkspaceList{}, &corev1.NamespaceList{},
		},
		StatusKinds: []client.Object{&tenantv1beta1.NamespaceAssignment{}, &tenantv1beta1.Workspace{}},
		New: func(environment harness.Environment) reconcile.Reconciler {
			built, err := namespaceassignment.New(manager.Dependencies{
				Client: environment.Client, Recorder: environment.Recorder, Clock: environment.PassiveClock(),
			})
			if err != nil {
				t.Fatal(err)
			}

			return built.Reconciler
		},
		Worlds:   worlds(),
		Drifts:   drifts(),
		Seeds:    6,
		MaxReads: 4, MaxWrites: 4,
		// Namespaces are labelled, never made, and stay when the assignment goes.
		Unrepaired: isForeign,
		Remains:    isForeign,
	}
}

func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()

	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{tenantv1beta1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}

	return scheme
}

func isForeign(object client.Object) bool {
	switch object.(type) {
	case *corev1.Namespace, *tenantv1beta1.Workspace:
		return true
	}

	return false
}

func worlds() []harness.World {
	paused, dry := assignment("paused", "w", "a"), assignment("dry", "w", "a")
	paused.Annotations = map[string]string{kube.PausedAnnotation: "true"}
	dry.Spec.Mode = tenantv1beta1.ModeDryRun

	everything, invalid := assignment("everything", "w", ""), assignment("invalid", "w", "not a label value")
	ends := workspace("w")
	ends.Finalizers = []string{tenantv1beta1.CascadingDeletionFinalizer}
	ends.DeletionTimestamp = new(metav1.Now())

	return []harness.World{
		{Name: "moved", Objects: []client.Object{
			workspace("w"), assignment("moved", "w", "a", "old"),
			namespace("free", "", "a"), namespace("taken", "old", "a"), namespace("foreign", "", "b"),
			namespace("kube-public", "", "a"),
		}},
		{Name: "refused", Objects: []client.Object{
			workspace("w"), assignment("refused", "w", "a"), namespace("free", "", "a"), namespace("held", "old", "a"),
		}},
		{Name: "in dispute", Objects: []client.Object{
			workspace("w"), workspace("v"), assignment("one", "w", "a"), assignment("two", "v", "a"),
			namespace("settled", "w", "a"), namespace("held", "old", "a"),
		}},
		{Name: "rehearsed", Objects: []client.Object{workspace("w"), dry, namespace("free", "", "a")}},
		{Name: "no workspace", Objects: []client.Object{assignment("lost", "w", "a"), namespace("free", "", "a")}},
		{Name: "workspace ends", Objects: []client.Object{ends, assignment("late", "w", "a"), namespace("free", "", "a")}},
		{Name: "everything", Objects: []client.Object{workspace("w"), everything, namespace("free", "", "a")}, Fails: true},
		{Name: "invalid", Objects: []client.Object{workspace("w"), invalid, namespace("free", "", "a")}, Fails: true},
		{Name: "paused", Objects: []client.Object{workspace("w"), paused, namespace("free", "", "a")}},
	}
}

func drifts() []harness.Drift {
	return []harness.Drift{{
		Name: "the label is taken off", World: "moved",
		Make: func(ctx context.Context, c client.Client) error {
			patch := []byte(`{"metadata":{"labels":{"kubesphere.io/workspace":null}}}`)

			return c.Patch(ctx, namespace("free", "", ""), client.RawPatch("application/merge-patch+json", patch))
		},
	}}
}

func workspace(name string) *tenantv1beta1.Workspace {
	return &tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func assignment(name, workspace, team string, from ...string) *tenantv1beta1.NamespaceAssignment {
	object := &tenantv1beta1.NamespaceAssignment{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 1}}
	object.Spec.Workspace, object.Spec.From = workspace, from
	object.Spec.Mode = tenantv1beta1.ModeEnforce

	if team != "" {
		object.Spec.Selector.MatchLabels = map[string]string{"team": team}
	}

	return object
}

func namespace(name, workspace, team string) *corev1.Namespace {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"team": team}}}
	if workspace != "" {
		namespace.Labels[tenantv1beta1.WorkspaceLabel] = workspace
	}

	return namespace
}
