package follow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

// Kind names a kind of object that is watched.
type Kind string

// The kinds.
const (
	KindManager     Kind = "NotificationManager"
	KindConfig      Kind = "Config"
	KindReceiver    Kind = "Receiver"
	KindRouter      Kind = "Router"
	KindSilence     Kind = "Silence"
	KindInhibitRule Kind = "InhibitRule"
	KindPolicy      Kind = "NotificationPolicy"
)

// kindInfo is what is known of a kind.
type kindInfo struct {
	kind     Kind
	resource string
	example  runtime.Object
	// optional kinds are ours: a cluster whose definitions are older does without.
	optional bool
}

func kinds() []kindInfo {
	return []kindInfo{
		{KindManager, "notificationmanagers", &notificationv2beta2.NotificationManager{}, false},
		{KindConfig, "configs", &notificationv2beta2.Config{}, false},
		{KindReceiver, "receivers", &notificationv2beta2.Receiver{}, false},
		{KindRouter, "routers", &notificationv2beta2.Router{}, false},
		{KindSilence, "silences", &notificationv2beta2.Silence{}, false},
		{KindInhibitRule, "inhibitrules", &notificationv2beta2.InhibitRule{}, true},
		{KindPolicy, "notificationpolicies", &notificationv2beta2.NotificationPolicy{}, true},
	}
}

// Listers are how objects of each kind are listed and watched.
type Listers map[Kind]cache.ListerWatcher

// NewListers makes those of a cluster.
func NewListers(config *rest.Config) (Listers, error) {
	client, err := Client(config)
	if err != nil {
		return nil, err
	}

	made := Listers{}
	for _, one := range kinds() {
		made[one.kind] = cache.NewListWatchFromClient(client, one.resource, metav1.NamespaceAll, fields.Everything())
	}

	return made, nil
}

// Client is a client for the kinds of notification.
func Client(config *rest.Config) (*rest.RESTClient, error) {
	scheme := runtime.NewScheme()
	if err := notificationv2beta2.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register the kinds of notification: %w", err)
	}

	own := rest.CopyConfig(config)
	own.GroupVersion = &notificationv2beta2.SchemeGroupVersion
	own.APIPath = "/apis"
	own.ContentType, own.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	own.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()

	client, err := rest.RESTClientFor(own)
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", config.Host, err)
	}

	return client, nil
}

// watches are the informers of all kinds.
type watches struct {
	of map[Kind]*watched
}

// watched is the informer of one kind. Where the definition of the kind is missing it goes on asking, and what it has
// seen stays while the API server is away.
type watched struct {
	kindInfo

	informer cache.SharedIndexInformer

	mutex sync.Mutex
	err   error
}

// newWatches makes the informers; changed is told of each object that changes.
func newWatches(listers Listers, changed func(kind Kind, name string)) (*watches, error) {
	made := &watches{of: map[Kind]*watched{}}

	for _, info := range kinds() {
		one := &watched{kindInfo: info}
		one.informer = cache.NewSharedIndexInformer(listers[info.kind], info.example, 0, cache.Indexers{})

		if err := one.prepare(changed); err != nil {
			return nil, fmt.Errorf("watch %s: %w", info.resource, err)
		}

		made.of[info.kind] = one
	}

	return made, nil
}

func (w *watched) prepare(changed func(kind Kind, name string)) error {
	tell := func(object any) {
		if gone, is := object.(cache.DeletedFinalStateUnknown); is {
			object = gone.Obj
		}

		if known, err := meta.Accessor(object); err == nil {
			changed(w.kind, known.GetName())
		}
	}

	_, err := w.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: tell, UpdateFunc: func(_, object any) { tell(object) }, DeleteFunc: tell,
	})

	return errors.Join(err, w.informer.SetTransform(slim), w.informer.SetWatchErrorHandlerWithContext(w.failed))
}

// slim drops what is not looked at, and may be large or hold a copy of credentials.
func slim(object any) (any, error) {
	if known, err := meta.Accessor(object); err == nil {
		known.SetManagedFields(nil)
		known.SetAnnotations(nil)
	}

	return object, nil
}

// failed notes why the API server does not give the objects.
func (w *watched) failed(ctx context.Context, reflector *cache.Reflector, err error) {
	w.mutex.Lock()
	w.err = err
	w.mutex.Unlock()

	cache.DefaultWatchErrorHandler(ctx, reflector, err)
}

// there tells whether all objects of the kind have been seen, or there is no such kind and it may be missing.
func (w *watched) there() bool {
	if w.informer.HasSynced() {
		return true
	}

	w.mutex.Lock()
	defer w.mutex.Unlock()

	return w.optional && w.err != nil && apierrors.IsNotFound(w.err)
}

// why says what keeps the objects from being seen.
func (w *watched) why() string {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	if w.err == nil {
		return w.resource
	}

	return w.resource + " (" + w.err.Error() + ")"
}

// run watches until the context ends.
func (w *watches) run(ctx context.Context) {
	var all sync.WaitGroup

	for _, one := range w.of {
		all.Go(func() { one.informer.RunWithContext(ctx) })
	}

	all.Wait()
}

// missing are the kinds that have not been seen yet, and why; empty once all are there.
func (w *watches) missing() string {
	var waiting []string

	for _, one := range w.of {
		if !one.there() {
			waiting = append(waiting, one.why())
		}
	}

	slices.Sort(waiting)

	return strings.Join(waiting, ", ")
}

// get gives an object, which nobody may change.
func get[T any](w *watches, kind Kind, name string) *T {
	found, present, err := w.of[kind].informer.GetStore().GetByKey(name)
	if err != nil || !present {
		return nil
	}

	object, _ := found.(*T)

	return object
}

// list gives all objects of a kind, in no order.
func list[T any](w *watches, kind Kind) []*T {
	all := w.of[kind].informer.GetStore().List()
	objects := make([]*T, 0, len(all))

	for _, one := range all {
		if object, is := one.(*T); is {
			objects = append(objects, object)
		}
	}

	return objects
}
