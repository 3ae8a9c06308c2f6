package stores

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// forgetAfter is how long an object that nobody asks for any more stays in a
// [Follower]: at least this long, at most twice.
const forgetAfter = 30 * time.Minute

// Follower reads objects of a kind that others own, such as Secrets: only those
// that somebody refers to, live, and each version of one once. What is not there,
// or no longer, costs no call.
type Follower[T client.Object] struct {
	versions *Versions
	live     client.Reader
	clock    clock.PassiveClock
	resource schema.GroupResource
	empty    func() T

	mutex   sync.Mutex
	entries map[types.NamespacedName]*followed[T]
	older   map[types.NamespacedName]*followed[T]
	rotated time.Time
}

// followed is an object that was read.
type followed[T client.Object] struct {
	mutex sync.Mutex
	// version is what the store knew when the object was read; the object itself may
	// be newer.
	version string
	object  T
	read    bool
}

// NewFollower returns a Follower of the objects that versions knows, which reads
// them through live. empty makes an object to read into.
func NewFollower[T client.Object](
	versions *Versions, live client.Reader, clock clock.PassiveClock, resource schema.GroupResource, empty func() T,
) *Follower[T] {
	return &Follower[T]{
		versions: versions, live: live, clock: clock, resource: resource, empty: empty,
		entries: map[types.NamespacedName]*followed[T]{},
		older:   map[types.NamespacedName]*followed[T]{},
		rotated: clock.Now(),
	}
}

// Get returns the object as it is in the version that the store knows, or newer. It
// is a NotFound error where the store knows of none. The object must not be changed.
func (f *Follower[T]) Get(ctx context.Context, key types.NamespacedName) (T, error) {
	var none T

	version, exists := f.versions.Version(key)
	if !exists {
		f.forget(key)

		return none, apierrors.NewNotFound(f.resource, key.Name) //nolint:wrapcheck // as the API server says it
	}

	entry := f.entry(key)

	// Whoever asks for the same object meanwhile waits for this answer.
	entry.mutex.Lock()
	defer entry.mutex.Unlock()

	if entry.read && (entry.version == version || entry.object.GetResourceVersion() == version) {
		return entry.object, nil
	}

	object := f.empty()
	if err := f.live.Get(ctx, key, object); err != nil {
		return none, fmt.Errorf("read %s %s: %w", f.resource.Resource, key, err)
	}

	entry.version, entry.object, entry.read = version, object, true

	return object, nil
}

// entry returns the place of an object, and forgets those that nobody asks for.
func (f *Follower[T]) entry(key types.NamespacedName) *followed[T] {
	f.mutex.Lock()
	defer f.mutex.Unlock()

	f.rotateLocked(f.clock.Now())

	entry, found := f.entries[key]
	if !found {
		entry, found = f.older[key]
	}

	if !found {
		entry = &followed[T]{}
	}

	f.entries[key] = entry
	delete(f.older, key)

	return entry
}

// rotateLocked makes what was asked for lately older, and forgets what was already. After
// a silence of two periods that is everything.
func (f *Follower[T]) rotateLocked(now time.Time) {
	age := now.Sub(f.rotated)
	if age < forgetAfter {
		return
	}

	f.older, f.entries, f.rotated = f.entries, map[types.NamespacedName]*followed[T]{}, now

	if age >= 2*forgetAfter {
		clear(f.older)
	}
}

func (f *Follower[T]) forget(key types.NamespacedName) {
	f.mutex.Lock()
	defer f.mutex.Unlock()

	delete(f.entries, key)
	delete(f.older, key)
}

// Len returns how many objects are kept with their content.
func (f *Follower[T]) Len() int {
	f.mutex.Lock()
	defer f.mutex.Unlock()

	return len(f.entries) + len(f.older)
}
