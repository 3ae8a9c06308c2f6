package integration_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/roles"
)

// waitCondition waits until a template's condition has the status and, unless empty, the reason.
func waitCondition(t *testing.T, name, kind string, status metav1.ConditionStatus, reason string) metav1.Condition {
	t.Helper()

	var found metav1.Condition

	eventually(t, fmt.Sprintf("WorkspaceTemplate %s has %s=%s %s", name, kind, status, reason),
		func(ctx context.Context) error {
			template := &tenantv1beta1.WorkspaceTemplate{}
			if err := admin.Get(ctx, client.ObjectKey{Name: name}, template); err != nil {
				return fmt.Errorf("read the template: %w", err)
			}

			condition := meta.FindStatusCondition(template.Status.Conditions, kind)
			if condition == nil || condition.Status != status || reason != "" && condition.Reason != reason ||
				condition.ObservedGeneration != template.Generation {
				return fmt.Errorf("generation %d, conditions %+v", template.Generation, template.Status.Conditions)
			}

			found = *condition

			return nil
		})

	return found
}

func waitReady(t *testing.T, name string) {
	t.Helper()

	waitCondition(t, name, kube.ConditionReady, metav1.ConditionTrue, "")
}

// waitGone waits until an object does not exist any more.
func waitGone(t *testing.T, object client.Object) {
	t.Helper()

	eventually(t, fmt.Sprintf("%T %s is gone", object, object.GetName()), func(ctx context.Context) error {
		err := admin.Get(ctx, client.ObjectKeyFromObject(object), object)
		if apierrors.IsNotFound(err) {
			return nil
		}

		return errors.Join(err, fmt.Errorf("it is there, with finalizers %v", object.GetFinalizers()))
	})
}

// may asks the API server, as the user, whether the user may do something with a workspace.
func may(ctx context.Context, user, verb, workspace string) (bool, error) {
	config, err := shared.User(user)
	if err != nil {
		return false, fmt.Errorf("make user %s: %w", user, err)
	}

	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return false, fmt.Errorf("make a client for user %s: %w", user, err)
	}

	review := &authorizationv1.SelfSubjectAccessReview{}
	review.Spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
		Group: tenantv1beta1.GroupName, Resource: "workspaces", Verb: verb, Name: workspace,
	}

	answer, err := clients.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask as user %s: %w", user, err)
	}

	return answer.Status.Allowed, nil
}

// waitMay waits until the answer is the wanted one: the API server learns of roles with a short delay.
func waitMay(t *testing.T, user, verb, workspace string, want bool) {
	t.Helper()

	eventually(t, fmt.Sprintf("user %s may %s workspace %s: %t", user, verb, workspace, want),
		func(ctx context.Context) error {
			got, err := may(ctx, user, verb, workspace)
			if err == nil && got != want {
				err = fmt.Errorf("the API server says %t", got)
			}

			return err
		})
}

func TestTemplateYieldsItsWorkspace(t *testing.T) {
	startManager(t)

	isolated := true
	wanted := template("yields", "alice")
	wanted.Spec.Template.Metadata.Labels = map[string]string{"team": "a"}
	wanted.Spec.Template.Metadata.Annotations = map[string]string{"kubesphere.io/alias-name": "A team"}
	wanted.Spec.Template.Spec.NetworkIsolation = &isolated
	create(t, wanted)
	waitReady(t, "yields")

	workspace := &tenantv1beta1.Workspace{}
	if err := admin.Get(t.Context(), client.ObjectKey{Name: "yields"}, workspace); err != nil {
		t.Fatal(err)
	}

	if workspace.Spec.Manager != "alice" || !*workspace.Spec.NetworkIsolation || workspace.Labels["team"] != "a" ||
		workspace.Annotations["kubesphere.io/alias-name"] != "A team" {
		t.Errorf("the workspace is not what the template asks for: %+v", workspace)
	}

	for verb, want := range map[string]bool{"get": true, "update": true, "patch": true, "delete": false} {
		waitMay(t, "alice", verb, "yields", want)
	}

	waitMay(t, "alice", "get", "system-workspace", false)
	waitMay(t, "mallory", "get", "yields", false)
}

func TestTemplateChangesReachTheWorkspace(t *testing.T) {
	startManager(t)

	first := template("changes", "alice")
	first.Spec.Template.Metadata.Labels = map[string]string{"team": "a", "old": "label"}
	create(t, first)
	waitReady(t, "changes")

	// Somebody else's label is none of ours.
	patch := []byte(`{"metadata":{"labels":{"foreign":"kept"}}}`)
	workspace := &tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "changes"}}

	if err := admin.Patch(t.Context(), workspace, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}

	patch = []byte(`{"spec":{"template":{"metadata":{"labels":{"team":"b","old":null}},"spec":{"manager":"bob"}}}}`)
	if err := admin.Patch(t.Context(), first, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}

	eventually(t, "the workspace follows", func(ctx context.Context) error {
		if err := admin.Get(ctx, client.ObjectKey{Name: "changes"}, workspace); err != nil {
			return fmt.Errorf("read the workspace: %w", err)
		}

		_, hasOld := workspace.Labels["old"]
		if workspace.Spec.Manager != "bob" || workspace.Labels["team"] != "b" || hasOld {
			return fmt.Errorf("it is %+v, labels %v", workspace.Spec, workspace.Labels)
		}

		return nil
	})

	if workspace.Labels["foreign"] != "kept" {
		t.Errorf("a label of somebody else's is gone: %v", workspace.Labels)
	}

	waitMay(t, "bob", "update", "changes", true)
	waitMay(t, "alice", "get", "changes", false)
}

