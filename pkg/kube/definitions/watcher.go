package definitions

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
)

// Discovery is the part of a discovery client that is used here.
type Discovery interface {
	ServerResourcesForGroupVersionWithContext(ctx context.Context, groupVersion string) (*metav1.APIResourceList, error)
}

// Options say what to watch and how.
type Options struct {
	Wanted    []Wanted
	Discovery Discovery
	Stores    *stores.Stores
	Clock     clock.WithTicker
	// Changed is called after something has changed. It must not block.
	Changed func()
}

// Watcher keeps what is known of the wanted kinds.
type Watcher struct {
	options Options
	byName  map[string][]Wanted
	poke    chan struct{} // something is dirty
	denied  chan error

	mutex       sync.RWMutex
	dirty       map[schema.GroupVersion]bool // to be asked for again
	discovered  map[schema.GroupVersion]bool // asked at least once
	defined     map[string]bool              // has had a definition at some time
	served      map[schema.GroupVersionKind]Kind
	definitions map[string]*Definition
	problem     string
}

// New returns a Watcher that knows nothing before it runs.
func New(options Options) *Watcher {
	watcher := &Watcher{
		options:     options,
		byName:      map[string][]Wanted{},
		poke:        make(chan struct{}, 1),
		denied:      make(chan error, 1),
		dirty:       map[schema.GroupVersion]bool{},
		discovered:  map[schema.GroupVersion]bool{},
		defined:     map[string]bool{},
		served:      map[schema.GroupVersionKind]Kind{},
		definitions: map[string]*Definition{},
	}
	for _, wanted := range options.Wanted {
		watcher.byName[wanted.Name()] = append(watcher.byName[wanted.Name()], wanted)
	}

	return watcher
}

// Kind returns what is known of a kind, and false as long as nothing is.
func (w *Watcher) Kind(wanted Wanted) (Kind, bool) {
	w.mutex.RLock()
	defer w.mutex.RUnlock()

	kind := w.served[wanted.Kind]
	if definition := w.definitions[wanted.Name()]; definition != nil {
		copied := *definition
		kind.Definition = &copied
	}

	return kind, w.discovered[wanted.Kind.GroupVersion()]
}

// Problem tells what keeps the watcher from knowing; empty when nothing does.
func (w *Watcher) Problem() string {
	w.mutex.RLock()
	defer w.mutex.RUnlock()

	return w.problem
}

// retryDenied is how often a watcher tries again that may not watch definitions.
const retryDenied = 10 * time.Second

// Run watches until the context ends. A missing right to watch definitions is told
// as a problem and tried again.
func (w *Watcher) Run(ctx context.Context) error {
	for {
		err := w.watch(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to stop
		}

		if !apierrors.IsForbidden(err) {
			return err
		}

		w.setProblem("this process may not list or watch " + Resource + ".apiextensions.k8s.io: " + err.Error())
		klog.FromContext(ctx).Info("Cannot tell which custom kinds there are; trying again", "reason", err.Error())

		select {
		case <-ctx.Done():
			return nil
		case <-w.options.Clock.After(retryDenied):
		}
	}
}

func (w *Watcher) setProblem(problem string) {
	w.mutex.Lock()
	changed := w.problem != problem
	w.problem = problem
	w.mutex.Unlock()

	if changed {
		w.options.Changed()
	}
}

// watch follows the definitions until the context ends or the right to do so does.
func (w *Watcher) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	view, err := w.options.Stores.Open(ctx, stores.User{Name: "definitions", OnFailure: w.onFailure}, stores.Spec{
		Kind: definitionKind(), Resource: Resource, Depth: stores.MetadataOnly,
		Trim: stores.Trim{Name: "identity and revision", Do: trim},
	})
	if err != nil {
		return fmt.Errorf("watch the custom resource definitions: %w", err)
	}
	defer view.Release()

	handling, err := view.Handle(Reference(""), w.handler())
	if err != nil {
		return fmt.Errorf("watch the custom resource definitions: %w", err)
	}

	err = w.waitForSync(ctx, handling)
	if err == nil {
		err = w.noteRemoved(ctx, view)
	}

	if err == nil {
		w.setProblem("")
		err = w.discover(ctx)
	}

	return errors.Join(err, handling.Stop())
}

