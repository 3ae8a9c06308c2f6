package workspacerole_test

import (
	"context"
	"fmt"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1alpha2 "github.com/ks-core/ks-controller-manager/api/iam/v1alpha2"
	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/workspacerole"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

func TestWorkspaceRoleKeepsThePromises(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		tenantv1beta1.AddToScheme, iamv1beta1.AddToScheme, iamv1alpha2.AddToScheme, rbacv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}

	harness.Run(t, harness.Subject{
		Name:    workspacerole.Name,
		Scheme:  scheme,
		Primary: &iamv1beta1.WorkspaceRole{},
		Kinds: []client.ObjectList{
			&iamv1beta1.WorkspaceRoleList{}, &iamv1beta1.WorkspaceRoleBindingList{}, &tenantv1beta1.WorkspaceList{},
			&iamv1beta1.RoleTemplateList{}, &iamv1beta1.BuiltinRoleList{}, &iamv1alpha2.RoleBaseList{},
			&rbacv1.ClusterRoleList{}, &rbacv1.ClusterRoleBindingList{},
		},
		StatusKinds: []client.Object{&iamv1beta1.WorkspaceRole{}},
		Indexes:     indexes(t),
		New: func(environment harness.Environment) reconcile.Reconciler {
			return build(t, environment).Reconciler
		},
		Worlds:   worlds(),
		Drifts:   drifts(),
		MaxReads: 20, MaxWrites: 6,
		Seeds: 6,
		Remains: func(object client.Object) bool {
			_, isRole := object.(*rbacv1.ClusterRole)
			_, isBinding := object.(*rbacv1.ClusterRoleBinding)

			return !isRole && !isBinding
		},
		Unrepaired: func(object client.Object) bool {
			return object.GetLabels()["app.kubernetes.io/component"] != workspacerole.Name
		},
	})
}

func build(t *testing.T, environment harness.Environment) *manager.Controller {
	t.Helper()

	built, err := workspacerole.New(manager.Dependencies{
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
	workspace := &tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "ws"}}
	admin := role("ws-admin", "ws", rbacv1.PolicyRule{
		APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"},
	})
	regular := role("ws-regular", "ws", rbacv1.PolicyRule{
		APIGroups: []string{"tenant.kubesphere.io"}, Resources: []string{"workspaces"}, Verbs: []string{"get"},
	})

	aggregating := role("made-of-templates", "ws")
	aggregating.AggregationRoleTemplates = &iamv1beta1.AggregationRoleTemplates{
		TemplateNames: []string{"pods", "missing"},
	}

	template := &iamv1beta1.RoleTemplate{ObjectMeta: metav1.ObjectMeta{Name: "pods"}}
	template.Spec.Rules = []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"},
	}}

	legacy := role("ws-old", "ws")
	legacy.Finalizers = []string{iamv1beta1.LegacyWorkspaceRoleFinalizer}

	paused := role("paused", "ws")
	paused.Annotations = map[string]string{kube.PausedAnnotation: "true"}

	return []harness.World{
		{Name: "nobody holds them", Objects: []client.Object{workspace, admin, regular}},
		{Name: "held", Objects: []client.Object{
			workspace, admin, regular, binding("a", "ws", "ws-admin"), binding("r", "ws", "ws-regular"),
		}},
		{Name: "held from another workspace", Objects: []client.Object{
			workspace, admin, binding("a", "other", "ws-admin"),
		}},
		{Name: "templates", Objects: []client.Object{workspace, template, aggregating}},
		{Name: "left by KubeSphere", Objects: []client.Object{workspace, legacy}},
		{Name: "no workspace", Objects: []client.Object{admin}},
		{Name: "no label", Fails: true, Objects: []client.Object{role("lost", "")}},
		{Name: "paused", Objects: []client.Object{workspace, paused}},
	}
}

func role(name, workspace string, rules ...rbacv1.PolicyRule) *iamv1beta1.WorkspaceRole {
	role := &iamv1beta1.WorkspaceRole{ObjectMeta: metav1.ObjectMeta{Name: name}}
	role.Rules = rules

	if workspace != "" {
		role.Labels = map[string]string{tenantv1beta1.WorkspaceLabel: workspace}
	}

	return role
}

func binding(name, workspace, role string) *iamv1beta1.WorkspaceRoleBinding {
	binding := &iamv1beta1.WorkspaceRoleBinding{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{tenantv1beta1.WorkspaceLabel: workspace},
	}}
	binding.RoleRef = rbacv1.RoleRef{APIGroup: iamv1beta1.GroupName, Kind: "WorkspaceRole", Name: role}
	binding.Subjects = []rbacv1.Subject{
		{Kind: "User", Name: "alice"}, {Kind: "ServiceAccount", Name: "bot", Namespace: "ci"},
	}

	return binding
}

func drifts() []harness.Drift {
	name := metav1.ObjectMeta{Name: access.WorkspaceRoleSelfName("ws-regular")}

	return []harness.Drift{
		{
			Name: "more rights", World: "held",
			Make: patch(&rbacv1.ClusterRole{ObjectMeta: name},
				`{"rules":[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]}`),
		},
		{
			Name: "another subject", World: "held",
			Make: patch(&rbacv1.ClusterRoleBinding{ObjectMeta: name},
				`{"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"mallory"}]}`),
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
