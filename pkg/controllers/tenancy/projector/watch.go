package projector

import (
	"context"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/aggregate"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/projection"
)

// The indexes of sources.
const (
	roleIndex = "role"
	userIndex = "user"
	wildIndex = "wild"
	wildValue = "true"
)

// base wakes a source by itself, and by the native object that stands for it.
func (r *Reconciler) base(ofNative handler.MapFunc) []manager.Watch {
	return []manager.Watch{
		{Object: r.kind.newSource(), Handler: &handler.EnqueueRequestForObject{}},
		{Object: manager.MetadataOf(r.kind.nativeGVK()), Handler: handler.EnqueueRequestsFromMapFunc(ofNative)},
	}
}

func (r *Reconciler) sourceOf(_ context.Context, native client.Object) []reconcile.Request {
	name, isOurs := strings.CutPrefix(native.GetName(), r.kind.prefix)
	if !isOurs {
		return nil
	}

	return []reconcile.Request{request(native.GetNamespace(), name)}
}

func request(namespace, name string) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKey{Namespace: namespace, Name: name}}
}

// watches wake a role also by its templates, and where it speaks of every API group, by a new API.
func (r *roleProjector) watches() []manager.Watch {
	watches := append(r.base(r.sourceOf), aggregate.Watches(r.client, r.kind.source)...)
	if !r.kind.isNamespaced {
		return watches
	}

	return append(watches, manager.Watch{
		Object: manager.MetadataOf(apiServiceKind()),
		Handler: handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, _ client.Object) []reconcile.Request {
			return find(ctx, r.client, &iamv1beta1.RoleList{}, client.MatchingFields{wildIndex: wildValue})
		}),
		Predicates: []predicate.Predicate{comesOrGoes()},
	})
}

// comesOrGoes keeps out the status of an API, which changes whenever its server has a bad day.
func comesOrGoes() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(created event.CreateEvent) bool { return !created.IsInInitialList },
		UpdateFunc: func(event.UpdateEvent) bool { return false },
	}
}

// wildIndexes find the roles that speak of every API group.
func wildIndexes(of kind) []manager.Index {
	if !of.isNamespaced {
		return nil
	}

	return []manager.Index{{Object: of.source, Field: wildIndex, Value: func(object client.Object) []string {
		if content, isRole := aggregate.Content(object); isRole && isWild(content.Rules) {
			return []string{wildValue}
		}

		return nil
	}}}
}

// watches wake a binding also when its role or one of its users comes or goes.
func (r *bindingProjector) watches() []manager.Watch {
	watches := append(r.base(r.bindingsOf), manager.Watch{
		Object:  manager.MetadataOf(iamv1beta1.SchemeGroupVersion.WithKind("User")),
		Handler: handler.EnqueueRequestsFromMapFunc(r.ofUser), Predicates: later(),
	})

	for _, kind := range r.kind.roleKinds {
		watches = append(watches, manager.Watch{
			Object: manager.MetadataOf(iamv1beta1.SchemeGroupVersion.WithKind(kind)), Predicates: later(),
			Handler: handler.EnqueueRequestsFromMapFunc(
				func(ctx context.Context, role client.Object) []reconcile.Request { return r.ofRole(ctx, kind, role) }),
		})
	}

	if r.sweep != nil {
		watches = append(watches, manager.Watch{
			Object: r.kind.newSource(), Handler: handler.EnqueueRequestsFromMapFunc(r.sharing),
		})
	}

	return watches
}

// later lets pass what was not there at the start, when every binding is woken by itself.
func later() []predicate.Predicate {
	return []predicate.Predicate{predicate.Funcs{
		CreateFunc: func(created event.CreateEvent) bool { return !created.IsInInitialList },
	}}
}

func (r *bindingProjector) ofUser(ctx context.Context, user client.Object) []reconcile.Request {
	return find(ctx, r.client, r.list(), client.MatchingFields{userIndex: user.GetName()})
}

func (r *bindingProjector) ofRole(ctx context.Context, kind string, role client.Object) []reconcile.Request {
	return find(ctx, r.client, r.list(), client.MatchingFields{roleIndex: kind + "/" + role.GetName()},
		client.InNamespace(role.GetNamespace()))
}

// bindingsOf wakes whoever a native binding stands for. That of a platform administrator stands for all bindings of
// the user; where there is none, the request only serves to sweep.
func (r *bindingProjector) bindingsOf(ctx context.Context, native client.Object) []reconcile.Request {
	if requests := r.sourceOf(ctx, native); len(requests) > 0 || r.sweep == nil {
		return requests
	}

	user, _ := strings.CutSuffix(native.GetName(), projection.AdminSuffix)

	requests := find(ctx, r.client, r.list(), client.MatchingFields{adminIndex: user})
	if len(requests) == 0 {
		requests = []reconcile.Request{request("", native.GetName())}
	}

	return requests
}

// sharing wakes the bindings that make the same user an administrator: they share a native binding.
func (r *bindingProjector) sharing(ctx context.Context, source client.Object) []reconcile.Request {
	binding := bindingOf(source)
	if binding == nil {
		return nil
	}

	user, isAdmin := adminOf(binding)
	if !isAdmin {
		return nil
	}

	return find(ctx, r.client, r.list(), client.MatchingFields{adminIndex: user})
}

func (r *bindingProjector) list() client.ObjectList {
	switch r.kind.source.(type) {
	case *iamv1beta1.GlobalRoleBinding:
		return &iamv1beta1.GlobalRoleBindingList{}
	case *iamv1beta1.RoleBinding:
		return &iamv1beta1.RoleBindingList{}
	default:
		return &iamv1beta1.ClusterRoleBindingList{}
	}
}

func bindingIndexes(source client.Object) []manager.Index {
	indexes := []manager.Index{
		{Object: source, Field: roleIndex, Value: func(object client.Object) []string {
			if binding := bindingOf(object); binding != nil {
				return []string{binding.RoleRef.Kind + "/" + binding.RoleRef.Name}
			}

			return nil
		}},
		{Object: source, Field: userIndex, Value: usersOf},
	}

	if _, isGlobal := source.(*iamv1beta1.GlobalRoleBinding); isGlobal {
		indexes = append(indexes, manager.Index{Object: source, Field: adminIndex, Value: administratorsOf})
	}

	return indexes
}

func usersOf(object client.Object) []string {
	binding := bindingOf(object)
	if binding == nil {
		return nil
	}

	var users []string

	for _, subject := range binding.Subjects {
		if subject.Kind == rbacv1.UserKind {
			users = append(users, subject.Name)
		}
	}

	slices.Sort(users)

	return slices.Compact(users)
}

func administratorsOf(object client.Object) []string {
	if binding := bindingOf(object); binding != nil {
		if user, isAdmin := adminOf(binding); isAdmin {
			return []string{user}
		}
	}

	return nil
}

func find(
	ctx context.Context, reader client.Reader, list client.ObjectList, options ...client.ListOption,
) []reconcile.Request {
	var requests []reconcile.Request

	err := reader.List(ctx, list, append(options, client.UnsafeDisableDeepCopy)...)
	if err == nil {
		err = meta.EachListItem(list, func(item runtime.Object) error {
			if object, isObject := item.(client.Object); isObject {
				requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(object)})
			}

			return nil
		})
	}

	if err != nil { // It is in memory: only a controller that is being stopped fails here.
		log.FromContext(ctx).V(1).Info("Not looking up whom an event concerns", "reason", err.Error())
	}

	return requests
}
