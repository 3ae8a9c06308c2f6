package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/cmd/ks-controller-manager/app"
	"github.com/ks-core/ks-controller-manager/pkg/controllers"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/preview"
)

// A namespace is moved by an assignment, and its new workspace deleted. Both times what happens is what the preview
// said.
func TestPreviewsComeTrue(t *testing.T) {
	startManager(t)

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "preview-payroll", Labels: map[string]string{tenantv1beta1.WorkspaceLabel: "left", "team": "payroll"},
	}}
	assignment := &tenantv1beta1.NamespaceAssignment{ObjectMeta: metav1.ObjectMeta{Name: "preview"}}
	assignment.Spec.Workspace, assignment.Spec.From = "right", []string{"left"}
	assignment.Spec.Selector.MatchLabels = map[string]string{"team": "payroll"}

	for _, workspace := range []string{"left", "right"} {
		create(t, &tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: workspace}})

		role, binding := workspaceRole(workspace, "user-of-"+workspace)
		create(t, role)
		create(t, binding)
	}

	policy := &tenantv1beta1.WorkspacePolicy{ObjectMeta: metav1.ObjectMeta{Name: "preview"}}
	policy.Spec.Limits.Namespaces = new(int32(1))
	create(t, policy)
	create(t, namespace)
	waitContent(t, namespace.Name, "RoleBinding kubesphere:workspacerole:left-dev", true)
	waitFull(t, "left")

	var transfer preview.Transfer

	previewed(t, &transfer, "transfer", namespace.Name, "--to", "right")

	before := contentOf(t, namespace.Name)
	create(t, assignment)
	waitChange(t, namespace.Name, before, transfer.Namespaces[0].Change)
	waitAssigned(t, assignment)
	waitFull(t, "right")

	if err := admin.Delete(t.Context(), assignment); err != nil {
		t.Fatal(err)
	}

	var deletion preview.Deletion

	previewed(t, &deletion, "delete", "workspace", "right")

	before = contentOf(t, namespace.Name)
	workspace := &tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "right"}}

	if err := admin.Delete(t.Context(), workspace); err != nil {
		t.Fatal(err)
	}

	waitGone(t, workspace)

	if len(deletion.Namespaces[0].Change.RolesRemoved) == 0 {
		t.Error("the preview does not tell of the built-in roles")
	}

	waitChange(t, namespace.Name, before, deletion.Namespaces[0].Change)
}

func workspaceRole(workspace, user string) (*iamv1beta1.WorkspaceRole, *iamv1beta1.WorkspaceRoleBinding) {
	meta := metav1.ObjectMeta{
		Name: workspace + "-dev", Labels: map[string]string{tenantv1beta1.WorkspaceLabel: workspace},
	}
	role := &iamv1beta1.WorkspaceRole{ObjectMeta: *meta.DeepCopy()}
	role.Rules = []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}}}

	binding := &iamv1beta1.WorkspaceRoleBinding{ObjectMeta: *meta.DeepCopy()}
	binding.RoleRef = rbacv1.RoleRef{APIGroup: iamv1beta1.GroupName, Kind: "WorkspaceRole", Name: role.Name}
	binding.Subjects = []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: user}}

	return role, binding
}

// previewed runs the command and reads what it says.
func previewed(t *testing.T, into any, arguments ...string) {
	t.Helper()

	command, err := app.NewCommand("ks-controller-manager", "test", controllers.Catalog())
	if err != nil {
		t.Fatal(err)
	}

	var out bytes.Buffer

	command.SetOut(&out)
	command.SetArgs(slices.Concat([]string{"preview"}, arguments,
		[]string{"--kubeconfig", shared.Kubeconfig(), "-o", "json"}))

	if err := command.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("preview %v: %v\n%s", arguments, err, out.String())
	}

	if err := json.Unmarshal(out.Bytes(), into); err != nil {
		t.Fatal(err)
	}
}

// contentOf returns the native roles and bindings of a namespace, sorted.
func contentOf(t *testing.T, namespace string) []string {
	t.Helper()

	content, err := content(t.Context(), namespace)
	if err != nil {
		t.Fatal(err)
	}

	return content
}

func content(ctx context.Context, namespace string) ([]string, error) {
	var (
		roles    rbacv1.RoleList
		bindings rbacv1.RoleBindingList
		names    []string
	)

	for _, list := range []client.ObjectList{&roles, &bindings} {
		if err := admin.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return nil, fmt.Errorf("look into namespace %s: %w", namespace, err)
		}
	}

	for i := range roles.Items {
		names = append(names, "Role "+roles.Items[i].Name)
	}

	for i := range bindings.Items {
		names = append(names, "RoleBinding "+bindings.Items[i].Name)
	}

	slices.Sort(names)

	return names, nil
}

func waitContent(t *testing.T, namespace, name string, want bool) {
	t.Helper()

	eventually(t, fmt.Sprintf("%s is there: %t", name, want), func(ctx context.Context) error {
		names, err := content(ctx, namespace)
		if err == nil && slices.Contains(names, name) != want {
			err = fmt.Errorf("there are %v", names)
		}

		return err
	})
}

// waitChange waits until the content is what it was, with what a preview said.
func waitChange(t *testing.T, namespace string, before []string, change preview.Change) {
	t.Helper()

	gone, come := map[string]bool{}, []string{}

	for prefix, names := range map[string][2][]string{
		"Role ":        {change.RolesRemoved, change.RolesAdded},
		"RoleBinding ": {change.BindingsRemoved, change.BindingsAdded},
	} {
		for _, name := range names[0] {
			gone[prefix+name] = true
		}

		for _, name := range names[1] {
			come = append(come, prefix+name)
		}
	}

	want := append(slices.DeleteFunc(slices.Clone(before), func(name string) bool { return gone[name] }), come...)
	slices.Sort(want)

	eventually(t, "the preview comes true", func(ctx context.Context) error {
		after, err := content(ctx, namespace)
		if err == nil && !slices.Equal(want, after) {
			err = fmt.Errorf("the preview said (-), this happened (+):\n%s", cmp.Diff(want, after))
		}

		return err
	})
}

func waitAssigned(t *testing.T, assignment *tenantv1beta1.NamespaceAssignment) {
	t.Helper()

	eventually(t, "the assignment is done", func(ctx context.Context) error {
		if err := admin.Get(ctx, client.ObjectKeyFromObject(assignment), assignment); err != nil {
			return fmt.Errorf("read the assignment: %w", err)
		}

		status := assignment.Status
		if !meta.IsStatusConditionTrue(status.Conditions, "Ready") || status.Assigned == nil || *status.Assigned != 1 {
			return fmt.Errorf("its status is %+v", status)
		}

		return nil
	})
}

// waitFull waits until the policy says that just this workspace has as many namespaces as it may.
func waitFull(t *testing.T, workspace string) {
	t.Helper()

	eventually(t, workspace+" is full", func(ctx context.Context) error {
		policy := &tenantv1beta1.WorkspacePolicy{}
		if err := admin.Get(ctx, client.ObjectKey{Name: "preview"}, policy); err != nil {
			return fmt.Errorf("read the policy: %w", err)
		}

		if full := policy.Status.FullWorkspaces; !slices.Equal(full, []string{workspace}) {
			return fmt.Errorf("full are %v", full)
		}

		return nil
	})
}
