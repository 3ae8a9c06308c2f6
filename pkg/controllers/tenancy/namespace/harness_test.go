package namespace_test

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1alpha2 "github.com/ks-core/ks-controller-manager/api/iam/v1alpha2"
	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/namespace"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

func TestNamespaceKeepsThePromises(t *testing.T) {
	harness.Run(t, subject(t))
}

func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()

	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		tenantv1beta1.AddToScheme, iamv1beta1.AddToScheme, iamv1alpha2.AddToScheme,
		rbacv1.AddToScheme, corev1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}

	return scheme
}

func subject(t *testing.T) harness.Subject {
	t.Helper()

	scheme := newScheme(t)

	return harness.Subject{
		Name:    namespace.Name,
		Scheme:  scheme,
		Primary: &corev1.Namespace{},
		Kinds: []client.ObjectList{
			&corev1.NamespaceList{}, &tenantv1beta1.WorkspaceList{}, &tenantv1beta1.WorkspacePolicyList{},
			&iamv1beta1.WorkspaceRoleList{}, &iamv1beta1.WorkspaceRoleBindingList{}, &iamv1beta1.BuiltinRoleList{},
			&iamv1alpha2.RoleBaseList{}, &rbacv1.RoleList{}, &rbacv1.RoleBindingList{}, &iamv1beta1.RoleList{},
			&iamv1beta1.RoleBindingList{},
		},
		StatusKinds: []client.Object{&tenantv1beta1.Workspace{}},
		Indexes:     indexes(t, scheme),
		New: func(environment harness.Environment) reconcile.Reconciler {
			return build(t, scheme, environment).Reconciler
		},
		Worlds:   worlds(),
		Drifts:   drifts(),
		MaxReads: 14, MaxWrites: 12,
		NoConditions: true,
		Seeds:        6, // A world has a dozen children.
		// What is in a namespace goes with it. Only what carries our labels is ours to repair.
		Remains: func(client.Object) bool { return true },
		Unrepaired: func(object client.Object) bool {
			return object.GetLabels()["app.kubernetes.io/component"] != access.Component
		},
	}
}

func build(t *testing.T, scheme *runtime.Scheme, environment harness.Environment) *manager.Controller {
	t.Helper()

	specs := map[schema.GroupVersionKind]stores.Spec{}

	for _, cached := range namespace.Descriptor(access.ProfileAuto).Caches {
		if cached.Depth == stores.Digested {
			specs[cached.Kind] = cached
		}
	}

	built, err := namespace.New(access.ProfileAuto, manager.Dependencies{
		Client: environment.Client, Live: environment.Client,
		Recorder: environment.Recorder,
		Digests: func(kind schema.GroupVersionKind) (stores.Digests, error) {
			return harness.Digests(environment.Client, scheme, specs[kind]), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}

	return built
}

// indexes are those the controller itself declares.
func indexes(t *testing.T, scheme *runtime.Scheme) []harness.Index {
	t.Helper()

	declared := build(t, scheme, harness.Environment{}).Indexes
	indexes := make([]harness.Index, 0, len(declared))

	for _, index := range declared {
		indexes = append(indexes, harness.Index{Object: index.Object, Field: index.Field, Extract: index.Value})
	}

	return indexes
}

func worlds() []harness.World {
	member := inWorkspace("member")
	member.Annotations = map[string]string{tenantv1beta1.CreatorAnnotation: "alice"}

	legacy := inWorkspace("legacy")
	legacy.Annotations = map[string]string{tenantv1beta1.CreatorAnnotation: "alice"}
	legacy.Finalizers = []string{tenantv1beta1.LegacyNamespaceFinalizer, tenantv1beta1.CascadingDeletionFinalizer}
	legacy.OwnerReferences = []metav1.OwnerReference{
		{APIVersion: "tenant.kubesphere.io/v1alpha1", Kind: "Workspace", Name: "ws", UID: "1"},
	}

	outside := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "outside", Finalizers: []string{tenantv1beta1.LegacyNamespaceFinalizer, "example.com/other"},
	}}

	paused := inWorkspace("paused")
	paused.Annotations = map[string]string{kube.PausedAnnotation: "true"}

	surplus := inWorkspace("surplus")
	surplus.Annotations = map[string]string{
		tenantv1beta1.CreatorAnnotation: "alice", tenantv1beta1.SelfServiceAnnotation: "true",
	}

	workspace := &tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "ws"}}

	return []harness.World{
		{Name: "no roles of the workspace", Objects: []client.Object{workspace, inWorkspace("plain")}},
		{Name: "roles of the workspace", Objects: append(roles(), workspace, member)},
		{Name: "left by KubeSphere", Objects: append(roles(), workspace, legacy)},
		{Name: "shape of 3.x", Objects: append(roles(), workspace, legacy, roleBase())},
		{Name: "outside", Objects: []client.Object{outside, stray("outside")}},
		{Name: "paused", Objects: []client.Object{workspace, paused}},
		{Name: "strays", Objects: append(roles(), workspace, inWorkspace("strays"), stray("strays"))},
		{Name: "made by a member", Objects: append(roles(), workspace, policy(1), surplus)},
	}
}

