package follow

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/klog/v2"

	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

// sources are the Secrets and ConfigMaps that objects refer to, each read by its name and kept until it changes. What
// nobody refers to is neither read nor watched: of the namespaces that are referred to the names and versions alone are
// watched, where the process may, and else the objects are asked for again from time to time.
type sources struct {
	ctx      context.Context //nolint:containedctx // the lookups of an engine have none of their own
	client   kubernetes.Interface
	metadata metadata.Interface
	changed  func(resolve.Reference)
	counted  func(kind, result string)

	mutex   sync.Mutex
	objects map[resolve.Reference]*object
	watches map[place]*namespaceWatch
	stale   map[resolve.Reference]struct{}
	some    chan struct{}
}

// place is the objects of a kind in a namespace.
type place struct{ kind, namespace string }

// object is what was read of one Secret or ConfigMap.
type object struct {
	// reading is held by whoever reads it.
	reading sync.Mutex

	// The following are guarded by the mutex of sources.
	known   bool
	version string
	// heard is the version that the watch told of before anything was known; nil is none.
	heard  *string
	labels map[string]string
	secret map[string]secret.String
	texts  map[string]string
	err    error
}

// lookupPatience is how long one lookup may take.
const lookupPatience = 5 * time.Second

// abreast is how many objects are read at once.
const abreast = 8

func newSources(
	ctx context.Context, client kubernetes.Interface, metadata metadata.Interface, changed func(resolve.Reference),
	counted func(kind, result string),
) *sources {
	return &sources{
		ctx: ctx, client: client, metadata: metadata, changed: changed, counted: counted,
		objects: map[resolve.Reference]*object{}, watches: map[place]*namespaceWatch{},
		stale: map[resolve.Reference]struct{}{}, some: make(chan struct{}, 1),
	}
}

// lookups are how resolving reads objects.
func (s *sources) lookups() resolve.Sources {
	return resolve.Sources{
		Secret: func(namespace, name string) (resolve.Object[secret.String], error) {
			found, err := s.get(resolve.Reference{Kind: resolve.KindSecret, Namespace: namespace, Name: name})

			return resolve.Object[secret.String]{Labels: found.labels, Data: found.secret}, err
		},
		ConfigMap: func(namespace, name string) (resolve.Object[string], error) {
			found, err := s.get(resolve.Reference{Kind: resolve.KindConfigMap, Namespace: namespace, Name: name})

			return resolve.Object[string]{Labels: found.labels, Data: found.texts}, err
		},
	}
}

// content is what an object holds.
type content struct {
	labels map[string]string
	secret map[string]secret.String
	texts  map[string]string
}

// get gives an object as it was read last; one that was not is read now.
func (s *sources) get(ref resolve.Reference) (content, error) {
	s.watch(place{ref.Kind, ref.Namespace})

	if found, err, known := s.kept(ref); known {
		return found, err
	}

	s.first(ref)

	found, err, _ := s.kept(ref)

	return found, err
}

func (s *sources) kept( //nolint:revive // the error is a part of what is known
	ref resolve.Reference,
) (found content, err error, known bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	of := s.objects[ref]
	if of == nil || !of.known {
		return content{}, resolve.ErrNotRead, false
	}

	return content{labels: of.labels, secret: of.secret, texts: of.texts}, of.err, true
}

// first reads an object that was not read, unless somebody else has just done so.
func (s *sources) first(ref resolve.Reference) {
	of := s.object(ref)

	of.reading.Lock()
	defer of.reading.Unlock()

	if _, _, known := s.kept(ref); !known {
		s.look(ref, of)
	}
}

// read reads an object, and tells whether it is another than before.
func (s *sources) read(ref resolve.Reference) bool {
	of := s.object(ref)

	of.reading.Lock()
	defer of.reading.Unlock()

	return s.look(ref, of)
}

// object is the place of what is read.
func (s *sources) object(ref resolve.Reference) *object {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	of := s.objects[ref]
	if of == nil {
		of = &object{}
		s.objects[ref] = of
	}

	return of
}

// look asks for an object and keeps it, and tells whether it is another than before. Where the API server does not
// answer, what was read before stays.
func (s *sources) look(ref resolve.Reference, of *object) bool {
	ctx, cancel := context.WithTimeout(s.ctx, lookupPatience)
	defer cancel()

	next, err := s.ask(ctx, ref)
	s.counted(ref.Kind, resultOf(err))

	s.mutex.Lock()
	defer s.mutex.Unlock()

	if errors.Is(err, resolve.ErrNotRead) && of.known {
		s.stale[ref] = struct{}{}

		return false
	}

	next.err, next.known = err, !errors.Is(err, resolve.ErrNotRead)
	if !next.known { // to be tried again
		s.stale[ref] = struct{}{}
	}

	changed := !of.known || of.version != next.version || !errors.Is(next.err, of.err)
	of.known, of.version, of.err = next.known, next.version, next.err
	of.labels, of.secret, of.texts = next.labels, next.secret, next.texts

	if of.heard != nil && *of.heard != of.version { // it changed while it was read
		s.stale[ref] = struct{}{}
		s.wake()
	}

	of.heard = nil

	return changed
}

