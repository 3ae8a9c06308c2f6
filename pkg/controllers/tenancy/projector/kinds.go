package projector

import (
	rbacv1 "k8s.io/api/rbac/v1"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/projection"
)

// The kinds of roles, as they are written.
const (
	kindGlobalRole  = "GlobalRole"
	kindRole        = "Role"
	kindClusterRole = "ClusterRole"
)

func globalRole() kind {
	return kind{
		controller: "global-role", gate: features.GlobalRole,
		summary: "Makes the native ClusterRole of each GlobalRole, of its rules and templates.",
		source:  &iamv1beta1.GlobalRole{}, kind: kindGlobalRole, resource: "globalroles",
		native: &rbacv1.ClusterRole{}, nativeKind: kindClusterRole, nativeResource: "clusterroles",
		prefix: projection.GlobalRolePrefix, ref: iamv1beta1.RoleLabel, legacy: iamv1beta1.LegacyGlobalRoleFinalizer,
	}
}

func role() kind {
	return kind{
		controller: "role", gate: features.Role, isNamespaced: true,
		summary: "Makes the native Role of each Role of iam.kubesphere.io, of its rules and templates.",
		source:  &iamv1beta1.Role{}, kind: kindRole, resource: "roles",
		native: &rbacv1.Role{}, nativeKind: kindRole, nativeResource: "roles",
		prefix: projection.IAMPrefix, ref: iamv1beta1.RoleLabel,
	}
}

func clusterRole() kind {
	return kind{
		controller: "cluster-role", gate: features.ClusterRole,
		summary: "Makes the native ClusterRole of each ClusterRole of iam.kubesphere.io, of its rules and templates.",
		source:  &iamv1beta1.ClusterRole{}, kind: kindClusterRole, resource: "clusterroles",
		native: &rbacv1.ClusterRole{}, nativeKind: kindClusterRole, nativeResource: "clusterroles",
		prefix: projection.IAMPrefix, ref: iamv1beta1.ClusterRoleLabel,
	}
}

func globalRoleBinding() kind {
	return kind{
		controller: "global-role-binding", gate: features.GlobalRoleBinding,
		summary: "Makes GlobalRoleBindings count for kubectl.",
		source:  &iamv1beta1.GlobalRoleBinding{}, kind: "GlobalRoleBinding", resource: "globalrolebindings",
		native: &rbacv1.ClusterRoleBinding{}, nativeKind: "ClusterRoleBinding", nativeResource: "clusterrolebindings",
		prefix: projection.GlobalRoleBindingPrefix, legacy: iamv1beta1.LegacyGlobalRoleBindingFinalizer,
		roleKinds: []string{kindGlobalRole},
	}
}

func roleBinding() kind {
	return kind{
		controller: "role-binding", gate: features.RoleBinding, isNamespaced: true, isCrowded: true,
		summary: "Makes RoleBindings of iam.kubesphere.io count for kubectl.",
		source:  &iamv1beta1.RoleBinding{}, kind: "RoleBinding", resource: "rolebindings",
		native: &rbacv1.RoleBinding{}, nativeKind: "RoleBinding", nativeResource: "rolebindings",
		prefix: projection.IAMPrefix, ref: iamv1beta1.RoleBindingLabel,
		roleKinds: []string{kindRole, kindClusterRole},
	}
}

func clusterRoleBinding() kind {
	return kind{
		controller: "cluster-role-binding", gate: features.ClusterRoleBinding,
		summary: "Makes ClusterRoleBindings of iam.kubesphere.io count for kubectl.",
		source:  &iamv1beta1.ClusterRoleBinding{}, kind: "ClusterRoleBinding", resource: "clusterrolebindings",
		native: &rbacv1.ClusterRoleBinding{}, nativeKind: "ClusterRoleBinding", nativeResource: "clusterrolebindings",
		prefix: projection.IAMPrefix, ref: iamv1beta1.ClusterRoleBindingLabel,
		roleKinds: []string{kindClusterRole},
	}
}