// waitForSync waits for the first list, or for the server's word that it is not to be had.
func (w *Watcher) waitForSync(ctx context.Context, handling *stores.Handling) error {
	synced := make(chan error, 1)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	go func() { synced <- handling.WaitForSync(ctx) }()

	select {
	case err := <-synced:
		return err
	case err := <-w.denied:
		cancel()
		<-synced //nolint:errcheck // the denial says more

		return err
	}
}

func (w *Watcher) onFailure(_ stores.Spec, err error) {
	if !apierrors.IsForbidden(err) {
		return
	}

	select {
	case w.denied <- err:
	default: // one is enough
	}
}

// handler notes what becomes of the wanted definitions.
func (w *Watcher) handler() toolscache.ResourceEventHandler {
	note := func(obj any, gone bool) {
		if tombstone, isTombstone := obj.(toolscache.DeletedFinalStateUnknown); isTombstone {
			obj = tombstone.Obj
		}

		object, isObject := obj.(*metav1.PartialObjectMetadata)
		if !isObject || len(w.byName[object.GetName()]) == 0 {
			return
		}

		definition := fromMetadata(object)
		if gone {
			definition = nil
		}

		w.noteDefinition(object.GetName(), definition)
	}

	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { note(obj, false) },
		UpdateFunc: func(_, obj any) { note(obj, false) },
		DeleteFunc: func(obj any) { note(obj, true) },
	}
}

// noteDefinition keeps what is new and has discovery asked again.
func (w *Watcher) noteDefinition(name string, definition *Definition) {
	w.mutex.Lock()

	before := w.definitions[name]
	w.defined[name] = true

	if definition == nil {
		delete(w.definitions, name)
	} else {
		w.definitions[name] = definition
	}

	for _, wanted := range w.byName[name] {
		w.dirty[wanted.Kind.GroupVersion()] = true

		if definition == nil { // no instance is left, and asking for the kind would be in vain
			w.served[wanted.Kind] = Kind{}
		}
	}

	changed := (before == nil) != (definition == nil) || before != nil && *before != *definition
	w.mutex.Unlock()

	if changed {
		w.options.Changed()
	}

	select {
	case w.poke <- struct{}{}:
	default: // it has been told already
	}
}

// noteRemoved notes what was removed while the right to watch was missing: no event tells of it.
func (w *Watcher) noteRemoved(ctx context.Context, present client.Reader) error {
	w.mutex.RLock()
	known := slices.Collect(maps.Keys(w.definitions))
	w.mutex.RUnlock()

	for _, name := range known {
		reference := Reference(name)

		err := present.Get(ctx, client.ObjectKeyFromObject(reference), reference)
		if apierrors.IsNotFound(err) {
			w.noteDefinition(name, nil)
		} else if err != nil {
			return fmt.Errorf("look for the definition %s: %w", name, err)
		}
	}

	return nil
}

// takeDirty plans to ask again for what has changed.
func (w *Watcher) takeDirty(pending map[schema.GroupVersion]plan) {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	for groupVersion := range w.dirty {
		pending[groupVersion] = plan{}
	}

	clear(w.dirty)
}

// discover asks for the kinds of a group and version when it may have changed. The
// API server lists a kind a moment after its definition is established, and nothing
// tells when; so it is asked again a few times, with growing pauses.
func (w *Watcher) discover(ctx context.Context) error {
	pending := map[schema.GroupVersion]plan{}
	for _, wanted := range w.options.Wanted {
		pending[wanted.Kind.GroupVersion()] = plan{}
	}

	for {
		for _, groupVersion := range w.due(pending) {
			answered := w.ask(ctx, groupVersion)
			settled := answered && w.settled(groupVersion)

			if next, more := pending[groupVersion].next(w.options.Clock.Now(), settled); more {
				pending[groupVersion] = next
			} else {
				delete(pending, groupVersion)
			}
		}

		timer := w.options.Clock.NewTimer(w.untilNext(pending))

		select {
		case <-ctx.Done():
			timer.Stop()

			return nil
		case err := <-w.denied:
			timer.Stop()

			return err
		case <-w.poke:
			w.takeDirty(pending)
		case <-timer.C():
		}

		timer.Stop()
	}
}

// plan says when to ask next.
type plan struct {
	at    time.Time
	tries int
}

