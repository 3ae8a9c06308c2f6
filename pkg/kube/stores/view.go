package stores

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// View is what one user reads: the stores it asked for, and no other.
type View struct {
	stores           *Stores
	user             User
	byRepresentation map[representation]*store

	once     sync.Once
	released chan struct{}
}

// View is a reader that never makes a store.
var _ client.Reader = &View{}

// representation is how a kind is asked for: as an object of its type, or as
// metadata, of which versions are the least.
type representation struct {
	kind     schema.GroupVersionKind
	metadata bool
}

func representationOf(spec Spec) representation {
	return representation{kind: spec.Kind, metadata: spec.asMetadata()}
}

// Get implements client.Reader.
func (v *View) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	found, err := v.storeOf(into)
	if err != nil {
		return err
	}

	if err := found.cache.Get(ctx, key, into, options...); err != nil {
		return err
	}

	return nil
}

// List implements client.Reader.
func (v *View) List(ctx context.Context, into client.ObjectList, options ...client.ListOption) error {
	found, err := v.storeOf(into)
	if err != nil {
		return err
	}

	var wanted client.ListOptions
	wanted.ApplyOptions(options)
	wanted.FieldSelector = v.own(wanted.FieldSelector)

	if err := found.cache.List(ctx, into, &wanted); err != nil {
		return fmt.Errorf("list %s: %w", found.spec.GroupResource(), err)
	}

	return nil
}

// own renames the fields of a selector to the user's own indexes.
func (v *View) own(selector fields.Selector) fields.Selector {
	if selector == nil || selector.Empty() {
		return selector
	}

	var terms []fields.Selector
	for _, requirement := range selector.Requirements() {
		terms = append(terms, fields.OneTermEqualSelector(v.indexName(requirement.Field), requirement.Value))
	}

	return fields.AndSelectors(terms...)
}

// indexName keeps the indexes of users apart that share a store.
func (v *View) indexName(field string) string { return v.user.Name + ":" + field }

// Index makes the objects of a kind findable by a value computed from each. The
// function must always give the same for the same object. An index stays as long as
// its store, and is not made twice.
func (v *View) Index(ctx context.Context, object client.Object, field string, value client.IndexerFunc) error {
	indexed, err := v.storeOf(object)
	if err != nil {
		return err
	}

	v.stores.mutex.Lock()
	defer v.stores.mutex.Unlock()

	name := v.indexName(field)
	if indexed.indexes[name] {
		return nil
	}

	safe := func(object client.Object) (values []string) {
		contain("index by "+field, v.user.OnPanic, func() { values = value(object) })

		return values
	}

	if err := indexed.addIndex(ctx, object, name, safe); err != nil {
		return err
	}

	indexed.indexes[name] = true

	return nil
}

// Digests returns the digests of a kind that the view keeps at that depth.
func (v *View) Digests(kind schema.GroupVersionKind) (Digests, error) { //nolint:ireturn // a test has others
	return v.Versions(kind)
}

// Versions returns the versions, or the digests, of a kind that the view keeps at such
// a depth.
func (v *View) Versions(kind schema.GroupVersionKind) (*Versions, error) {
	found, err := v.find(representation{kind: kind, metadata: true})
	if err != nil {
		return nil, err
	}

	if found.versions == nil {
		return nil, fmt.Errorf("%s is not kept by version or digest", kind)
	}

	return found.versions, nil
}

// syncPoll is how often a view looks whether its stores are filled.
const syncPoll = 20 * time.Millisecond

