package workspacetemplate

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/platform"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// watches wake a template by itself, by the Workspace of its name, by the roles of its workspace, and by what all
// workspaces have in common.
func watches(reader client.Reader) []manager.Watch {
	byName := &handler.EnqueueRequestForObject{}
	byLabel := handler.EnqueueRequestsFromMapFunc(templateOf)

	return append(platform.Watches(handler.EnqueueRequestsFromMapFunc(all(reader))), []manager.Watch{
		{Object: &tenantv1beta1.WorkspaceTemplate{}, Handler: byName},
		{Object: &tenantv1beta1.Workspace{}, Handler: byName},
		{Object: &iamv1beta1.WorkspaceRole{}, Handler: byLabel},
		{Object: &iamv1beta1.WorkspaceRoleBinding{}, Handler: byLabel},
	}...)
}

func indexes() []manager.Index {
	return []manager.Index{
		platform.IndexByWorkspace(&iamv1beta1.WorkspaceRole{}),
		platform.IndexByWorkspace(&iamv1beta1.WorkspaceRoleBinding{}),
	}
}

func templateOf(_ context.Context, object client.Object) []reconcile.Request {
	var requests []reconcile.Request
	for _, name := range platform.WorkspaceOf(object) {
		requests = append(requests, request(name))
	}

	return requests
}

func request(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}
}

// all wakes every template.
func all(reader client.Reader) handler.MapFunc {
	return func(ctx context.Context, _ client.Object) []reconcile.Request {
		templates := &tenantv1beta1.WorkspaceTemplateList{}
		if err := reader.List(ctx, templates, client.UnsafeDisableDeepCopy); err != nil {
			// It is in memory: only a controller that is being stopped fails here.
			klog.FromContext(ctx).V(1).Info("Cannot look up templates", "reason", err.Error())

			return nil
		}

		requests := make([]reconcile.Request, 0, len(templates.Items))
		for i := range templates.Items {
			requests = append(requests, request(templates.Items[i].Name))
		}

		return requests
	}
}