// pauses are those between two questions after a change. The last is repeated for as
// long as an answer is missing.
func pauses() []time.Duration {
	return []time.Duration{
		100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond,
		800 * time.Millisecond, 1600 * time.Millisecond, 3200 * time.Millisecond,
	}
}

// next returns the plan after a question. Once the pauses are used up, only what has
// not settled is asked for again.
func (p plan) next(now time.Time, settled bool) (plan, bool) {
	steps := pauses()
	if p.tries >= len(steps) && settled {
		return plan{}, false
	}

	pause := steps[min(p.tries, len(steps)-1)]

	return plan{at: now.Add(pause), tries: p.tries + 1}, true
}

func (w *Watcher) due(pending map[schema.GroupVersion]plan) []schema.GroupVersion {
	now := w.options.Clock.Now()
	due := slices.DeleteFunc(slices.Collect(maps.Keys(pending)), func(groupVersion schema.GroupVersion) bool {
		return pending[groupVersion].at.After(now)
	})

	slices.SortFunc(due, func(a, b schema.GroupVersion) int { return strings.Compare(a.String(), b.String()) })

	return due
}

// idle is how long to wait when nothing is planned: an event ends it anyway.
const idle = time.Hour

func (w *Watcher) untilNext(pending map[schema.GroupVersion]plan) time.Duration {
	until := idle
	for _, planned := range pending {
		until = min(until, max(0, planned.at.Sub(w.options.Clock.Now())))
	}

	return until
}

// settled tells whether all is served that has a definition, so that asking again
// would tell nothing. A kind without one is not waited for: its arrival is an event.
func (w *Watcher) settled(groupVersion schema.GroupVersion) bool {
	w.mutex.RLock()
	defer w.mutex.RUnlock()

	return !slices.ContainsFunc(w.options.Wanted, func(wanted Wanted) bool {
		return wanted.Kind.GroupVersion() == groupVersion && w.definitions[wanted.Name()] != nil &&
			!w.served[wanted.Kind].Served
	})
}

// ask reads the kinds of a group and version from discovery, and tells whether there
// was an answer.
func (w *Watcher) ask(ctx context.Context, groupVersion schema.GroupVersion) bool {
	if w.isGone(groupVersion) {
		w.learn(groupVersion, nil) // which is known even if nobody has asked yet

		return true
	}

	list, err := w.options.Discovery.ServerResourcesForGroupVersionWithContext(ctx, groupVersion.String())
	if apierrors.IsNotFound(err) {
		list, err = &metav1.APIResourceList{}, nil
	}

	if err != nil {
		klog.FromContext(ctx).V(1).Info("Discovery failed; trying again",
			"groupVersion", groupVersion, "reason", err.Error())

		return false
	}

	w.learn(groupVersion, list.APIResources)

	return true
}

// isGone tells that each wanted kind of a group and version has had a definition and
// has none any more: what was removed is left in peace.
func (w *Watcher) isGone(groupVersion schema.GroupVersion) bool {
	w.mutex.RLock()
	defer w.mutex.RUnlock()

	return !slices.ContainsFunc(w.options.Wanted, func(wanted Wanted) bool {
		return wanted.Kind.GroupVersion() == groupVersion &&
			(!w.defined[wanted.Name()] || w.definitions[wanted.Name()] != nil)
	})
}

// learn keeps what discovery has told of the wanted kinds of a group and version.
func (w *Watcher) learn(groupVersion schema.GroupVersion, resources []metav1.APIResource) {
	w.mutex.Lock()

	changed := !w.discovered[groupVersion]
	w.discovered[groupVersion] = true

	for _, wanted := range w.options.Wanted {
		if wanted.Kind.GroupVersion() != groupVersion {
			continue
		}

		kind := Kind{Served: has(resources, wanted.Resource), HasStatus: has(resources, wanted.Resource+"/status")}
		if w.defined[wanted.Name()] && w.definitions[wanted.Name()] == nil {
			kind = Kind{} // it was removed while the answer was on its way
		}

		changed = changed || w.served[wanted.Kind] != kind
		w.served[wanted.Kind] = kind
	}

	w.mutex.Unlock()

	if changed {
		w.options.Changed()
	}
}

func has(resources []metav1.APIResource, name string) bool {
	return slices.ContainsFunc(resources, func(resource metav1.APIResource) bool { return resource.Name == name })
}
