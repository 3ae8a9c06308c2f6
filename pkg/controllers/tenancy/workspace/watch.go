package workspace

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/platform"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

func watches(reader client.Reader) []manager.Watch {
	byName := &handler.EnqueueRequestForObject{}

	return []manager.Watch{
		{Object: &tenantv1beta1.Workspace{}, Handler: byName},
		{
			Object: manager.MetadataOf(kind("WorkspaceTemplate")), Handler: byName,
			Predicates: []predicate.Predicate{predicate.GenerationChangedPredicate{}},
		},
		{
			Object:  manager.MetadataOf(namespaceKind()),
			Handler: handler.EnqueueRequestsFromMapFunc(workspaceOfNamespace),
		},
		{
			Object: &tenantv1beta1.WorkspacePolicy{}, Handler: handler.EnqueueRequestsFromMapFunc(all(reader)),
			Predicates: []predicate.Predicate{predicate.GenerationChangedPredicate{}},
		},
	}
}

func indexes() []manager.Index {
	return []manager.Index{
		platform.IndexByWorkspace(manager.MetadataOf(namespaceKind())),
	}
}

// all wakes every workspace.
func all(reader client.Reader) handler.MapFunc {
	return func(ctx context.Context, _ client.Object) []reconcile.Request {
		workspaces := &tenantv1beta1.WorkspaceList{}
		if err := reader.List(ctx, workspaces, client.UnsafeDisableDeepCopy); err != nil {
			// It is in memory: only a controller that is being stopped fails here.
			klog.FromContext(ctx).V(1).Info("Cannot look up workspaces", "reason", err.Error())

			return nil
		}

		requests := make([]reconcile.Request, 0, len(workspaces.Items))
		for i := range workspaces.Items {
			requests = append(requests, request(workspaces.Items[i].Name))
		}

		return requests
	}
}

// workspaceOfNamespace wakes the workspace that a namespace belongs to. When a namespace moves, the event
// carries its old and its new self, so both workspaces are woken.
func workspaceOfNamespace(_ context.Context, namespace client.Object) []reconcile.Request {
	var requests []reconcile.Request
	for _, name := range platform.WorkspaceOf(namespace) {
		requests = append(requests, request(name))
	}

	return requests
}

func request(workspace string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: workspace}}
}

// metadataList returns an empty list of namespaces as they are cached.
func metadataList() *metav1.PartialObjectMetadataList {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(namespaceKind())

	return list
}
