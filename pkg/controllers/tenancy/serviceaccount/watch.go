package serviceaccount

import (
	"context"
	"sync"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/projection"
)

// watches wake an account by itself, by its binding, by the role it asks for, and, where it waits for it, by the
// policy.
func (r *Reconciler) watches() []manager.Watch {
	return []manager.Watch{
		{Object: manager.MetadataOf(accountKind()), Handler: &handler.EnqueueRequestForObject{}},
		{Object: manager.MetadataOf(bindingKind()), Handler: handler.EnqueueRequestsFromMapFunc(accountOf)},
		r.roleWatch(roleKind()),
		r.roleWatch(iamRoleKind()),
		{
			Object: &admissionregistrationv1.ValidatingAdmissionPolicyBinding{},
			Handler: handler.EnqueueRequestsFromMapFunc(
				func(context.Context, client.Object) []reconcile.Request { return r.unguarded.take() }),
		},
	}
}

func (r *Reconciler) roleWatch(kind schema.GroupVersionKind) manager.Watch {
	return manager.Watch{
		Object: manager.MetadataOf(kind), Handler: handler.EnqueueRequestsFromMapFunc(r.asking),
		// At the start every account is woken by itself.
		Predicates: []predicate.Predicate{predicate.Funcs{
			CreateFunc: func(created event.CreateEvent) bool { return !created.IsInInitialList },
		}},
	}
}

func accountOf(_ context.Context, binding client.Object) []reconcile.Request {
	account, isOurs := projection.AccountOfBinding(binding.GetName())
	if !isOurs {
		return nil // KubeSphere's go when the account is looked at.
	}

	return []reconcile.Request{{
		NamespacedName: client.ObjectKey{Namespace: binding.GetNamespace(), Name: account},
	}}
}

// asking finds the accounts of a namespace that ask for a role.
func (r *Reconciler) asking(_ context.Context, role client.Object) []reconcile.Request {
	var requests []reconcile.Request

	for name, text := range r.accounts.InNamespace(role.GetNamespace()) {
		if projection.ParseAccount(text).Role == role.GetName() {
			requests = append(requests, reconcile.Request{
				NamespacedName: client.ObjectKey{Namespace: role.GetNamespace(), Name: name},
			})
		}
	}

	return requests
}

// waiting remembers whom the policy concerns: to look through all namespaces for them would take longer than the
// policy is worth. It starts empty, and fills as every account is looked at.
type waiting struct {
	mutex sync.Mutex
	keys  map[client.ObjectKey]struct{}
}

func newWaiting() *waiting { return &waiting{keys: map[client.ObjectKey]struct{}{}} }

func (w *waiting) add(key client.ObjectKey) {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	w.keys[key] = struct{}{}
}

// take returns all, and forgets them.
func (w *waiting) take() []reconcile.Request {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	requests := make([]reconcile.Request, 0, len(w.keys))
	for key := range w.keys {
		requests = append(requests, reconcile.Request{NamespacedName: key})
	}

	clear(w.keys)

	return requests
}
