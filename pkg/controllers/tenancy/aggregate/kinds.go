package aggregate

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/aggregation"
)

// Content returns what the kinds of roles have in common. False: the object is no role.
func Content(object client.Object) (*iamv1beta1.RoleContent, bool) {
	switch role := object.(type) {
	case *iamv1beta1.GlobalRole:
		return &role.RoleContent, true
	case *iamv1beta1.WorkspaceRole:
		return &role.RoleContent, true
	case *iamv1beta1.Role:
		return &role.RoleContent, true
	case *iamv1beta1.ClusterRole:
		return &role.RoleContent, true
	default:
		return nil, false
	}
}

func read(object client.Object) (aggregation.Role, bool) {
	content, isRole := Content(object)
	if !isRole {
		return aggregation.Role{}, false
	}

	return aggregation.Role{
		Name: object.GetName(), Annotations: object.GetAnnotations(),
		Rules: content.Rules, Templates: content.AggregationRoleTemplates,
	}, true
}

// empty returns an object of the same kind.
func empty(role client.Object) client.Object {
	switch role.(type) {
	case *iamv1beta1.GlobalRole:
		return &iamv1beta1.GlobalRole{}
	case *iamv1beta1.WorkspaceRole:
		return &iamv1beta1.WorkspaceRole{}
	case *iamv1beta1.Role:
		return &iamv1beta1.Role{}
	default:
		return &iamv1beta1.ClusterRole{}
	}
}

// listOf returns a list for objects of the same kind.
func listOf(role client.Object) client.ObjectList {
	switch role.(type) {
	case *iamv1beta1.GlobalRole:
		return &iamv1beta1.GlobalRoleList{}
	case *iamv1beta1.WorkspaceRole:
		return &iamv1beta1.WorkspaceRoleList{}
	case *iamv1beta1.Role:
		return &iamv1beta1.RoleList{}
	default:
		return &iamv1beta1.ClusterRoleList{}
	}
}
