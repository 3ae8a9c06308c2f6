package workspace_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/workspace"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/test/cluster"
)

func TestWorkspaceKeepsThePromises(t *testing.T) {
	harness.Run(t, subject(t))
}

// The same promises against a real API server, in the worlds without namespaces: those take their time to go.
func TestWorkspaceKeepsThePromisesLive(t *testing.T) {
	control := cluster.ForTest(t, cluster.Options{})

	for _, arguments := range [][]string{
		{"apply", "--server-side", "-k", "../../../../config/crd"},
		{"wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"},
	} {
		if _, err := control.Kubectl(t.Context(), arguments...); err != nil {
			t.Fatal(err)
		}
	}

	live := subject(t)
	live.Seeds = 2
	live.Worlds = slices.DeleteFunc(live.Worlds, func(world harness.World) bool {
		return slices.ContainsFunc(world.Objects, isNamespace)
	})

	admin, err := client.NewWithWatch(control.Config(), client.Options{Scheme: live.Scheme})
	if err != nil {
		t.Fatal(err)
	}

	harness.RunOn(t, harness.Live(admin), live)
}

func subject(t *testing.T) harness.Subject {
	t.Helper()

	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{tenantv1beta1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}

	return harness.Subject{
		Name:    workspace.Name,
		Scheme:  scheme,
		Primary: &tenantv1beta1.Workspace{},
		Kinds: []client.ObjectList{
			&tenantv1beta1.WorkspaceList{}, &tenantv1beta1.WorkspaceTemplateList{},
			&tenantv1beta1.WorkspacePolicyList{}, &corev1.NamespaceList{},
		},
		StatusKinds: []client.Object{&tenantv1beta1.Workspace{}},
		Indexes:     indexes(t),
		New: func(environment harness.Environment) reconcile.Reconciler {
			return build(t, environment).Reconciler
		},
		Worlds:   worlds(),
		MaxReads: 7, MaxWrites: 4,
		Seeds: 8,
		// Namespaces are let go or deleted at the end, and never made.
		Unrepaired: isNamespace,
		Remains:    isNamespace,
	}
}

func isNamespace(object client.Object) bool {
	_, isNamespace := object.(*corev1.Namespace)

	return isNamespace
}

func build(t *testing.T, environment harness.Environment) *manager.Controller {
	t.Helper()

	built, err := workspace.New(manager.Dependencies{
		Client: environment.Client, Live: harness.Established(environment.Client),
		Recorder: environment.Recorder, Clock: environment.PassiveClock(),
	})
	if err != nil {
		t.Fatal(err)
	}

	return built
}

// indexes are those the controller itself declares.
func indexes(t *testing.T) []harness.Index {
	t.Helper()

	declared := build(t, harness.Environment{}).Indexes
	indexes := make([]harness.Index, 0, len(declared))

	for _, index := range declared {
		indexes = append(indexes, harness.Index{Object: index.Object, Field: index.Field, Extract: index.Value})
	}

	return indexes
}

func worlds() []harness.World {
	return []harness.World{
		{Name: "empty", Objects: []client.Object{newWorkspace("empty")}},
		{Name: "with namespaces", Objects: []client.Object{
			newWorkspace("a"), newWorkspace("b"),
			newNamespace("a-1", "a"), newNamespace("a-2", "a"), newNamespace("b-1", "b"), newNamespace("none", ""),
		}},
		{Name: "left by KubeSphere", Objects: []client.Object{newWorkspace("old",
			tenantv1beta1.LegacyWorkspaceFinalizer, tenantv1beta1.CascadingDeletionFinalizer)}},
		{Name: "name too long", Objects: []client.Object{newWorkspace(strings.Repeat("n", 64))}, Fails: true},
		{Name: "paused", Objects: []client.Object{paused()}},
		{Name: "too many namespaces", Objects: []client.Object{
			newWorkspace("a"), limited(1), newNamespace("a-1", "a"), madeByMember("a-2", "a"), madeByMember("a-3", "a"),
		}},
		{Name: "let go", Together: true, Objects: []client.Object{
			ending(""), newNamespace("a-1", "a"), ownedByWorkspace("a-2", "a"), newNamespace("b-1", "b"),
		}},
		{Name: "coming back", Together: true, Objects: []client.Object{
			&tenantv1beta1.WorkspaceTemplate{ObjectMeta: metav1.ObjectMeta{Name: "a"}},
			ending("Foreground"), newNamespace("a-1", "a"),
		}},
		{Name: "cascade", Together: true, Objects: []client.Object{
			ending("Foreground"), newNamespace("a-1", "a"), newNamespace("a-2", "a"), newNamespace("b-1", "b"),
		}},
		{Name: "cascade held", Together: true, Objects: []client.Object{
			ending("Background"), newNamespace("a-1", "a"), protected("a-2", "a"),
		}},
		{Name: "unknown propagation", Together: true, Fails: true, Objects: []client.Object{
			ending("Backwards"), newNamespace("a-1", "a"),
		}},
	}
}

func ending(propagation string) *tenantv1beta1.Workspace {
	workspace := newWorkspace("a", tenantv1beta1.CascadingDeletionFinalizer)
	workspace.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}

	if propagation != "" {
		workspace.Annotations = map[string]string{tenantv1beta1.DeletionPropagationAnnotation: propagation}
	}

	return workspace
}

func limited(namespaces int32) *tenantv1beta1.WorkspacePolicy {
	policy := &tenantv1beta1.WorkspacePolicy{ObjectMeta: metav1.ObjectMeta{Name: "small"}}
	policy.Spec.Limits.Namespaces = &namespaces

	return policy
}

func madeByMember(name, workspace string) *corev1.Namespace {
	namespace := newNamespace(name, workspace)
	namespace.Annotations = map[string]string{tenantv1beta1.SelfServiceAnnotation: "true"}

	return namespace
}

func ownedByWorkspace(name, workspace string) *corev1.Namespace {
	namespace := newNamespace(name, workspace)
	namespace.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: "tenant.kubesphere.io/v1alpha1", Kind: "Workspace", Name: workspace, UID: "1",
	}}

	return namespace
}

func protected(name, workspace string) *corev1.Namespace {
	namespace := newNamespace(name, workspace)
	namespace.Labels[tenantv1beta1.ProtectedLabel] = "true"

	return namespace
}

func newWorkspace(name string, finalizers ...string) *tenantv1beta1.Workspace {
	return &tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: name, Finalizers: finalizers}}
}

func paused() *tenantv1beta1.Workspace {
	paused := newWorkspace("paused")
	paused.Annotations = map[string]string{kube.PausedAnnotation: "true"}

	return paused
}

func newNamespace(name, workspace string) *corev1.Namespace {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if workspace != "" {
		namespace.Labels = map[string]string{tenantv1beta1.WorkspaceLabel: workspace}
	}

	return namespace
}
