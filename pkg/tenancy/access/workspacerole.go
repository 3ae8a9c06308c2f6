package access

import (
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	rbacapply "k8s.io/client-go/applyconfigurations/rbac/v1"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/roles"
)

// WorkspaceRoleComponent is the value of the label app.kubernetes.io/component on what is made of a WorkspaceRole.
const WorkspaceRoleComponent = "workspace-role"

// Native is what a WorkspaceRole is natively. What it has no need of is nil.
type Native struct {
	// Role has the permissions in each namespace of the workspace. The bindings to it are in the namespaces.
	Role *rbacapply.ClusterRoleApplyConfiguration

	// Self and SelfBinding are the permissions on the workspace itself.
	Self        *rbacapply.ClusterRoleApplyConfiguration
	SelfBinding *rbacapply.ClusterRoleBindingApplyConfiguration
}

// NativeRoles computes what a role is natively, for these holders.
func NativeRoles(
	role *iamv1beta1.WorkspaceRole, workspace roles.Workspace, groups []string, subjects []rbacv1.Subject,
) Native {
	var native Native

	labels := map[string]string{
		managedByLabel: managedBy, componentLabel: WorkspaceRoleComponent,
		tenantv1beta1.WorkspaceLabel: workspace.Name,
	}

	if len(validation.IsValidLabelValue(role.Name)) == 0 {
		labels[iamv1beta1.RoleLabel] = role.Name
	}

	if rules := roles.Confine(role.Rules, groups); len(rules) > 0 {
		native.Role = rbacapply.ClusterRole(WorkspaceRoleName(role.Name)).WithLabels(labels).
			WithRules(ruleIntents(rules)...)
	}

	if len(subjects) > 0 {
		name := WorkspaceRoleSelfName(role.Name)
		native.Self = rbacapply.ClusterRole(name).WithLabels(labels).
			WithRules(ruleIntents(roles.Self(workspace, role.Rules))...)
		native.SelfBinding = rbacapply.ClusterRoleBinding(name).WithLabels(labels).
			WithRoleRef(rbacapply.RoleRef().WithAPIGroup(rbacv1.GroupName).WithKind("ClusterRole").WithName(name)).
			WithSubjects(SubjectIntents(subjects)...)
	}

	return native
}
