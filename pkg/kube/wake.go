package kube

import (
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Queue is what event handlers put requests into.
type Queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// WakeAll handles changes of what all objects of a controller depend on: it wakes each of them with low priority after
// a while, so that nobody's edit waits behind. At the start each object is woken by itself.
func WakeAll(all func(context.Context) []reconcile.Request, after time.Duration) handler.EventHandler {
	wake := func(ctx context.Context, q Queue) {
		for _, request := range all(ctx) {
			AddLast(q, request, after)
		}
	}

	return handler.Funcs{
		CreateFunc: func(ctx context.Context, created event.CreateEvent, q Queue) {
			if !created.IsInInitialList {
				wake(ctx, q)
			}
		},
		UpdateFunc: func(ctx context.Context, _ event.UpdateEvent, q Queue) { wake(ctx, q) },
		DeleteFunc: func(ctx context.Context, _ event.DeleteEvent, q Queue) { wake(ctx, q) },
	}
}

// AddLast wakes with low priority, where the queue has any.
func AddLast(q Queue, request reconcile.Request, after time.Duration) {
	if prioritised, is := q.(priorityqueue.PriorityQueue[reconcile.Request]); is {
		prioritised.AddWithOpts(priorityqueue.AddOpts{Priority: new(handler.LowPriority), After: after}, request)

		return
	}

	q.AddAfter(request, after)
}
