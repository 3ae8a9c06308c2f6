package manager

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// reconcileTimeout bounds one run of a reconciler.
const reconcileTimeout = time.Minute

// addController wires a controller to the process: its indexes, its caches, its sources.
func (h *host) addController(ctx context.Context, descriptor Descriptor) error {
	built, err := descriptor.New(Dependencies{
		Client:   h.manager.GetClient(),
		Recorder: h.manager.GetEventRecorder(descriptor.Name),
		Clock:    h.clock,
	})
	if err != nil {
		return fmt.Errorf("make it: %w", err)
	}

	if err := h.addIndexes(ctx, built); err != nil {
		return err
	}

	if err := h.startCaches(ctx, descriptor); err != nil {
		return err
	}

	// Warm standbys take over at once. Names may repeat, since a process may host a controller again.
	warm, repeated := true, true

	running, err := controller.New(descriptor.Name, h.manager, controller.Options{
		Reconciler:              quietOnStop(built.Reconciler),
		MaxConcurrentReconciles: max(1, built.Concurrency),
		ReconciliationTimeout:   reconcileTimeout,
		EnableWarmup:            &warm,
		SkipNameValidation:      &repeated,
	})
	if err != nil {
		return fmt.Errorf("make its work queue: %w", err)
	}

	h.board.starting(descriptor, len(built.Watches))

	for _, watch := range built.Watches {
		if err := running.Watch(h.source(descriptor.Name, watch)); err != nil {
			return fmt.Errorf("watch %T: %w", watch.Object, err)
		}
	}

	return nil
}

func (h *host) addIndexes(ctx context.Context, built *Controller) error {
	for _, index := range built.Indexes {
		err := h.manager.GetFieldIndexer().IndexField(ctx, index.Object, index.Field, index.Value)
		if err != nil {
			return fmt.Errorf("index %T by %s: %w", index.Object, index.Field, err)
		}
	}

	return nil
}

// startCaches makes the caches that are read without being watched; reads never make one.
func (h *host) startCaches(ctx context.Context, descriptor Descriptor) error {
	for _, cached := range descriptor.Caches {
		object, err := cached.object(h.manager.GetScheme())
		if err != nil {
			return err
		}

		if _, err := h.manager.GetCache().GetInformer(ctx, object, cache.BlockUntilSynced(false)); err != nil {
			return fmt.Errorf("start the cache of %s: %w", cached.Kind, err)
		}
	}

	return nil
}

func (h *host) source(name string, watch Watch) source.SyncingSource {
	kind := source.Kind[client.Object](h.manager.GetCache(), watch.Object, watch.Handler, watch.Predicates...)

	return syncedSource{SyncingSource: kind, synced: sync.OnceFunc(func() { h.board.sourceSynced(name) })}
}

// syncedSource tells when a source has delivered all there was at the start.
type syncedSource struct {
	source.SyncingSource

	synced func()
}

// WaitForSync implements source.SyncingSource.
func (s syncedSource) WaitForSync(ctx context.Context) error {
	if err := s.SyncingSource.WaitForSync(ctx); err != nil {
		return fmt.Errorf("fill a cache: %w", err)
	}

	s.synced()

	return nil
}

// quietOnStop keeps a process that is told to stop from reporting each interrupted run as a failure. Nothing
// is lost: whoever starts next reconciles everything.
func quietOnStop(reconciler reconcile.Reconciler) reconcile.Reconciler {
	return reconcile.Func(func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
		result, err := reconciler.Reconcile(ctx, request)
		if err != nil && errors.Is(ctx.Err(), context.Canceled) {
			return reconcile.Result{}, nil
		}

		return result, err //nolint:wrapcheck // a wrapper hands on what it gets
	})
}
