package tenancy

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	rbacapply "k8s.io/client-go/applyconfigurations/rbac/v1"

	tenantapply "github.com/ks-core/ks-controller-manager/api/applyconfiguration/tenant/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
)

const (
	// ManagedByLabel marks what this project makes, for caches that hold nothing else.
	ManagedByLabel = "app.kubernetes.io/managed-by"

	// ManagedBy is its value.
	ManagedBy = "ks-controller-manager"

	// LocalCluster is the name that KubeSphere gives to the cluster its manager runs in.
	LocalCluster = "host"
)

// Plan is what a WorkspaceTemplate asks for.
type Plan struct {
	// Workspace is always made.
	Workspace *tenantapply.WorkspaceApplyConfiguration

	// Role and Binding let the manager see and administer the workspace. Both are nil without a manager.
	Role    *rbacapply.ClusterRoleApplyConfiguration
	Binding *rbacapply.ClusterRoleBindingApplyConfiguration

	// ElsewhereClusters are the clusters the template names that this manager does not serve, sorted.
	ElsewhereClusters []string
}

// NewPlan computes what a template asks for. The template has passed CheckTemplate.
func NewPlan(template *tenantv1beta1.WorkspaceTemplate) Plan {
	plan := Plan{
		Workspace:         workspaceOf(template),
		ElsewhereClusters: elsewhere(template.Spec.Placement, template.Spec.Overrides),
	}

	if manager := template.Spec.Template.Spec.Manager; manager != "" {
		plan.Role = managerRole(template.Name)
		plan.Binding = managerBinding(template.Name, manager)
	}

	return plan
}

// ManagerRoleName is the name of the ClusterRole, and of its binding, that lets the manager of a workspace
// administer it.
func ManagerRoleName(workspace string) string {
	return "kubesphere:workspace:" + workspace + ":manager"
}

// workspaceOf passes the manager on even when there is none: an older owner of the field would keep its own
// value otherwise.
func workspaceOf(template *tenantv1beta1.WorkspaceTemplate) *tenantapply.WorkspaceApplyConfiguration {
	wanted := template.Spec.Template

	spec := tenantapply.WorkspaceSpec().WithManager(wanted.Spec.Manager)
	spec.NetworkIsolation = wanted.Spec.NetworkIsolation

	return tenantapply.Workspace(template.Name).
		WithLabels(wanted.Metadata.Labels).
		WithAnnotations(wanted.Metadata.Annotations).
		WithSpec(spec)
}

// managerRole allows all but deleting: taking a workspace away is for those who gave it.
func managerRole(workspace string) *rbacapply.ClusterRoleApplyConfiguration {
	return rbacapply.ClusterRole(ManagerRoleName(workspace)).
		WithLabels(childLabels(workspace)).
		WithRules(rbacapply.PolicyRule().
			WithAPIGroups(tenantv1beta1.GroupName).
			WithResources("workspaces", "workspacetemplates").
			WithResourceNames(workspace).
			WithVerbs(ManagerVerbs()...))
}

// ManagerVerbs are what the manager of a workspace may do with it and with its template. Whoever grants them
// must hold them, so they are part of the controller's own role.
func ManagerVerbs() []string {
	return []string{"get", "update", "patch"}
}

func managerBinding(workspace, manager string) *rbacapply.ClusterRoleBindingApplyConfiguration {
	return rbacapply.ClusterRoleBinding(ManagerRoleName(workspace)).
		WithLabels(childLabels(workspace)).
		WithSubjects(rbacapply.Subject().
			WithKind(rbacv1.UserKind).WithAPIGroup(rbacv1.GroupName).WithName(manager)).
		WithRoleRef(rbacapply.RoleRef().
			WithKind("ClusterRole").WithAPIGroup(rbacv1.GroupName).WithName(ManagerRoleName(workspace)))
}

func childLabels(workspace string) map[string]string {
	return map[string]string{ManagedByLabel: ManagedBy, tenantv1beta1.WorkspaceLabel: workspace}
}

// elsewhere collects the clusters that a template speaks of and that are not this one.
func elsewhere(placement tenantv1beta1.Placement, overrides []tenantv1beta1.Override) []string {
	var names []string

	for _, cluster := range placement.Clusters {
		names = append(names, cluster.Name)
	}

	for _, override := range overrides {
		names = append(names, override.ClusterName)
	}

	names = slices.DeleteFunc(names, func(name string) bool {
		return name == LocalCluster || strings.TrimSpace(name) == ""
	})
	slices.Sort(names)

	return slices.Compact(names)
}