func inWorkspace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{tenantv1beta1.WorkspaceLabel: "ws"},
	}}
}

func roles() []client.Object {
	inside := map[string]string{tenantv1beta1.WorkspaceLabel: "ws"}
	viewer := &iamv1beta1.WorkspaceRole{ObjectMeta: metav1.ObjectMeta{Name: "ws-viewer", Labels: inside}}
	viewer.Rules = []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"},
	}}

	bob := &iamv1beta1.WorkspaceRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "bob", Labels: inside}}
	bob.RoleRef = rbacv1.RoleRef{APIGroup: iamv1beta1.GroupName, Kind: "WorkspaceRole", Name: "ws-viewer"}
	bob.Subjects = []rbacv1.Subject{{Kind: "User", Name: "bob"}}

	return []client.Object{viewer, bob}
}

func roleBase() *iamv1alpha2.RoleBase {
	return &iamv1alpha2.RoleBase{
		ObjectMeta: metav1.ObjectMeta{Name: "auditor"},
		Role: runtime.RawExtension{Raw: []byte(`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role",` +
			`"metadata":{"name":"auditor"},"rules":[{"apiGroups":[""],"resources":["events"],"verbs":["get"]}]}`)},
	}
}

// stray is a binding that was made for a role that is no more.
func stray(in string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: in, Name: access.WorkspaceRoleName("gone"), Labels: map[string]string{
				"app.kubernetes.io/managed-by": "ks-controller-manager",
				"app.kubernetes.io/component":  access.Component,
			},
		},
		RoleRef: rbacv1.RoleRef{
			APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: access.WorkspaceRoleName("gone"),
		},
	}
}

func policy(namespaces int32) *tenantv1beta1.WorkspacePolicy {
	policy := &tenantv1beta1.WorkspacePolicy{ObjectMeta: metav1.ObjectMeta{Name: "small"}}
	policy.Spec.Limits.Namespaces = &namespaces

	return policy
}

func drifts() []harness.Drift {
	binding := metav1.ObjectMeta{Namespace: "member", Name: access.WorkspaceRoleName("ws-viewer")}
	role := metav1.ObjectMeta{Namespace: "member", Name: access.NativeRoleName("viewer")}

	return []harness.Drift{
		{
			Name: "another subject", World: "roles of the workspace",
			Make: patch(&rbacv1.RoleBinding{ObjectMeta: binding},
				`{"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"mallory"}]}`),
		},
		{
			Name: "more rights", World: "roles of the workspace",
			Make: patch(&rbacv1.Role{ObjectMeta: role},
				`{"rules":[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]}`),
		},
		{
			Name: "more rights for KubeSphere", World: "roles of the workspace",
			Make: patch(&iamv1beta1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "member", Name: "viewer"}},
				`{"rules":[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]}`),
		},
	}
}

func patch(object client.Object, content string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		copied, isObject := object.DeepCopyObject().(client.Object)
		if !isObject {
			return fmt.Errorf("%T is no object", object)
		}

		return c.Patch(ctx, copied, client.RawPatch("application/merge-patch+json", []byte(content)))
	}
}

// Whether a namespace is admitted is decided once, so here the order matters: this world is tried in one alone.
func TestSurplusIsFrozenUntilThereIsRoom(t *testing.T) {
	scheme := newScheme(t)
	on := subject(t)

	backend, err := harness.Fake().Open(t.Context(), on)
	if err != nil {
		t.Fatal(err)
	}

	surplus := inWorkspace("surplus")
	surplus.Annotations = map[string]string{
		tenantv1beta1.CreatorAnnotation: "alice", tenantv1beta1.SelfServiceAnnotation: "true",
	}
	limit := policy(0)

	for _, object := range append(roles(), &tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "ws"}},
		limit, surplus) {
		if err := backend.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}

	reconciler := build(t, scheme, harness.Environment{Client: backend}).Reconciler
	bindings := func() int {
		t.Helper()

		if _, err := reconciler.Reconcile(t.Context(), reconcile.Request{
			NamespacedName: client.ObjectKeyFromObject(surplus),
		}); err != nil {
			t.Fatal(err)
		}

		native, iam := &rbacv1.RoleBindingList{}, &iamv1beta1.RoleBindingList{}
		for _, list := range []client.ObjectList{native, iam} {
			if err := backend.List(t.Context(), list, client.InNamespace("surplus")); err != nil {
				t.Fatal(err)
			}
		}

		return len(native.Items) + len(iam.Items)
	}

	if count := bindings(); count != 0 {
		t.Errorf("%d bindings in a frozen namespace", count)
	}

	if err := backend.Delete(t.Context(), limit); err != nil {
		t.Fatal(err)
	}

	if count := bindings(); count != 2 {
		t.Errorf("%d bindings, want that of the workspace's role and that of the creator", count)
	}

	// Admitted is admitted.
	if err := backend.Create(t.Context(), policy(0)); err != nil {
		t.Fatal(err)
	}

	if count := bindings(); count != 2 {
		t.Errorf("%d bindings after the limit was lowered", count)
	}
}
