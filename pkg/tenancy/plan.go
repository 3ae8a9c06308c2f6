package tenancy

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"

	iamapply "github.com/ks-core/ks-controller-manager/api/applyconfiguration/iam/v1beta1"
	tenantapply "github.com/ks-core/ks-controller-manager/api/applyconfiguration/tenant/v1beta1"
	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
)

const (
	// ManagedByLabel marks what this project makes, for caches that hold nothing else.
	ManagedByLabel = "app.kubernetes.io/managed-by"

	// ManagedBy is its value.
	ManagedBy = "ks-controller-manager"

	// ComponentLabel names the controller that made an object.
	ComponentLabel = "app.kubernetes.io/component"

	// LocalCluster is the name that KubeSphere gives to the cluster its manager runs in.
	LocalCluster = "host"
)

// Plan is what a WorkspaceTemplate asks for.
type Plan struct {
	// Workspace is always made.
	Workspace *tenantapply.WorkspaceApplyConfiguration

	// Roles are the built-in roles of the workspace.
	Roles []*iamapply.WorkspaceRoleApplyConfiguration

	// Binding makes the manager the administrator of the workspace. Nil without a manager.
	Binding *iamapply.WorkspaceRoleBindingApplyConfiguration

	// ElsewhereClusters are the clusters the template names that this manager does not serve, sorted.
	ElsewhereClusters []string
}

// WorkspaceRole is a role that every workspace gets which the selector selects.
type WorkspaceRole struct {
	Name     string
	Rules    []rbacv1.PolicyRule
	Selector labels.Selector
}

// NewPlan computes what a template asks for. The template has passed CheckTemplate.
func NewPlan(template *tenantv1beta1.WorkspaceTemplate, roles []WorkspaceRole) Plan {
	plan := Plan{
		Workspace:         workspaceOf(template),
		ElsewhereClusters: elsewhere(template.Spec.Placement, template.Spec.Overrides),
	}

	for _, role := range roles {
		if role.Selector.Matches(labels.Set(template.Spec.Template.Metadata.Labels)) {
			plan.Roles = append(plan.Roles, iamapply.WorkspaceRole(RoleName(template.Name, role.Name)).
				WithLabels(childLabels(template.Name)).WithRules(role.Rules...))
		}
	}

	if manager := template.Spec.Template.Spec.Manager; manager != "" {
		plan.Binding = managerBinding(template.Name, manager)
	}

	return plan
}

// RoleName is the name of the WorkspaceRole of a workspace for a built-in role. Contract: KubeSphere 3.4 and 4.1.
func RoleName(workspace, role string) string { return workspace + "-" + role }

// adminRole is the built-in role that the manager of a workspace holds.
const adminRole = "admin"

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

// managerBinding is one object for whoever is the manager: a new one takes the place of the old one in it.
func managerBinding(workspace, manager string) *iamapply.WorkspaceRoleBindingApplyConfiguration {
	name := RoleName(workspace, adminRole)

	return iamapply.WorkspaceRoleBinding(name).
		WithLabels(childLabels(workspace)).
		WithSubjects(rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: manager}).
		WithRoleRef(rbacv1.RoleRef{APIGroup: iamv1beta1.GroupName, Kind: "WorkspaceRole", Name: name})
}

func childLabels(workspace string) map[string]string {
	return map[string]string{
		ManagedByLabel: ManagedBy, ComponentLabel: "workspace-template", tenantv1beta1.WorkspaceLabel: workspace,
	}
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