func TestManagerTakenAway(t *testing.T) {
	startManager(t)

	first := template("unmanaged", "alice")
	create(t, first)
	waitReady(t, "unmanaged")
	waitMay(t, "alice", "get", "unmanaged", true)

	patch := []byte(`{"spec":{"template":{"spec":{"manager":""}}}}`)
	if err := admin.Patch(t.Context(), first, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}

	name := metav1.ObjectMeta{Name: access.WorkspaceRoleSelfName("unmanaged-admin")}
	waitGone(t, &rbacv1.ClusterRoleBinding{ObjectMeta: name})
	waitGone(t, &rbacv1.ClusterRole{ObjectMeta: name})
	waitMay(t, "alice", "get", "unmanaged", false)
	waitReady(t, "unmanaged")
}

func TestDriftIsRepaired(t *testing.T) {
	startManager(t)
	create(t, template("drift", "alice"))
	waitReady(t, "drift")

	role := metav1.ObjectMeta{Name: access.WorkspaceRoleSelfName("drift-admin")}

	// A template is ready when its roles are there; what is native of them has a controller of its own.
	eventually(t, "the children are there", func(ctx context.Context) error { return checkChildren(ctx, role.Name) })

	drifts := map[string]func(context.Context) error{
		"binding deleted": func(ctx context.Context) error {
			return admin.Delete(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: role})
		},
		"binding refers to another role": func(ctx context.Context) error {
			if err := admin.Delete(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: role}); err != nil {
				return fmt.Errorf("delete: %w", err)
			}

			other := &rbacv1.ClusterRoleBinding{ObjectMeta: *role.DeepCopy()}
			other.Labels = map[string]string{
				tenantv1beta1.WorkspaceLabel: "drift", tenancy.ManagedByLabel: tenancy.ManagedBy,
				tenancy.ComponentLabel: access.WorkspaceRoleComponent,
			}
			other.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"}

			// The controller may be first to make it again; then it is right already.
			if err := admin.Create(ctx, other); !apierrors.IsAlreadyExists(err) {
				return err
			}

			return nil
		},
		"role emptied": func(ctx context.Context) error {
			return admin.Patch(ctx, &rbacv1.ClusterRole{ObjectMeta: role},
				client.RawPatch("application/merge-patch+json", []byte(`{"rules":[]}`)))
		},
		"label of the role taken off": func(ctx context.Context) error {
			return admin.Patch(ctx, &rbacv1.ClusterRole{ObjectMeta: role}, client.RawPatch(
				"application/merge-patch+json", []byte(`{"metadata":{"labels":{"app.kubernetes.io/managed-by":null}}}`)))
		},
		"workspace deleted": func(ctx context.Context) error {
			return admin.Delete(ctx, &tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "drift"}})
		},
		"manager of the workspace changed": func(ctx context.Context) error {
			return admin.Patch(ctx, &tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "drift"}},
				client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"manager":"mallory"}}`)))
		},
	}

	for name, drift := range drifts {
		t.Run(name, func(t *testing.T) {
			if err := drift(t.Context()); err != nil {
				t.Fatal(err)
			}

			eventually(t, "the children are repaired", func(ctx context.Context) error {
				return checkChildren(ctx, role.Name)
			})
		})
	}
}

// checkChildren reports what of the children of template "drift" is not as it should be.
func checkChildren(ctx context.Context, roleName string) error {
	var (
		workspace tenantv1beta1.Workspace
		role      rbacv1.ClusterRole
		binding   rbacv1.ClusterRoleBinding
	)

	err := errors.Join(
		admin.Get(ctx, client.ObjectKey{Name: "drift"}, &workspace),
		admin.Get(ctx, client.ObjectKey{Name: roleName}, &role),
		admin.Get(ctx, client.ObjectKey{Name: roleName}, &binding))
	if err != nil {
		return fmt.Errorf("read the children: %w", err)
	}

	rules := roles.Self(roles.Workspace{
		Name: "drift", Bindings: []string{"drift-admin"},
		Roles: []string{"drift-admin", "drift-regular", "drift-self-provisioner", "drift-viewer"},
	}, []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}})

	isRight := workspace.DeletionTimestamp.IsZero() && workspace.Spec.Manager == "alice" &&
		cmp.Diff(rules, role.Rules) == "" &&
		role.Labels[tenancy.ManagedByLabel] == tenancy.ManagedBy &&
		binding.RoleRef.Name == roleName && len(binding.Subjects) == 1 && binding.Subjects[0].Name == "alice"
	if !isRight {
		return fmt.Errorf("workspace %+v, role %+v, binding %+v", workspace.Spec, role.Rules, binding)
	}

	return nil
}

func TestBrokenTemplateSaysWhy(t *testing.T) {
	startManager(t)

	long := strings.Repeat("n", 64)
	tests := map[string]struct {
		template *tenantv1beta1.WorkspaceTemplate
		change   func(*tenantv1beta1.WorkspaceTemplate)
		reason   string
		message  string
	}{
		"label": {
			template: template("broken-label", "alice"),
			change: func(template *tenantv1beta1.WorkspaceTemplate) {
				template.Spec.Template.Metadata.Labels = map[string]string{"a": "with space"}
			},
			reason: tenancy.ReasonInvalidMetadata, message: "spec.template.metadata.labels[a]",
		},
		"system account": {
			template: template("broken-manager", "system:anonymous"),
			reason:   tenancy.ReasonInvalidManager, message: "spec.template.spec.manager",
		},
		"long name": {
			template: template(long, "alice"),
			reason:   tenancy.ReasonNameTooLong, message: "metadata.name",
		},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.change != nil {
				test.change(test.template)
			}

			create(t, test.template)

			condition := waitCondition(t, test.template.Name, kube.ConditionStalled, metav1.ConditionTrue, test.reason)
			if !strings.Contains(condition.Message, test.message) {
				t.Errorf("the message %q does not name %s", condition.Message, test.message)
			}

			err := admin.Get(t.Context(), client.ObjectKeyFromObject(test.template), &tenantv1beta1.Workspace{})
			if !apierrors.IsNotFound(err) {
				t.Errorf("something was made of it: %v", err)
			}
		})
	}
}

func TestMistakeIsHealedWhenCorrected(t *testing.T) {
	startManager(t)

	wrong := template("healed", "system:anonymous")
	create(t, wrong)
	waitCondition(t, "healed", kube.ConditionReady, metav1.ConditionFalse, tenancy.ReasonInvalidManager)

	patch := []byte(`{"spec":{"template":{"spec":{"manager":"alice"}}}}`)
	if err := admin.Patch(t.Context(), wrong, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}

	waitReady(t, "healed")
}

func TestPausedTemplateIsLeftAlone(t *testing.T) {
	startManager(t)

	paused := template("paused", "alice")
	paused.Annotations = map[string]string{kube.PausedAnnotation: "true"}
	create(t, paused)
	waitCondition(t, "paused", kube.ConditionReady, metav1.ConditionUnknown, "Paused")

	workspace := &tenantv1beta1.Workspace{}
	if err := admin.Get(t.Context(), client.ObjectKey{Name: "paused"}, workspace); !apierrors.IsNotFound(err) {
		t.Errorf("a paused template made a workspace: %v", err)
	}

	patch := []byte(`{"metadata":{"annotations":{"ks.kubesphere.io/paused":null}}}`)
	if err := admin.Patch(t.Context(), paused, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}

	waitReady(t, "paused")
}

func TestPlacementElsewhereIsTold(t *testing.T) {
	startManager(t)

	elsewhere := template("elsewhere", "alice")
	elsewhere.Spec.Placement = tenantv1beta1.Placement{Clusters: []tenantv1beta1.ClusterReference{
		{Name: "member-2"}, {Name: tenancy.LocalCluster}, {Name: "member-1"},
	}}
	create(t, elsewhere)
	waitReady(t, "elsewhere")

	condition := waitCondition(t, "elsewhere", kube.ConditionAccepted, metav1.ConditionTrue, "PlacedElsewhereToo")
	if !strings.HasSuffix(condition.Message, "member-1, member-2") {
		t.Errorf("the message does not name the clusters: %q", condition.Message)
	}
}

func TestNamespacesAreCounted(t *testing.T) {
	startManager(t)
	create(t, template("counted", ""))
	create(t, template("counted-too", ""))

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "counted-a", Labels: map[string]string{tenantv1beta1.WorkspaceLabel: "counted"},
	}}
	create(t, namespace)
	create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "counted-b", Labels: map[string]string{tenantv1beta1.WorkspaceLabel: "counted"},
	}})
	waitCount(t, "counted", 2)
	waitCount(t, "counted-too", 0)

	// A namespace that moves leaves the one and joins the other.
	namespace.Labels[tenantv1beta1.WorkspaceLabel] = "counted-too"
	if err := admin.Update(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}

	waitCount(t, "counted", 1)
	waitCount(t, "counted-too", 1)

	delete(namespace.Labels, tenantv1beta1.WorkspaceLabel)

	if err := admin.Update(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}

	waitCount(t, "counted-too", 0)
}

func waitCount(t *testing.T, workspace string, want int32) {
	t.Helper()

	eventually(t, fmt.Sprintf("workspace %s counts %d namespaces", workspace, want), func(ctx context.Context) error {
		found := &tenantv1beta1.Workspace{}
		if err := admin.Get(ctx, client.ObjectKey{Name: workspace}, found); err != nil {
			return fmt.Errorf("read the workspace: %w", err)
		}

		if found.Status.NamespaceCount == nil || *found.Status.NamespaceCount != want {
			return fmt.Errorf("it says %+v", found.Status)
		}

		return nil
	})
}
