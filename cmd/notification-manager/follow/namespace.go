package follow

import (
	"context"
	"fmt"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
)

// namespaceWatch watches the names and versions of the Secrets or ConfigMaps of one namespace: what they hold is not
// sent.
type namespaceWatch struct {
	informer cache.SharedIndexInformer
	cancel   context.CancelFunc
	ended    chan struct{}
	denied   atomic.Bool
}

// newNamespaceWatch begins to watch; seen is told of each object with its version, and without one when it is gone.
// Where the process may not, the watch ends by itself, and tells nothing.
func newNamespaceWatch(
	ctx context.Context, client metadata.Interface, at place, seen func(ref resolve.Reference, version string),
) (*namespaceWatch, error) {
	resource := corev1.SchemeGroupVersion.WithResource("configmaps")
	if at.kind == resolve.KindSecret {
		resource = corev1.SchemeGroupVersion.WithResource("secrets")
	}

	objects := client.Resource(resource).Namespace(at.namespace)
	lister := cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return objects.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return objects.Watch(ctx, options)
		},
	}, client)

	ctx, cancel := context.WithCancel(ctx)
	made := &namespaceWatch{
		informer: cache.NewSharedIndexInformer(lister, &metav1.PartialObjectMetadata{}, 0, cache.Indexers{}),
		cancel:   cancel, ended: make(chan struct{}),
	}

	if err := made.prepare(at, seen); err != nil {
		cancel()
		close(made.ended)
		made.denied.Store(true)

		return made, fmt.Errorf("watch %s in %s: %w", resource.Resource, at.namespace, err)
	}

	go func() {
		defer close(made.ended)

		made.informer.RunWithContext(ctx)
	}()

	return made, nil
}

func (w *namespaceWatch) prepare(at place, seen func(ref resolve.Reference, version string)) error {
	tell := func(object any, gone bool) {
		if last, is := object.(cache.DeletedFinalStateUnknown); is {
			object = last.Obj
		}

		known, err := meta.Accessor(object)
		if err != nil {
			return
		}

		version := known.GetResourceVersion()
		if gone {
			version = ""
		}

		seen(resolve.Reference{Kind: at.kind, Namespace: at.namespace, Name: known.GetName()}, version)
	}

	_, err := w.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { tell(object, false) },
		UpdateFunc: func(_, object any) { tell(object, false) },
		DeleteFunc: func(object any) { tell(object, true) },
	})
	if err != nil {
		return err
	}

	if err := w.informer.SetTransform(nameAndVersion); err != nil {
		return err
	}

	return w.informer.SetWatchErrorHandlerWithContext(w.failed)
}

// nameAndVersion is all that is kept of an object.
func nameAndVersion(from any) (any, error) {
	known, is := from.(*metav1.PartialObjectMetadata)
	if !is {
		return from, nil
	}

	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: known.Namespace, Name: known.Name, ResourceVersion: known.ResourceVersion,
	}}, nil
}

func (w *namespaceWatch) failed(ctx context.Context, reflector *cache.Reflector, err error) {
	if apierrors.IsForbidden(err) || apierrors.IsMethodNotSupported(err) {
		if !w.denied.Swap(true) {
			klog.FromContext(ctx).Info("May not watch, asks every minute instead", "reason", err.Error())
		}

		w.cancel()

		return
	}

	cache.DefaultWatchErrorHandler(ctx, reflector, err)
}

// tells says whether a change of an object would be heard of.
func (w *namespaceWatch) tells() bool {
	return !w.denied.Load() && w.informer.HasSynced()
}

func (w *namespaceWatch) stop() { w.cancel() }

func (w *namespaceWatch) wait() { <-w.ended }
