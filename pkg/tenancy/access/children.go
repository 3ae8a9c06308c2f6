package access

import (
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	rbacapply "k8s.io/client-go/applyconfigurations/rbac/v1"

	iamapply "github.com/ks-core/ks-controller-manager/api/applyconfiguration/iam/v1beta1"
	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/roles"
)

const (
	managedByLabel = tenancy.ManagedByLabel
	managedBy      = tenancy.ManagedBy
	componentLabel = tenancy.ComponentLabel

	// Component is the value of the label app.kubernetes.io/component on what this package makes.
	Component = "namespace"
)

// Kind is a kind that a namespace gets objects of.
type Kind string

// The kinds.
const (
	KindRole        Kind = "Role"
	KindRoleBinding Kind = "RoleBinding"
	KindIAMRole     Kind = "Role." + iamv1beta1.GroupName
)

// Child is an object that should be in a namespace.
type Child struct {
	Kind   Kind
	Name   string
	Digest string

	// Intent returns the object as it is applied.
	Intent func() runtime.ApplyConfiguration
}

// Cluster is what all namespaces have in common.
type Cluster struct {
	Shapes Shapes
	// Roles of namespaces.
	Roles []Role
	// Groups are the API groups that the cluster serves, other than the core group.
	Groups []string
}

// Namespace is what is known of one namespace.
type Namespace struct {
	Name      string
	Labels    map[string]string
	Workspace string

	// Frozen is set where the namespace is beyond the limit of its workspace.
	Frozen bool

	// Project makes workspace roles effective.
	Project bool
	Grants  []Grant
}

// Children returns what should be in a namespace, always in the same order, bindings first. One that is in no
// workspace gets nothing, and a frozen one nothing that gives access.
func Children(cluster Cluster, namespace Namespace) []Child {
	if namespace.Workspace == "" {
		return nil
	}

	var children []Child

	// People wait for bindings; roles of themselves give nobody anything.
	if !namespace.Frozen && namespace.Project {
		for _, grant := range namespace.Grants {
			if roles.GrantsAnything(grant.Role.Rules, cluster.Groups) {
				children = append(children, bindingChild(namespace, grant))
			}
		}
	}

	for _, role := range cluster.Roles {
		if role.Selector.Matches(labels.Set(namespace.Labels)) {
			children = append(children, roleChildren(cluster.Shapes, namespace, role)...)
		}
	}

	return children
}

// NativeRoleName is the name of the native Role, or ClusterRole, of a role of the group iam.kubesphere.io.
// Contract: KubeSphere 4.x.
func NativeRoleName(role string) string { return "kubesphere:iam:" + role }

// WorkspaceRoleName is the name of the ClusterRole, and of the RoleBinding in each namespace, of a WorkspaceRole.
func WorkspaceRoleName(role string) string { return "kubesphere:workspacerole:" + role }

// WorkspaceRoleSelfName is the name of the ClusterRole of a WorkspaceRole for the workspace itself, and of its
// binding.
func WorkspaceRoleSelfName(role string) string { return WorkspaceRoleName(role) + ":self" }

func roleChildren(shapes Shapes, namespace Namespace, role Role) []Child {
	var children []Child

	if shapes.V3 {
		children = append(children, nativeRole(namespace, role.Name, role))
	}

	if shapes.V4 {
		children = append(children, nativeRole(namespace, NativeRoleName(role.Name), role), iamRole(namespace, role))
	}

	return children
}

func nativeRole(namespace Namespace, name string, role Role) Child {
	return Child{
		Kind: KindRole, Name: name, Digest: role.nativeDigest,
		Intent: func() runtime.ApplyConfiguration {
			return rbacapply.Role(name, namespace.Name).WithLabels(nativeLabels(role)).
				WithRules(ruleIntents(role.Rules)...)
		},
	}
}

func iamRole(namespace Namespace, role Role) Child {
	return Child{
		Kind: KindIAMRole, Name: role.Name, Digest: role.iamDigest,
		Intent: func() runtime.ApplyConfiguration {
			return iamapply.Role(role.Name, namespace.Name).WithLabels(iamLabels()).WithRules(role.Rules...)
		},
	}
}

