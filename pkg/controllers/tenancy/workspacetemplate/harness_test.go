package workspacetemplate_test

import (
	"context"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1alpha2 "github.com/ks-core/ks-controller-manager/api/iam/v1alpha2"
	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/workspacetemplate"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

func TestWorkspaceTemplateKeepsThePromises(t *testing.T) {
	harness.Run(t, subject(t))
}

func subject(t *testing.T) harness.Subject {
	t.Helper()

	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		tenantv1beta1.AddToScheme, iamv1beta1.AddToScheme, iamv1alpha2.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}

	return harness.Subject{
		Name:    workspacetemplate.Name,
		Scheme:  scheme,
		Primary: &tenantv1beta1.WorkspaceTemplate{},
		Kinds: []client.ObjectList{
			&tenantv1beta1.WorkspaceTemplateList{}, &tenantv1beta1.WorkspaceList{},
			&iamv1beta1.WorkspaceRoleList{}, &iamv1beta1.WorkspaceRoleBindingList{}, &iamv1beta1.BuiltinRoleList{},
			&iamv1beta1.RoleTemplateList{}, &iamv1alpha2.RoleBaseList{},
		},
		StatusKinds: []client.Object{
			&tenantv1beta1.WorkspaceTemplate{}, &tenantv1beta1.Workspace{},
			&iamv1beta1.WorkspaceRole{}, &iamv1beta1.WorkspaceRoleBinding{},
		},
		Indexes: indexes(t),
		New: func(environment harness.Environment) reconcile.Reconciler {
			return build(t, environment).Reconciler
		},
		Worlds:   worlds(),
		Drifts:   drifts(),
		MaxReads: 10, MaxWrites: 9,
		Seeds: 6, // A world has half a dozen children.
	}
}

func build(t *testing.T, environment harness.Environment) *manager.Controller {
	t.Helper()

	built, err := workspacetemplate.New(manager.Dependencies{
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

func template(name, manager string) *tenantv1beta1.WorkspaceTemplate {
	template := &tenantv1beta1.WorkspaceTemplate{ObjectMeta: metav1.ObjectMeta{Name: name}}
	template.Spec.Template.Spec.Manager = manager

	return template
}

func worlds() []harness.World {
	isolated := true

	full := template("full", "alice")
	full.Spec.Template.Metadata.Labels = map[string]string{"team": "a"}
	full.Spec.Template.Metadata.Annotations = map[string]string{"note": "b"}
	full.Spec.Template.Spec.NetworkIsolation = &isolated
	full.Spec.Placement.Clusters = []tenantv1beta1.ClusterReference{{Name: "member"}}

	paused := template("paused", "alice")
	paused.Annotations = map[string]string{kube.PausedAnnotation: "true"}

	legacy := template("legacy", "bob")
	legacy.Finalizers = []string{
		tenantv1beta1.LegacyWorkspaceTemplateFinalizer, tenantv1beta1.LegacyOrphanFinalizer,
	}

	return []harness.World{
		{Name: "plain", Objects: []client.Object{template("plain", "alice")}},
		{Name: "everything set", Objects: []client.Object{full}},
		{Name: "without a manager", Objects: []client.Object{template("unmanaged", "")}},
		{Name: "several", Objects: []client.Object{template("a", "alice"), template("b", "alice"), template("c", "bob")}},
		{Name: "left by KubeSphere", Objects: []client.Object{legacy, oldWorkspace("legacy"), formerRole("legacy")}},
		{Name: "refused", Objects: []client.Object{template("refused", "system:admin")}, Fails: true},
		{Name: "paused", Objects: []client.Object{paused}},
	}
}

// oldWorkspace is one that KubeSphere made, with another manager.
func oldWorkspace(name string) *tenantv1beta1.Workspace {
	workspace := &tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	workspace.Spec.Manager = "carol"

	return workspace
}

// formerRole is one that this controller made for a definition that is no more.
func formerRole(workspace string) *iamv1beta1.WorkspaceRole {
	return &iamv1beta1.WorkspaceRole{ObjectMeta: metav1.ObjectMeta{
		Name: workspace + "-former", Labels: map[string]string{
			tenancy.ManagedByLabel: tenancy.ManagedBy, tenancy.ComponentLabel: workspacetemplate.Name,
			tenantv1beta1.WorkspaceLabel: workspace,
		},
	}}
}

func drifts() []harness.Drift {
	admin := metav1.ObjectMeta{Name: "plain-admin"}

	return []harness.Drift{
		{Name: "another manager", World: "plain", Make: patch(&tenantv1beta1.Workspace{
			ObjectMeta: metav1.ObjectMeta{Name: "plain"},
		}, `{"spec":{"manager":"mallory"}}`)},
		{Name: "more rights", World: "plain", Make: patch(&iamv1beta1.WorkspaceRole{
			ObjectMeta: metav1.ObjectMeta{Name: "plain-viewer"},
		}, `{"rules":[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]}`)},
		{Name: "another subject", World: "plain", Make: patch(&iamv1beta1.WorkspaceRoleBinding{ObjectMeta: admin},
			`{"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"mallory"}]}`)},
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