// WaitForSync waits until all stores of the view are filled.
func (v *View) WaitForSync(ctx context.Context) error {
	err := wait.PollUntilContextCancel(ctx, syncPoll, true, func(context.Context) (bool, error) {
		return len(v.Awaited()) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("fill the stores of %s: %w", strings.Join(v.Awaited(), ", "), err)
	}

	return nil
}

// Awaited names the resources whose stores are not filled yet, and why where that is
// known.
func (v *View) Awaited() []string {
	var awaited []string

	for _, used := range v.byRepresentation {
		if used.hasSynced() {
			continue
		}

		name := used.spec.GroupResource().String()
		if err := used.problem(); err != nil {
			name += " (" + err.Error() + ")"
		}

		awaited = append(awaited, name)
	}

	slices.Sort(awaited)

	return awaited
}

// Release ends the view. Its sources must have been stopped. It does not wait for
// the stores that end with it: [Stores.Close] does.
func (v *View) Release() {
	v.once.Do(func() {
		close(v.released)
		v.stores.release(v)
	})
}

func (v *View) failed(spec Spec, err error) {
	if v.user.OnFailure != nil {
		v.user.OnFailure(spec, err)
	}
}

func (v *View) panicked(where string, cause any) {
	if v.user.OnPanic != nil {
		v.user.OnPanic(where, cause)
	}
}

// storeOf finds the store of an object or a list.
func (v *View) storeOf(object runtime.Object) (*store, error) {
	kind, err := apiutil.GVKForObject(object, v.stores.options.Scheme)
	if err != nil {
		return nil, fmt.Errorf("find the kind of a %T: %w", object, err)
	}

	isMetadata := false

	switch object.(type) {
	case *metav1.PartialObjectMetadata:
		isMetadata = true
	case *metav1.PartialObjectMetadataList:
		isMetadata = true
		kind.Kind = strings.TrimSuffix(kind.Kind, "List")
	case client.ObjectList:
		kind.Kind = strings.TrimSuffix(kind.Kind, "List")
	}

	found, err := v.find(representation{kind: kind, metadata: isMetadata})
	if err == nil && found.cache == nil {
		err = &NotKeptError{User: v.user.Name, Kind: kind, Metadata: isMetadata}
	}

	return found, err
}

// find returns the store of a representation. A view that was released has none: a
// late read must not find a store that somebody else keeps alive, or one that has
// ended.
func (v *View) find(place representation) (*store, error) {
	found, exists := v.byRepresentation[place]
	notKept := &NotKeptError{User: v.user.Name, Kind: place.kind, Metadata: place.metadata}

	select {
	case <-v.released:
		notKept.Released = true

		return nil, notKept
	default:
	}

	if !exists {
		return nil, notKept
	}

	return found, nil
}

// NotKeptError says that a user reads what it has not asked to be kept.
type NotKeptError struct {
	User     string
	Kind     schema.GroupVersionKind
	Metadata bool

	// Released is set where the view was released before: a run of a controller outlived its time.
	Released bool
}

// Error implements error.
func (e *NotKeptError) Error() string {
	what := e.Kind.String()
	if e.Metadata {
		what = "the metadata of " + what
	}

	if e.Released {
		return fmt.Sprintf("%s has been stopped and reads nothing any more, not even %s", e.User, what)
	}

	return fmt.Sprintf("%s does not keep %s: add it to the descriptor's Caches", e.User, what)
}

// Handle tells a handler of client-go of all there is of a kind that the view keeps,
// and of each change. The caller stops it.
func (v *View) Handle(object client.Object, handler toolscache.ResourceEventHandler) (*Handling, error) {
	found, err := v.storeOf(object)
	if err != nil {
		return nil, err
	}

	registration, err := found.informer.AddEventHandler(handler)
	if err != nil {
		return nil, fmt.Errorf("be told of changes of %s: %w", found.spec.GroupResource(), err)
	}

	return &Handling{
		HasSynced: registration.HasSynced,
		Stop: sync.OnceValue(func() error {
			if err := found.informer.RemoveEventHandler(registration); err != nil {
				return fmt.Errorf("let go of %s: %w", found.spec.GroupResource(), err)
			}

			return nil
		}),
	}, nil
}

// Handling is a handler that is told of the events of a store.
type Handling struct {
	// HasSynced tells whether the handler was told of all there was at the start.
	HasSynced func() bool
	// Stop takes the handler off the store.
	Stop func() error
}

// WaitForSync waits until the handler was told of all there was at the start.
func (h *Handling) WaitForSync(ctx context.Context) error {
	err := wait.PollUntilContextCancel(ctx, syncPoll, true, func(context.Context) (bool, error) {
		return h.HasSynced(), nil
	})
	if err != nil {
		return fmt.Errorf("be told of all there is: %w", err)
	}

	return nil
}
