package stores

import (
	"context"
	"errors"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// Source wakes a controller by the events of one store of a view. Other than the
// source of controller-runtime it waits for its own store alone, and lets go of it.
type Source struct {
	view       *View
	object     client.Object
	handler    handler.EventHandler
	predicates []predicate.Predicate

	mutex    sync.Mutex
	handling *Handling
}

var _ source.SyncingSource = &Source{}

// Source returns a source of the events of a kind that the view keeps. object is an
// empty one of it, a PartialObjectMetadata where metadata or versions are kept. The
// caller stops it.
func (v *View) Source(object client.Object, handler handler.EventHandler, predicates ...predicate.Predicate) *Source {
	return &Source{view: v, object: object, handler: handler, predicates: predicates}
}

// String names the source in logs.
func (s *Source) String() string {
	kind, err := apiutil.GVKForObject(s.object, s.view.stores.options.Scheme)
	if err != nil {
		return fmt.Sprintf("%T", s.object)
	}

	return kind.String()
}

// Start implements source.Source.
func (s *Source) Start(ctx context.Context, queue queue) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	events := &events{handler: s.handler, predicates: s.predicates, queue: queue, context: ctx, view: s.view}

	var (
		err     error
		notKept *NotKeptError
	)

	s.handling, err = s.view.Handle(s.object, events)
	if errors.As(err, &notKept) && notKept.Metadata {
		s.handling, err = s.view.handleVersions(notKept.Kind, events)
	}

	return err
}

// handleVersions tells of the objects of which only versions are kept.
func (v *View) handleVersions(kind schema.GroupVersionKind, events *events) (*Handling, error) {
	versions, err := v.Versions(kind)
	if err != nil {
		return nil, err
	}

	cancel := versions.subscribe(&versionHandler{changed: events.versionChanged(kind)})

	return &Handling{HasSynced: versions.isSynced, Stop: func() error {
		cancel()

		return nil
	}}, nil
}

// WaitForSync implements source.SyncingSource: it waits until the handler has been
// told of all there was at the start.
func (s *Source) WaitForSync(ctx context.Context) error {
	s.mutex.Lock()
	handling := s.handling
	s.mutex.Unlock()

	if err := handling.WaitForSync(ctx); err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}

	return nil
}

// Stop takes the handler off the store. No event comes after it has returned that
// was not on its way already.
func (s *Source) Stop() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	if s.handling == nil {
		return nil
	}

	return s.handling.Stop()
}

// events turns what happens in a store into requests.
type events struct {
	handler    handler.EventHandler
	predicates []predicate.Predicate
	queue      queue
	context    context.Context //nolint:containedctx // of the controller, for as long as it is told of events
	view       *View
}

var _ toolscache.ResourceEventHandler = &events{}

// OnAdd implements cache.ResourceEventHandler.
func (e *events) OnAdd(obj any, initial bool) {
	object, isObject := obj.(client.Object)
	if !isObject {
		return
	}

	created := event.CreateEvent{Object: object, IsInInitialList: initial}

	e.contain(func() {
		for _, p := range e.predicates {
			if !p.Create(created) {
				return
			}
		}

		e.handler.Create(e.context, created, e.queue)
	})
}

// OnUpdate implements cache.ResourceEventHandler.
func (e *events) OnUpdate(before, after any) {
	old, isObject := before.(client.Object)
	changed, isObjectToo := after.(client.Object)

	if !isObject || !isObjectToo {
		return
	}

	updated := event.UpdateEvent{ObjectOld: old, ObjectNew: changed}

	e.contain(func() {
		for _, p := range e.predicates {
			if !p.Update(updated) {
				return
			}
		}

		e.handler.Update(e.context, updated, e.queue)
	})
}

// OnDelete implements cache.ResourceEventHandler. Of an object whose deletion the
// watch has missed the last known state is told.
func (e *events) OnDelete(obj any) {
	tombstone, isTombstone := obj.(toolscache.DeletedFinalStateUnknown)
	if isTombstone {
		obj = tombstone.Obj
	}

	object, isObject := obj.(client.Object)
	if !isObject {
		return
	}

	deleted := event.DeleteEvent{Object: object, DeleteStateUnknown: isTombstone}

	e.contain(func() {
		for _, p := range e.predicates {
			if !p.Delete(deleted) {
				return
			}
		}

		e.handler.Delete(e.context, deleted, e.queue)
	})
}

// contain keeps an event that the handler cannot digest from ending the process.
func (e *events) contain(handle func()) {
	contain("event handler", e.view.user.OnPanic, handle)
}

// versionChanged turns a change of a version into an event of the object's metadata,
// of which nothing but key and version is there.
func (e *events) versionChanged(kind schema.GroupVersionKind) func(types.NamespacedName, string, string, bool) {
	return func(key types.NamespacedName, before, after string, initial bool) {
		object := func(version string) *metav1.PartialObjectMetadata {
			made := metadataOf(kind)
			made.SetNamespace(key.Namespace)
			made.SetName(key.Name)
			made.SetResourceVersion(version)

			return made
		}

		switch {
		case before == "":
			e.OnAdd(object(after), initial)
		case after == "":
			e.OnDelete(object(before))
		default:
			e.OnUpdate(object(before), object(after))
		}
	}
}
