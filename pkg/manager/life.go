package manager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ks-core/ks-controller-manager/pkg/kube/guard"
	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
)

const (
	// runTimeout bounds one run of a reconciler, unless the configuration does.
	runTimeout = time.Minute

	// runGrace is how long a run may take to end that was told to, unless the configuration says it.
	runGrace = 5 * time.Second

	// syncTimeout bounds how long a controller may take to look at all its objects, which are in memory already.
	syncTimeout = time.Minute
)

// life is a controller from its making to its end: fresh stores where nobody else has them, a fresh reconciler, a
// fresh queue. Nothing of it outlives stop and release.
type life struct {
	name    string
	variant variant
	view    *stores.View
	built   *Controller

	filled     chan struct{} // closed when the stores are
	stopFilled context.CancelFunc

	// Of a life that was started.
	guard    *guard.Guard
	sources  []*stores.Source
	unsynced atomic.Int32 // sources that have yet to tell of all there is
	cancel   context.CancelFunc
	ended    chan struct{}
	err      error // why it ended, set before ended is closed
}

// newLife makes a controller and its stores; it does not run yet. A panic of the constructor is an error.
func (k *keeper) newLife(ctx context.Context, variant variant) (made *life, err error) {
	view, err := k.process.stores.Open(ctx, stores.User{
		Name: k.descriptor.Name, OnFailure: k.storeFailed, OnPanic: k.panicked,
	}, variant.caches(k.descriptor)...)
	if err != nil {
		return nil, fmt.Errorf("open its stores: %w", err)
	}

	defer func() {
		if cause := recover(); cause != nil {
			err = recovered(cause)
		}

		if err != nil {
			view.Release()
		}
	}()

	dependencies, err := k.dependencies(view, variant)
	if err != nil {
		return nil, err
	}

	built, err := k.descriptor.New(dependencies)
	if err != nil {
		return nil, fmt.Errorf("make it: %w", err)
	}

	for _, index := range built.Indexes {
		if err := view.Index(ctx, index.Object, index.Field, index.Value); err != nil {
			return nil, fmt.Errorf("make its indexes: %w", err)
		}
	}

	made = &life{name: k.descriptor.Name, variant: variant, view: view, built: built, filled: make(chan struct{})}
	made.fill(ctx, k.wake)

	return made, nil
}

// recovered makes an error of a panic and logs its stack.
func recovered(cause any) error {
	err := fmt.Errorf("panic: %v", cause)
	klog.Background().Error(err, "Recovered from a panic", "stack", string(debug.Stack()))

	return err
}

// dependencies are what the controller may use.
func (k *keeper) dependencies(view *stores.View, variant variant) (Dependencies, error) {
	client, err := k.process.clientOf(k.descriptor.Name, view, k.writeForbidden)
	if err != nil {
		return Dependencies{}, err
	}

	dependencies := Dependencies{
		Client: client, Live: k.process.live, Present: variant.has, Digests: view.Digests,
		Recorder: k.process.recorder(k.descriptor.Name), Clock: k.process.clock,
	}

	secrets := corev1.SchemeGroupVersion.WithKind("Secret")
	if cached, kept := k.descriptor.cached(secrets); kept && cached.Depth == VersionOnly {
		versions, err := view.Versions(secrets)
		if err != nil {
			return Dependencies{}, fmt.Errorf("follow Secrets: %w", err)
		}

		dependencies.Secrets = stores.NewFollower(versions, k.process.live, k.process.clock,
			cached.GroupResource(), func() *corev1.Secret { return &corev1.Secret{} })
	}

	return dependencies, nil
}

// fill calls wake when the stores have all there was at the start.
func (l *life) fill(ctx context.Context, wake func()) {
	ctx, l.stopFilled = context.WithCancel(context.WithoutCancel(ctx))

	go func() {
		defer close(l.filled)

		// It ends with an error only when it is told to.
		_ = l.view.WaitForSync(ctx)

		wake()
	}()
}

