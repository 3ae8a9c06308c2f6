package workspacetemplate

import (
	"context"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// watches wake a template by itself, by the Workspace of its name, and by the roles that carry its name.
func watches() []manager.Watch {
	byName := &handler.EnqueueRequestForObject{}
	byLabel := handler.EnqueueRequestsFromMapFunc(templateOfRole)

	return []manager.Watch{
		{Object: &tenantv1beta1.WorkspaceTemplate{}, Handler: byName},
		{Object: &tenantv1beta1.Workspace{}, Handler: byName},
		{Object: &rbacv1.ClusterRole{}, Handler: byLabel},
		{Object: &rbacv1.ClusterRoleBinding{}, Handler: byLabel},
	}
}

func templateOfRole(_ context.Context, role client.Object) []reconcile.Request {
	name := role.GetLabels()[tenantv1beta1.WorkspaceLabel]
	if name == "" {
		return nil
	}

	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: name}}}
}
