package namespaceassignment

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// settle is how long an assignment waits after a change of a namespace: namespaces come in flocks, its own moves come
// back one by one, and each look is at all of them.
const settle = 200 * time.Millisecond

// watches wake an assignment by itself, by all others, for they may claim the same, by its workspace, and by the
// namespaces that it selects, or did.
func watches(reader client.Reader) []manager.Watch {
	find := finder{reader}

	return []manager.Watch{
		{
			Object:  &tenantv1beta1.NamespaceAssignment{},
			Handler: handler.EnqueueRequestsFromMapFunc(find.all),
			Predicates: []predicate.Predicate{
				predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}),
			},
		},
		{
			Object:     &tenantv1beta1.Workspace{},
			Handler:    handler.EnqueueRequestsFromMapFunc(find.toWorkspace),
			Predicates: []predicate.Predicate{predicate.GenerationChangedPredicate{}},
		},
		{
			Object:     manager.MetadataOf(namespaceKind()),
			Handler:    find.onNamespace(),
			Predicates: []predicate.Predicate{relevantChange()},
		},
	}
}

// finder looks up in the cache whom an event concerns.
type finder struct{ reader client.Reader }

func (f finder) all(ctx context.Context, _ client.Object) []reconcile.Request {
	return f.those(ctx, func(*tenantv1beta1.NamespaceAssignment) bool { return true })
}

func (f finder) toWorkspace(ctx context.Context, workspace client.Object) []reconcile.Request {
	return f.those(ctx, func(assignment *tenantv1beta1.NamespaceAssignment) bool {
		return assignment.Spec.Workspace == workspace.GetName()
	})
}

// selecting finds the assignments that select any of these states of a namespace.
func (f finder) selecting(ctx context.Context, namespaces ...client.Object) []reconcile.Request {
	return f.those(ctx, func(assignment *tenantv1beta1.NamespaceAssignment) bool {
		selector, err := metav1.LabelSelectorAsSelector(&assignment.Spec.Selector)
		if err != nil {
			return false
		}

		for _, namespace := range namespaces {
			if selector.Matches(labels.Set(namespace.GetLabels())) {
				return true
			}
		}

		return false
	})
}

func (f finder) those(
	ctx context.Context, wanted func(*tenantv1beta1.NamespaceAssignment) bool,
) []reconcile.Request {
	assignments := &tenantv1beta1.NamespaceAssignmentList{}
	if err := f.reader.List(ctx, assignments, client.UnsafeDisableDeepCopy); err != nil {
		// It is in memory: only a controller that is being stopped fails here.
		klog.FromContext(ctx).V(1).Info("Cannot look up assignments", "reason", err.Error())

		return nil
	}

	var requests []reconcile.Request

	for i := range assignments.Items {
		if wanted(&assignments.Items[i]) {
			requests = append(requests, reconcile.Request{
				NamespacedName: types.NamespacedName{Name: assignments.Items[i].Name},
			})
		}
	}

	return requests
}

// onNamespace wakes a moment later whom a namespace concerns. At the start every assignment is woken by itself.
func (f finder) onNamespace() handler.EventHandler {
	wake := func(ctx context.Context, q queue, namespaces ...client.Object) {
		for _, request := range f.selecting(ctx, namespaces...) {
			q.AddAfter(request, settle)
		}
	}

	return handler.Funcs{
		CreateFunc: func(ctx context.Context, created event.CreateEvent, q queue) {
			if !created.IsInInitialList {
				wake(ctx, q, created.Object)
			}
		},
		UpdateFunc: func(ctx context.Context, updated event.UpdateEvent, q queue) {
			wake(ctx, q, updated.ObjectOld, updated.ObjectNew)
		},
		DeleteFunc: func(ctx context.Context, deleted event.DeleteEvent, q queue) { wake(ctx, q, deleted.Object) },
	}
}

// relevantChange lets changes of what the controller looks at pass: namespaces have no generation.
func relevantChange() predicate.Predicate {
	return predicate.Or(
		predicate.LabelChangedPredicate{},
		predicate.Funcs{
			UpdateFunc: func(updated event.UpdateEvent) bool {
				return updated.ObjectOld.GetDeletionTimestamp().IsZero() !=
					updated.ObjectNew.GetDeletionTimestamp().IsZero()
			},
		})
}