// start has the controller reconcile. It wakes its keeper when all objects were looked at, and when it ends.
func (l *life) start(ctx context.Context, k *keeper) error {
	l.guard = guard.New(l.built.Reconciler, guard.Options{
		Timeout: cmp.Or(k.process.config.RunTimeout, runTimeout), Grace: cmp.Or(k.process.config.RunGrace, runGrace),
		Clock: k.process.clock, History: k.history,
		OnPanic: func(object types.NamespacedName, cause any) {
			k.panicked("reconcile "+klog.KRef(object.Namespace, object.Name).String(), cause)
		},
	})

	running, err := controller.NewUnmanaged(k.descriptor.Name, controller.Options{
		Reconciler:              l.guard,
		RateLimiter:             l.guard.RateLimiter(failureLimiter()),
		MaxConcurrentReconciles: max(1, l.built.Concurrency),
		CacheSyncTimeout:        syncTimeout,
		SkipNameValidation:      new(true), // a controller may be made again
		Logger:                  klog.Background(),
		LogConstructor:          logOf(k.descriptor.Name),
	})
	if err != nil {
		return fmt.Errorf("make its work queue: %w", err)
	}

	l.unsynced.Store(int32(len(l.built.Watches))) //nolint:gosec // a handful

	for _, watch := range l.built.Watches {
		source := l.view.Source(watch.Object, watch.Handler, watch.Predicates...)
		l.sources = append(l.sources, source)

		if err := running.Watch(&tellingSource{Source: source, synced: func() {
			if l.unsynced.Add(-1) == 0 {
				k.wake()
			}
		}}); err != nil {
			return fmt.Errorf("watch %T: %w", watch.Object, err)
		}
	}

	l.run(ctx, running, k.wake)

	return nil
}

const (
	firstRetry = 5 * time.Millisecond
	lastRetry  = 1000 * time.Second
)

// failureLimiter spaces the retries of an object that fails: as controller-runtime would, by that object alone.
func failureLimiter() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry)
}

// run owns the goroutine of the controller.
func (l *life) run(ctx context.Context, running controller.Controller, wake func()) {
	ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	l.ended = make(chan struct{})

	go func() {
		defer wake()
		defer close(l.ended)
		defer func() {
			if cause := recover(); cause != nil {
				l.err = recovered(cause)
			}
		}()

		l.err = running.Start(ctx)
		if l.err == nil && ctx.Err() == nil {
			l.err = errors.New("it ended by itself")
		}
	}()
}

// tellingSource tells when it has told the controller of all there is.
type tellingSource struct {
	*stores.Source

	synced func()
}

// WaitForSync implements source.SyncingSource.
func (s *tellingSource) WaitForSync(ctx context.Context) error {
	err := s.Source.WaitForSync(ctx)
	if err == nil {
		s.synced()
	}

	return err
}

// logOf drops what controller-runtime says of its own steps at every start and stop: the keeper tells of those.
func logOf(name string) func(*reconcile.Request) logr.Logger {
	return func(request *reconcile.Request) logr.Logger {
		if request == nil {
			return logr.Discard()
		}

		return klog.Background().WithValues("controller", name, "object", klog.KRef(request.Namespace, request.Name))
	}
}

// started tells whether start was called, and hasEnded whether the controller has ended since.
func (l *life) started() bool { return l.ended != nil }

func (l *life) hasEnded() bool {
	if l.ended == nil {
		return false
	}

	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// stop ends the controller and waits for its workers; a run that does not obey is left behind by the guard.
func (l *life) stop() {
	if l.cancel != nil {
		l.cancel()
		<-l.ended
	}

	for _, source := range slices.Backward(l.sources) {
		if err := source.Stop(); err != nil {
			klog.Background().Error(err, "Cannot let go of a source", "source", source.String())
		}
	}

	l.sources = nil

	if err := forgetDepth(l.name); err != nil {
		klog.Background().Error(err, "Cannot correct the metrics", "controller", l.name)
	}
}

// release lets go of the stores.
func (l *life) release() {
	l.stopFilled()
	<-l.filled
	l.view.Release()
}
