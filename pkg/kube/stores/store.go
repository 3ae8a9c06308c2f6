package stores

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// store keeps the objects of one spec for as long as it has users.
type store struct {
	spec Spec

	// One of the two: objects, or only their versions or digests.
	cache    cache.Cache
	informer cache.Informer
	versions *Versions

	// users and indexes are guarded by the Stores that the store belongs to.
	users   map[*View]struct{}
	indexes map[string]bool

	stop func()
	done chan struct{} // closed when no goroutine of the store is left

	mutex    sync.Mutex
	lastLine time.Time // of the log, so that an outage does not flood it
	lastErr  error
}

// linePeriod is how often at the most a store logs that its watch fails.
const linePeriod = time.Minute

// newStore prepares a store; nothing runs yet.
func (s *Stores) newStore(ctx context.Context, spec Spec) (*store, func(context.Context) error, error) {
	made := &store{
		spec: spec, users: map[*View]struct{}{}, indexes: map[string]bool{}, done: make(chan struct{}),
	}

	if spec.isFollowed() {
		run, err := s.newFollowingStore(made)

		return made, run, err
	}

	object, err := spec.object(s.options.Scheme)
	if err != nil {
		return nil, nil, err
	}

	made.cache, err = cache.New(s.options.Config, cache.Options{
		HTTPClient: s.options.HTTPClient, Scheme: s.options.Scheme, Mapper: s.options.Mapper,
		ReaderFailOnMissingInformer: true,
		DefaultTransform:            spec.transform(s.onPanicOf(made)),
		DefaultLabelSelector:        spec.Labels,
		DefaultFieldSelector:        spec.fieldSelector(),
		DefaultWatchErrorHandler:    s.onWatchErrorOf(made),
		NewInformer:                 newInformer,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("make a cache: %w", err)
	}

	made.informer, err = made.cache.GetInformer(ctx, object, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, nil, fmt.Errorf("make an informer: %w", err)
	}

	return made, made.cache.Start, nil
}

// hasSynced tells whether the store has had all there was when it began.
func (s *store) hasSynced() bool {
	if s.versions != nil {
		return s.versions.isSynced()
	}

	return s.informer.HasSynced()
}

// count returns the number of objects in the store.
func (s *store) count() int {
	if s.versions != nil {
		return s.versions.Len()
	}

	if keeper, isKeeper := s.informer.(interface{ GetStore() toolscache.Store }); isKeeper {
		return len(keeper.GetStore().ListKeys())
	}

	return 0
}

// onPanicOf hands a panic in a function that all users of the store share to each.
func (s *Stores) onPanicOf(of *store) func(string, any) {
	return func(where string, cause any) {
		for _, view := range s.usersOf(of) {
			view.panicked(where, cause)
		}
	}
}

// onWatchErrorOf hands what keeps a store from listing and watching to its users,
// and to the log once in a while. The reflector tries again by itself, with back-off.
func (s *Stores) onWatchErrorOf(of *store) toolscache.WatchErrorHandlerWithContext {
	return func(ctx context.Context, _ *toolscache.Reflector, err error) {
		if err == nil || ctx.Err() != nil || isOrdinaryEnd(err) {
			return
		}

		of.noteError(ctx, s.options.Clock.Now(), err)

		for _, view := range s.usersOf(of) {
			view.failed(of.spec, err)
		}
	}
}

// isOrdinaryEnd tells of the ways in which a watch ends without anything being wrong.
func isOrdinaryEnd(err error) bool {
	return errors.Is(err, io.EOF) || apierrors.IsResourceExpired(err) || apierrors.IsGone(err)
}

func (s *store) noteError(ctx context.Context, now time.Time, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	s.lastErr = err

	if now.Sub(s.lastLine) < linePeriod {
		return
	}

	s.lastLine = now
	klog.FromContext(ctx).Info("Cannot list or watch; trying again with back-off",
		"resource", s.spec.GroupResource().String(), "reason", err.Error())
}

// problem returns what last kept the store from listing and watching.
func (s *store) problem() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	return s.lastErr
}

// addIndex makes the objects findable by what value computes of each.
func (s *store) addIndex(ctx context.Context, object client.Object, field string, value client.IndexerFunc) error {
	if s.cache == nil {
		return fmt.Errorf("index %s by %s: only versions are kept of it", s.spec.Kind.Kind, field)
	}

	if err := s.cache.IndexField(ctx, object, field, value); err != nil {
		return fmt.Errorf("index %s by %s: %w", s.spec.Kind.Kind, field, err)
	}

	return nil
}
