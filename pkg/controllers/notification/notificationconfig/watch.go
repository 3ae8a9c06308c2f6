package notificationconfig

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

const (
	// byRef finds objects by the Secrets and ConfigMaps that they name.
	byRef = "refs"
	// byConfig finds Receivers by the Configs that they use.
	byConfig = "configs"
)

func indexes() []manager.Index {
	return []manager.Index{
		{Object: &notificationv2beta2.Receiver{}, Field: byRef, Value: func(object client.Object) []string {
			receiver, is := object.(*notificationv2beta2.Receiver)
			if !is {
				return nil
			}

			return named(&receiver.Spec)
		}},
		{Object: &notificationv2beta2.Config{}, Field: byRef, Value: func(object client.Object) []string {
			config, is := object.(*notificationv2beta2.Config)
			if !is {
				return nil
			}

			return named(&config.Spec)
		}},
		{Object: &notificationv2beta2.Receiver{}, Field: byConfig, Value: configsOf},
	}
}

// configsOf are the Configs that a Receiver uses, as its status has it.
func configsOf(object client.Object) []string {
	receiver, is := object.(*notificationv2beta2.Receiver)
	if !is {
		return nil
	}

	var found []string

	for _, one := range receiver.Status.Channels {
		if one.Config != "" {
			found = append(found, one.Config)
		}
	}

	slices.Sort(found)

	return slices.Compact(found)
}

func requestFor(kind, name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: kind, Name: name}}
}

// finder looks up in the caches whom an event concerns.
type finder struct{ reader client.Reader }

// watches wake each object by itself, and those that hang on what changed.
func (f finder) watches() []manager.Watch {
	changes := []predicate.Predicate{predicate.Or[client.Object](
		predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{},
		predicate.AnnotationChangedPredicate{})}
	counts := []predicate.Predicate{predicate.Or[client.Object](
		predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{})}

	var made []manager.Watch

	for _, one := range kinds() {
		made = append(made, manager.Watch{
			Object: one.object(), Predicates: changes, Handler: handler.EnqueueRequestsFromMapFunc(itself(one.name)),
		})
	}

	return append(made,
		manager.Watch{
			Object:  &notificationv2beta2.NotificationManager{},
			Handler: kube.WakeAll(f.everything, 0), Predicates: counts,
		},
		manager.Watch{
			Object:  &notificationv2beta2.NotificationPolicy{},
			Handler: kube.WakeAll(f.all(kindReceiver, kindConfig, kindPolicy), 0), Predicates: counts,
		},
		manager.Watch{Object: &notificationv2beta2.Config{}, Handler: dependents(f.ofConfig), Predicates: counts},
		manager.Watch{
			Object: &notificationv2beta2.Receiver{}, Handler: kube.WakeAll(f.all(kindRouter, kindPolicy), 0),
			Predicates: counts,
		},
		manager.Watch{Object: &notificationv2beta2.Receiver{}, Handler: dependents(f.besides), Predicates: counts},
		manager.Watch{Object: &notificationv2beta2.Receiver{}, Handler: dependents(configsUsed)},
		manager.Watch{Object: manager.MetadataOf(secretKind()), Handler: dependents(f.naming(resolve.KindSecret))},
		manager.Watch{
			Object: manager.MetadataOf(configMapKind()), Handler: dependents(f.naming(resolve.KindConfigMap)),
		},
	)
}

// itself is the request for an object of a kind.
func itself(kind string) handler.MapFunc {
	return func(_ context.Context, object client.Object) []reconcile.Request {
		return []reconcile.Request{requestFor(kind, object.GetName())}
	}
}

// dependents wakes those who hang on what changed, on what it was before and on what it is now. What was there at the
// start wakes nobody else: each is looked at then.
func dependents(find func(context.Context, client.Object) []reconcile.Request) handler.EventHandler {
	wake := func(ctx context.Context, queue kube.Queue, objects ...client.Object) {
		for _, object := range objects {
			for _, request := range find(ctx, object) {
				queue.Add(request)
			}
		}
	}

	return handler.Funcs{
		CreateFunc: func(ctx context.Context, created event.CreateEvent, queue kube.Queue) {
			if !created.IsInInitialList {
				wake(ctx, queue, created.Object)
			}
		},
		UpdateFunc: func(ctx context.Context, updated event.UpdateEvent, queue kube.Queue) {
			wake(ctx, queue, updated.ObjectOld, updated.ObjectNew)
		},
		DeleteFunc: func(ctx context.Context, deleted event.DeleteEvent, queue kube.Queue) {
			wake(ctx, queue, deleted.Object)
		},
	}
}

// configsUsed are the Configs of a Receiver, which count their users.
func configsUsed(_ context.Context, object client.Object) []reconcile.Request {
	var found []reconcile.Request
	for _, name := range configsOf(object) {
		found = append(found, requestFor(kindConfig, name))
	}

	return found
}

