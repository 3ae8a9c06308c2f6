package traces

import (
	"context"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// BindingWatches wake the holders of a kind when a binding stops to name them: that is what deletions wait for. What
// else happens to bindings is no business of theirs.
func BindingWatches(holderKind string) []manager.Watch {
	kinds := bindingKinds()
	watches := make([]manager.Watch, 0, len(kinds))

	for _, kind := range kinds {
		watches = append(watches, manager.Watch{
			Object:     kind.object,
			Handler:    handler.EnqueueRequestsFromMapFunc(holdersOf(holderKind)),
			Predicates: []predicate.Predicate{Fewer(holderKeys)},
		})
	}

	return watches
}

func holdersOf(holderKind string) handler.MapFunc {
	return func(_ context.Context, binding client.Object) []reconcile.Request {
		var requests []reconcile.Request

		for _, key := range holderKeys(binding) {
			if name, isOfKind := strings.CutPrefix(key, holderKind+"/"); isOfKind {
				requests = append(requests, Request(name))
			}
		}

		return requests
	}
}

// Request asks for a cluster-scoped object.
func Request(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}
}

// Fewer passes the events by which an object stops to name somebody, or begins to go.
func Fewer(named func(client.Object) []string) predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			isGoing := !e.ObjectNew.GetDeletionTimestamp().IsZero() && e.ObjectOld.GetDeletionTimestamp().IsZero()

			return isGoing || !slices.Equal(named(e.ObjectOld), named(e.ObjectNew))
		},
		DeleteFunc:  func(event.DeleteEvent) bool { return true },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}
