package projection

import (
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

// Identity is who a native object is.
type Identity struct {
	Namespace, Name string

	// Component is the controller that makes it.
	Component string

	// Ref is the label that names Source, what it is made of. Empty: none does.
	Ref, Source string
}

func (i Identity) meta() metav1.ObjectMeta {
	labels := map[string]string{tenancy.ManagedByLabel: tenancy.ManagedBy, tenancy.ComponentLabel: i.Component}
	if i.Ref != "" {
		labels[i.Ref] = LabelValue(i.Source)
	}

	return metav1.ObjectMeta{Namespace: i.Namespace, Name: i.Name, Labels: labels}
}

// NewRole makes the native Role.
func NewRole(identity Identity, rules []rbacv1.PolicyRule) *rbacv1.Role {
	return &rbacv1.Role{TypeMeta: typeOf("Role"), ObjectMeta: identity.meta(), Rules: present(rules)}
}

// NewClusterRole makes the native ClusterRole.
func NewClusterRole(identity Identity, rules []rbacv1.PolicyRule) *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{TypeMeta: typeOf("ClusterRole"), ObjectMeta: identity.meta(), Rules: present(rules)}
}

// NewRoleBinding makes the native RoleBinding. kind and role name a native Role or ClusterRole.
func NewRoleBinding(identity Identity, kind, role string, subjects []rbacv1.Subject) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		TypeMeta: typeOf("RoleBinding"), ObjectMeta: identity.meta(), RoleRef: refTo(kind, role), Subjects: subjects,
	}
}

// NewClusterRoleBinding makes the native ClusterRoleBinding. role names a native ClusterRole.
func NewClusterRoleBinding(identity Identity, role string, subjects []rbacv1.Subject) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		TypeMeta: typeOf("ClusterRoleBinding"), ObjectMeta: identity.meta(),
		RoleRef: refTo("ClusterRole", role), Subjects: subjects,
	}
}

func typeOf(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: kind}
}

func refTo(kind, role string) rbacv1.RoleRef {
	return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: role}
}

// present declares that there are no rules, where there are none: rules that somebody adds are not ours to leave.
func present(rules []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	if rules == nil {
		return []rbacv1.PolicyRule{}
	}

	return rules
}
