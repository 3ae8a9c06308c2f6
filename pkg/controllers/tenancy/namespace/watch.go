package namespace

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/platform"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// settle is how long a namespace waits after a change of what the controller made in it: its own writes come back
// one by one, and looking once is enough.
const settle = time.Second

// watches wake a namespace by itself, by what was made in it, and by what belongs to its workspace. What concerns
// all namespaces wakes them with low priority, so that nobody's edit waits behind.
func watches(reader client.Reader) []manager.Watch {
	find := finder{reader}
	inWorkspace := handler.EnqueueRequestsFromMapFunc(find.inWorkspaceOf)
	everywhere := kube.WakeAll(find.everywhere, settle)
	child := toNamespaceOf()

	return append(platform.Watches(everywhere), []manager.Watch{
		{
			Object:  manager.MetadataOf(namespaceKind()),
			Handler: &handler.EnqueueRequestForObject{}, Predicates: []predicate.Predicate{relevantChange()},
		},
		{
			Object: &tenantv1beta1.Workspace{}, Handler: handler.EnqueueRequestsFromMapFunc(find.inWorkspace),
			Predicates: []predicate.Predicate{predicate.Or(predicate.LabelChangedPredicate{},
				predicate.AnnotationChangedPredicate{})},
		},
		{Object: &iamv1beta1.WorkspaceRole{}, Handler: inWorkspace, Predicates: contentChanged()},
		{Object: &iamv1beta1.WorkspaceRoleBinding{}, Handler: inWorkspace, Predicates: contentChanged()},
		{
			Object: &tenantv1beta1.WorkspacePolicy{}, Handler: everywhere,
			Predicates: []predicate.Predicate{predicate.GenerationChangedPredicate{}},
		},
		{Object: manager.MetadataOf(rbacKind("Role")), Handler: child},
		{Object: manager.MetadataOf(rbacKind("RoleBinding")), Handler: child},
		{Object: manager.MetadataOf(iamKind("Role")), Handler: child},
	}...)
}

// contentChanged keeps the writing of conditions out.
func contentChanged() []predicate.Predicate {
	return []predicate.Predicate{
		predicate.Or(predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{}),
	}
}

// finder looks up in the caches whom an event concerns.
type finder struct{ reader client.Reader }

// inWorkspace finds the namespaces of a workspace.
func (f finder) inWorkspace(ctx context.Context, workspace client.Object) []reconcile.Request {
	return f.list(ctx, client.MatchingFields{platform.ByWorkspace: workspace.GetName()})
}

// inWorkspaceOf finds the namespaces of the workspace that an object belongs to.
func (f finder) inWorkspaceOf(ctx context.Context, object client.Object) []reconcile.Request {
	name := object.GetLabels()[tenantv1beta1.WorkspaceLabel]
	if name == "" {
		return nil
	}

	return f.list(ctx, client.MatchingFields{platform.ByWorkspace: name})
}

func (f finder) everywhere(ctx context.Context) []reconcile.Request { return f.list(ctx) }

func (f finder) list(ctx context.Context, options ...client.ListOption) []reconcile.Request {
	namespaces := &metav1.PartialObjectMetadataList{}
	namespaces.SetGroupVersionKind(namespaceKind())

	err := f.reader.List(ctx, namespaces, append(options, client.UnsafeDisableDeepCopy)...)
	if err != nil {
		// It is in memory: only a controller that is being stopped fails here.
		klog.FromContext(ctx).V(1).Info("Cannot look up namespaces", "reason", err.Error())

		return nil
	}

	requests := make([]reconcile.Request, 0, len(namespaces.Items))
	for i := range namespaces.Items {
		requests = append(requests, request(namespaces.Items[i].Name))
	}

	return requests
}

func request(namespace string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: namespace}}
}

// toNamespaceOf wakes the namespace that an object is in.
func toNamespaceOf() handler.EventHandler {
	wake := func(object client.Object, q kube.Queue) { kube.AddLast(q, request(object.GetNamespace()), settle) }

	return handler.Funcs{
		CreateFunc: func(_ context.Context, created event.CreateEvent, q kube.Queue) {
			if !created.IsInInitialList {
				wake(created.Object, q)
			}
		},
		UpdateFunc: func(_ context.Context, updated event.UpdateEvent, q kube.Queue) { wake(updated.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, deleted event.DeleteEvent, q kube.Queue) { wake(deleted.Object, q) },
	}
}

// relevantChange lets changes of what the controller looks at pass: namespaces have no generation.
func relevantChange() predicate.Predicate {
	return predicate.Or(
		predicate.LabelChangedPredicate{},
		predicate.AnnotationChangedPredicate{},
		predicate.Funcs{
			UpdateFunc: func(updated event.UpdateEvent) bool {
				before, after := updated.ObjectOld, updated.ObjectNew

				return len(before.GetFinalizers()) != len(after.GetFinalizers()) ||
					len(before.GetOwnerReferences()) != len(after.GetOwnerReferences()) ||
					before.GetDeletionTimestamp().IsZero() != after.GetDeletionTimestamp().IsZero()
			},
		})
}