func nativeLabels(role Role) map[string]string { return childLabels("", role.Name) }

func iamLabels() map[string]string { return childLabels("", "") }

func bindingChild(namespace Namespace, grant Grant) Child {
	name := WorkspaceRoleName(grant.Role.Name)
	labels := childLabels(namespace.Workspace, grant.Role.Name)
	roleRef := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}

	return Child{
		Kind: KindRoleBinding, Name: name, Digest: digest(labels, nil, &roleRef, grant.Subjects),
		Intent: func() runtime.ApplyConfiguration {
			return rbacapply.RoleBinding(name, namespace.Name).WithLabels(labels).
				WithRoleRef(rbacapply.RoleRef().WithAPIGroup(roleRef.APIGroup).WithKind(roleRef.Kind).WithName(name)).
				WithSubjects(SubjectIntents(grant.Subjects)...)
		},
	}
}

// Creator returns the binding by which the creator of a namespace becomes its administrator. It is made once, and
// from then on belongs to those who administer the namespace.
func Creator(shapes Shapes, namespace, creator string) runtime.ApplyConfiguration {
	name := creator + "-admin"
	subject := rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: creator}
	labels := map[string]string{}

	if len(validation.IsValidLabelValue(creator)) == 0 {
		labels[iamv1beta1.UserLabel] = creator
	}

	// Kubernetes takes names that custom resources cannot have, such as those of service accounts.
	if shapes.V4 && len(validation.IsDNS1123Subdomain(name)) == 0 {
		labels[iamv1beta1.RoleLabel] = roles.Admin

		return iamapply.RoleBinding(name, namespace).WithLabels(labels).
			WithRoleRef(rbacv1.RoleRef{APIGroup: iamv1beta1.GroupName, Kind: "Role", Name: roles.Admin}).
			WithSubjects(subject)
	}

	role := roles.Admin
	if shapes.V4 {
		role = NativeRoleName(roles.Admin)
	}

	return rbacapply.RoleBinding(name, namespace).WithLabels(labels).
		WithRoleRef(rbacapply.RoleRef().WithAPIGroup(rbacv1.GroupName).WithKind("Role").WithName(role)).
		WithSubjects(SubjectIntents([]rbacv1.Subject{subject})...)
}

// childLabels are those that Digest looks at.
func childLabels(workspace, role string) map[string]string {
	set := map[string]string{managedByLabel: managedBy, componentLabel: Component}

	if workspace != "" {
		set[tenantv1beta1.WorkspaceLabel] = workspace
	}

	if role != "" && len(validation.IsValidLabelValue(role)) == 0 {
		set[iamv1beta1.RoleLabel] = role
	}

	return set
}

// Selector selects what this package makes.
func Selector() labels.Selector {
	return labels.SelectorFromSet(labels.Set{managedByLabel: managedBy, componentLabel: Component})
}

func ruleIntents(rules []rbacv1.PolicyRule) []*rbacapply.PolicyRuleApplyConfiguration {
	intents := make([]*rbacapply.PolicyRuleApplyConfiguration, 0, len(rules))

	for _, rule := range rules {
		intents = append(intents, rbacapply.PolicyRule().WithAPIGroups(rule.APIGroups...).
			WithResources(rule.Resources...).WithResourceNames(rule.ResourceNames...).
			WithVerbs(rule.Verbs...).WithNonResourceURLs(rule.NonResourceURLs...))
	}

	return intents
}

// SubjectIntents returns subjects as they are applied.
func SubjectIntents(subjects []rbacv1.Subject) []*rbacapply.SubjectApplyConfiguration {
	intents := make([]*rbacapply.SubjectApplyConfiguration, 0, len(subjects))

	for _, subject := range subjects {
		intent := rbacapply.Subject().WithKind(subject.Kind).WithName(subject.Name)
		if subject.APIGroup != "" {
			intent.WithAPIGroup(subject.APIGroup)
		}

		if subject.Namespace != "" {
			intent.WithNamespace(subject.Namespace)
		}

		intents = append(intents, intent)
	}

	return intents
}

// String names the child in errors.
func (c Child) String() string { return fmt.Sprintf("%s %s", c.Kind, c.Name) }
