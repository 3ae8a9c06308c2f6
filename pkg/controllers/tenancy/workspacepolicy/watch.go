package workspacepolicy

import (
	"context"
	"maps"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/limits"
)

// watches wake a policy by itself, and all of them by a workspace of which something changes that counts. What was
// published of a policy wakes it once more: only then is it there for all to see, and the binding is made of all.
func watches(reader client.Reader) []manager.Watch {
	return []manager.Watch{
		{
			Object: &tenantv1beta1.WorkspacePolicy{}, Handler: &handler.EnqueueRequestForObject{},
			Predicates: []predicate.Predicate{
				predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{},
					predicate.Funcs{UpdateFunc: publishes}),
			},
		},
		{
			Object: &tenantv1beta1.Workspace{}, Handler: handler.EnqueueRequestsFromMapFunc(all(reader)),
			Predicates: []predicate.Predicate{predicate.Funcs{UpdateFunc: counts}},
		},
		{
			Object:  &admissionregistrationv1.ValidatingAdmissionPolicyBinding{},
			Handler: handler.EnqueueRequestsFromMapFunc(binding),
		},
		{
			Object: manager.MetadataOf(guardKind()), Handler: handler.EnqueueRequestsFromMapFunc(binding),
			Predicates: []predicate.Predicate{predicate.Funcs{
				UpdateFunc: func(event.UpdateEvent) bool { return false }, // only whether it is there counts
			}},
		},
	}
}

// publishes tells whether other workspaces are full than before.
func publishes(updated event.UpdateEvent) bool {
	before, isBefore := updated.ObjectOld.(*tenantv1beta1.WorkspacePolicy)
	after, isAfter := updated.ObjectNew.(*tenantv1beta1.WorkspacePolicy)

	return isBefore && isAfter && !slices.Equal(before.Status.FullWorkspaces, after.Status.FullWorkspaces)
}

// binding has the binding looked at. There may be no policy any more by which to do that, and it is done with any
// name: this is one that a policy need not have.
func binding(context.Context, client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: limits.Guard}}}
}

// counts tells whether a change of a workspace can be one for a policy.
func counts(updated event.UpdateEvent) bool {
	before, isBefore := updated.ObjectOld.(*tenantv1beta1.Workspace)
	after, isAfter := updated.ObjectNew.(*tenantv1beta1.Workspace)

	if !isBefore || !isAfter {
		return true
	}

	return !maps.Equal(before.Labels, after.Labels) ||
		!same(before.Status.NamespaceCount, after.Status.NamespaceCount)
}

func same(a, b *int32) bool {
	if a == nil || b == nil {
		return a == b
	}

	return *a == *b
}

// all wakes every policy: there are few.
func all(reader client.Reader) handler.MapFunc {
	return func(ctx context.Context, _ client.Object) []reconcile.Request {
		policies := &tenantv1beta1.WorkspacePolicyList{}
		if err := reader.List(ctx, policies, client.UnsafeDisableDeepCopy); err != nil {
			// It is in memory: only a controller that is being stopped fails here.
			klog.FromContext(ctx).V(1).Info("Cannot look up policies", "reason", err.Error())

			return nil
		}

		requests := make([]reconcile.Request, 0, len(policies.Items))
		for i := range policies.Items {
			requests = append(requests, reconcile.Request{
				NamespacedName: types.NamespacedName{Name: policies.Items[i].Name},
			})
		}

		return requests
	}
}
