package workspace

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// workspaceIndex finds namespaces by the workspace they belong to.
const workspaceIndex = "workspace"

func watches() []manager.Watch {
	return []manager.Watch{
		{Object: &tenantv1beta1.Workspace{}, Handler: &handler.EnqueueRequestForObject{}},
		{
			Object:  manager.MetadataOf(namespaceKind()),
			Handler: handler.EnqueueRequestsFromMapFunc(workspaceOfNamespace),
		},
	}
}

func indexes() []manager.Index {
	return []manager.Index{
		{Object: manager.MetadataOf(namespaceKind()), Field: workspaceIndex, Value: workspaceLabel},
	}
}

// workspaceOfNamespace wakes the workspace that a namespace belongs to. When a namespace moves, the event
// carries its old and its new self, so both workspaces are woken.
func workspaceOfNamespace(_ context.Context, namespace client.Object) []reconcile.Request {
	var requests []reconcile.Request
	for _, name := range workspaceLabel(namespace) {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Name: name}})
	}

	return requests
}

func workspaceLabel(namespace client.Object) []string {
	if name := namespace.GetLabels()[tenantv1beta1.WorkspaceLabel]; name != "" {
		return []string{name}
	}

	return nil
}