// list are the requests for the objects of a kind.
func (f finder) list(ctx context.Context, one kind, options ...client.ListOption) []reconcile.Request {
	list := one.list()
	if err := f.reader.List(ctx, list, append(options, client.UnsafeDisableDeepCopy)...); err != nil {
		// It is in memory: only a controller that is being stopped fails here.
		klog.FromContext(ctx).V(1).Info("Cannot look up objects", "kind", one.name, "reason", err.Error())

		return nil
	}

	var found []reconcile.Request

	items, _ := meta.ExtractList(list)
	for _, item := range items {
		if object, isObject := item.(client.Object); isObject {
			found = append(found, requestFor(one.name, object.GetName()))
		}
	}

	return found
}

func (f finder) all(names ...string) func(context.Context) []reconcile.Request {
	return func(ctx context.Context) []reconcile.Request {
		var found []reconcile.Request

		for _, one := range kinds() {
			if slices.Contains(names, one.name) {
				found = append(found, f.list(ctx, one)...)
			}
		}

		return found
	}
}

func (f finder) everything(ctx context.Context) []reconcile.Request {
	names := make([]string, 0, len(kinds()))
	for _, one := range kinds() {
		names = append(names, one.name)
	}

	return f.all(names...)(ctx)
}

// named are the requests for objects of a kind that a lookup finds.
func (f finder) named(ctx context.Context, name string, options ...client.ListOption) []reconcile.Request {
	i := slices.IndexFunc(kinds(), func(one kind) bool { return one.name == name })

	return f.list(ctx, kinds()[i], options...)
}

// ofConfig are the Receivers that may use a Config: those of its tenant, or all where it is the platform's.
func (f finder) ofConfig(ctx context.Context, config client.Object) []reconcile.Request {
	if key, tenant := f.tenant(ctx, config); tenant != "" {
		return f.named(ctx, kindReceiver, client.MatchingLabels{key: tenant})
	}

	return f.named(ctx, kindReceiver)
}

// besides are the other Receivers of a tenant, whose number a policy may limit.
func (f finder) besides(ctx context.Context, receiver client.Object) []reconcile.Request {
	key, tenant := f.tenant(ctx, receiver)
	if tenant == "" {
		return nil
	}

	return f.named(ctx, kindReceiver, client.MatchingLabels{key: tenant})
}

// tenant is whose an object is, if it is a tenant's, and the label that says so.
func (f finder) tenant(ctx context.Context, object client.Object) (key, tenant string) {
	managers := &notificationv2beta2.NotificationManagerList{}
	if err := f.reader.List(ctx, managers, client.UnsafeDisableDeepCopy); err != nil {
		return "", ""
	}

	for i := range managers.Items {
		ownership := selector.OwnershipOf(&managers.Items[i].Spec.Receivers)
		if owner := ownership.Of(object.GetLabels()); owner.Kind == selector.Tenant {
			key := ownership.TenantKey
			if key == "" {
				key = selector.DefaultTenantKey
			}

			return key, owner.Tenant
		}
	}

	return "", ""
}

// naming are the objects that name a Secret or a ConfigMap, and the Receivers of the Configs among them.
func (f finder) naming(kind string) func(context.Context, client.Object) []reconcile.Request {
	return func(ctx context.Context, object client.Object) []reconcile.Request {
		var found []reconcile.Request

		for _, name := range []string{
			refName(kind, object.GetNamespace(), object.GetName()), refName(kind, "", object.GetName()),
		} {
			found = append(found, f.named(ctx, kindReceiver, client.MatchingFields{byRef: name})...)

			for _, config := range f.named(ctx, kindConfig, client.MatchingFields{byRef: name}) {
				found = append(found, config)
				found = append(found, f.named(ctx, kindReceiver, client.MatchingFields{byConfig: config.Name})...)
			}
		}

		return append(found, f.managersNaming(ctx, kind, object)...)
	}
}

// managersNaming are the NotificationManagers that name a Secret or a ConfigMap; templates are everybody's.
func (f finder) managersNaming(ctx context.Context, kind string, object client.Object) []reconcile.Request {
	managers := &notificationv2beta2.NotificationManagerList{}
	if err := f.reader.List(ctx, managers, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}

	var found []reconcile.Request

	for i := range managers.Items {
		names := named(&managers.Items[i].Spec)
		if !slices.Contains(names, refName(kind, object.GetNamespace(), object.GetName())) &&
			!slices.Contains(names, refName(kind, "", object.GetName())) {
			continue
		}

		found = append(found, requestFor(kindManager, managers.Items[i].Name))

		if kind == resolve.KindConfigMap {
			found = append(found, f.named(ctx, kindReceiver)...)
		}
	}

	return found
}