func resultOf(err error) string {
	switch {
	case err == nil:
		return "found"
	case errors.Is(err, resolve.ErrNotFound):
		return "not_found"
	case errors.Is(err, resolve.ErrForbidden):
		return "forbidden"
	default:
		return "failed"
	}
}

// ask asks the API server for an object.
func (s *sources) ask(ctx context.Context, ref resolve.Reference) (*object, error) {
	if ref.Kind == resolve.KindSecret {
		found, err := s.client.CoreV1().Secrets(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if err != nil {
			return &object{}, lookupError(err)
		}

		return secretObject(found), nil
	}

	found, err := s.client.CoreV1().ConfigMaps(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return &object{}, lookupError(err)
	}

	return configMapObject(found), nil
}

func secretObject(found *corev1.Secret) *object {
	made := &object{version: found.ResourceVersion, labels: found.Labels, secret: map[string]secret.String{}}
	for key, value := range found.Data {
		made.secret[key] = secret.New(string(value))
	}

	return made
}

func configMapObject(found *corev1.ConfigMap) *object {
	return &object{version: found.ResourceVersion, labels: found.Labels, texts: found.Data}
}

// lookupError is why an object cannot be had, in the terms of resolving.
func lookupError(err error) error {
	switch {
	case apierrors.IsNotFound(err):
		return resolve.ErrNotFound
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return resolve.ErrForbidden
	default:
		return fmt.Errorf("%w: %w", resolve.ErrNotRead, err)
	}
}

// seen is told of the version of an object that is watched; an empty one is of an object that is gone. Of one that is
// being read for the first time it is kept, to be compared with what comes of the reading: which of the two is later
// nobody can tell.
func (s *sources) seen(ref resolve.Reference, version string) {
	s.mutex.Lock()
	of := s.objects[ref]
	fresh := of != nil && of.known && (of.version != version || of.err != nil && version != "")

	if fresh {
		s.stale[ref] = struct{}{}
	}

	if of != nil && !of.known {
		of.heard = &version
	}
	s.mutex.Unlock()

	if fresh {
		s.wake()
	}
}

func (s *sources) wake() {
	select {
	case s.some <- struct{}{}:
	default:
	}
}

// takeStale gives what is to be read again.
func (s *sources) takeStale() []resolve.Reference {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	taken := make([]resolve.Reference, 0, len(s.stale))
	for ref := range s.stale {
		taken = append(taken, ref)
	}

	clear(s.stale)

	return taken
}

// refresh reads again what is stale, several at once, and tells of what has changed.
func (s *sources) refresh() {
	var group errgroup.Group

	group.SetLimit(abreast)

	for _, ref := range s.takeStale() {
		group.Go(func() error {
			if s.read(ref) {
				s.changed(ref)
			}

			return nil
		})
	}

	_ = group.Wait()
}

// reload marks objects as stale that nothing tells about, or all.
func (s *sources) reload(all bool) {
	s.mutex.Lock()

	for ref := range s.objects {
		watch := s.watches[place{ref.Kind, ref.Namespace}]
		if all || watch == nil || !watch.tells() {
			s.stale[ref] = struct{}{}
		}
	}
	s.mutex.Unlock()

	s.wake()
}

// Pauses between two looks at what failed, and at what nothing tells about.
const (
	failedPause = 5 * time.Second
	pollPause   = time.Minute
)

// run keeps the objects current until the context ends.
func (s *sources) run(ctx context.Context) {
	failed, poll := time.NewTicker(failedPause), time.NewTicker(pollPause)
	defer failed.Stop()
	defer poll.Stop()

	for {
		select {
		case <-ctx.Done():
			s.close()

			return
		case <-s.some:
			s.refresh() //nolint:contextcheck // lookups have that of sources
		case <-failed.C:
			s.refresh() //nolint:contextcheck // lookups have that of sources
		case <-poll.C:
			s.reload(false)
		}
	}
}

// keep drops what nobody refers to any more.
func (s *sources) keep(used map[resolve.Reference]struct{}) {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	places := map[place]struct{}{}

	for ref := range s.objects {
		if _, needed := used[ref]; !needed {
			delete(s.objects, ref)
			delete(s.stale, ref)

			continue
		}

		places[place{ref.Kind, ref.Namespace}] = struct{}{}
	}

	for at, watch := range s.watches {
		if _, needed := places[at]; !needed {
			watch.stop()
			delete(s.watches, at)
		}
	}
}

// watch has the versions of the objects in a namespace watched.
func (s *sources) watch(at place) {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	if s.metadata == nil || s.watches[at] != nil {
		return
	}

	made, err := newNamespaceWatch(s.ctx, s.metadata, at, s.seen)
	if err != nil { // they are asked for again then
		klog.FromContext(s.ctx).Error(err, "Cannot watch", "kind", at.kind, "namespace", at.namespace)
	}

	s.watches[at] = made
}

// close ends all watches.
func (s *sources) close() {
	s.mutex.Lock()
	watches := s.watches
	s.watches = map[place]*namespaceWatch{}
	s.metadata = nil
	s.mutex.Unlock()

	for _, watch := range watches {
		watch.stop()
		watch.wait()
	}
}
