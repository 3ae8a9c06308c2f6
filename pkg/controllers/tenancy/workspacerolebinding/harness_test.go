package workspacerolebinding_test

import (
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/workspacerolebinding"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

func TestWorkspaceRoleBindingKeepsThePromises(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := iamv1beta1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}

	harness.Run(t, harness.Subject{
		Name:        workspacerolebinding.Name,
		Scheme:      scheme,
		Primary:     &iamv1beta1.WorkspaceRoleBinding{},
		Kinds:       []client.ObjectList{&iamv1beta1.WorkspaceRoleBindingList{}, &iamv1beta1.WorkspaceRoleList{}},
		StatusKinds: []client.Object{&iamv1beta1.WorkspaceRoleBinding{}},
		New: func(environment harness.Environment) reconcile.Reconciler {
			return build(t, environment)
		},
		Worlds:   worlds(),
		MaxReads: 2, MaxWrites: 1,
		Unrepaired: isRole,
		Remains:    isRole,
	})
}

func isRole(object client.Object) bool {
	_, isRole := object.(*iamv1beta1.WorkspaceRole)

	return isRole
}

func build(t *testing.T, environment harness.Environment) reconcile.Reconciler {
	t.Helper()

	built, err := workspacerolebinding.New(manager.Dependencies{
		Client: environment.Client, Recorder: environment.Recorder, Clock: environment.PassiveClock(),
	})
	if err != nil {
		t.Fatal(err)
	}

	return built.Reconciler
}

func worlds() []harness.World {
	viewer := &iamv1beta1.WorkspaceRole{ObjectMeta: metav1.ObjectMeta{
		Name: "ws-viewer", Labels: map[string]string{tenantv1beta1.WorkspaceLabel: "ws"},
	}}

	legacy := binding("legacy", "ws", rbacv1.Subject{Kind: "User", Name: "alice"})
	legacy.Finalizers = []string{iamv1beta1.LegacyWorkspaceRoleBindingFinalizer}

	paused := binding("paused", "ws")
	paused.Annotations = map[string]string{kube.PausedAnnotation: "true"}

	anonymous := binding("everybody", "ws",
		rbacv1.Subject{Kind: "User", Name: "alice"}, rbacv1.Subject{Kind: "Group", Name: "system:unauthenticated"})

	return []harness.World{
		{Name: "good", Objects: []client.Object{viewer, binding("good", "ws", rbacv1.Subject{Kind: "User", Name: "a"})}},
		{Name: "nobody", Objects: []client.Object{viewer, binding("nobody", "ws")}},
		{Name: "unknown role", Objects: []client.Object{binding("early", "ws")}},
		{Name: "role of another workspace", Fails: true, Objects: []client.Object{viewer, binding("cross", "other")}},
		{Name: "no workspace", Fails: true, Objects: []client.Object{viewer, binding("lost", "")}},
		{Name: "everybody", Fails: true, Objects: []client.Object{viewer, anonymous}},
		{Name: "left by KubeSphere", Objects: []client.Object{viewer, legacy}},
		{Name: "paused", Objects: []client.Object{viewer, paused}},
	}
}

func binding(name, workspace string, subjects ...rbacv1.Subject) *iamv1beta1.WorkspaceRoleBinding {
	binding := &iamv1beta1.WorkspaceRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name}}
	binding.RoleRef = rbacv1.RoleRef{APIGroup: iamv1beta1.GroupName, Kind: "WorkspaceRole", Name: "ws-viewer"}
	binding.Subjects = subjects

	if workspace != "" {
		binding.Labels = map[string]string{tenantv1beta1.WorkspaceLabel: workspace}
	}

	return binding
}
