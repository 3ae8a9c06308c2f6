package stores

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// lister lists and watches a kind.
type lister struct {
	list  func(context.Context, metav1.ListOptions) (runtime.Object, error)
	watch func(context.Context, metav1.ListOptions) (watch.Interface, error)

	// client says whether it streams lists; object is an empty one of what it lists.
	client any
	object runtime.Object
}

// newFollowingStore prepares a store that keeps versions or digests: a reflector without an informer, whose
// keys and objects would be most of the memory.
func (s *Stores) newFollowingStore(made *store) (func(context.Context) error, error) {
	made.versions = newVersions(s.valueOf(made))

	source, err := s.listerOf(made.spec)
	if err != nil {
		return nil, err
	}

	reflector := toolscache.NewReflectorWithOptions(s.observed(made, source), source.object, made.versions,
		toolscache.ReflectorOptions{Name: "stores/" + made.spec.Resource})

	return func(ctx context.Context) error {
		reflector.RunWithContext(ctx)

		return nil
	}, nil
}

// valueOf computes what is kept of an object. A function of the user's that panics keeps what tells nothing:
// the object is there, and its version stands for its content.
func (s *Stores) valueOf(made *store) func(metav1.Object) string {
	digest := made.spec.Digest
	if digest.Of == nil {
		return metav1.Object.GetResourceVersion
	}

	onPanic := s.onPanicOf(made)

	return func(from metav1.Object) string {
		value := from.GetResourceVersion()

		if object, isObject := from.(client.Object); isObject {
			contain("digest "+digest.Name, onPanic, func() { value = digest.Of(object) })
		}

		return value
	}
}

// observed restricts what is listed and watched, and tells of failures: a reflector of one's own tells nobody.
func (s *Stores) observed(made *store, source lister) toolscache.ListerWatcher {
	spec, onError := made.spec, s.onWatchErrorOf(made)

	restrict := func(options *metav1.ListOptions) {
		options.LabelSelector = spec.LabelString()
		if spec.Name != "" {
			options.FieldSelector = metav1.ObjectNameField + "=" + spec.Name
		}
	}

	return toolscache.ToListWatcherWithWatchListSemantics(&toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			restrict(&options)

			list, err := source.list(ctx, options)
			onError(ctx, nil, err)

			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			restrict(&options)

			watcher, err := source.watch(ctx, options)
			onError(ctx, nil, err)

			return watcher, err
		},
	}, source.client)
}

func (s *Stores) listerOf(spec Spec) (lister, error) {
	if spec.Depth == Digested && !spec.Digest.Metadata {
		return s.typedLister(spec)
	}

	return s.metadataLister(spec)
}

func (s *Stores) metadataLister(spec Spec) (lister, error) {
	clients, err := metadata.NewForConfigAndClient(metadata.ConfigFor(s.options.Config), s.options.HTTPClient)
	if err != nil {
		return lister{}, fmt.Errorf("make a metadata client: %w", err)
	}

	resource := clients.Resource(spec.Kind.GroupVersion().WithResource(spec.Resource)).Namespace(spec.Namespace)

	return lister{
		list: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return resource.List(ctx, options)
		},
		watch: resource.Watch, client: clients, object: metadataOf(spec.Kind),
	}, nil
}

// typedLister reads whole objects in their type, of which the digest is computed.
func (s *Stores) typedLister(spec Spec) (lister, error) {
	object, err := s.options.Scheme.New(spec.Kind)
	if err != nil {
		return lister{}, fmt.Errorf("make an empty %s: %w", spec.Kind, err)
	}

	reader, err := s.typedClient(spec.Kind)
	if err != nil {
		return lister{}, err
	}

	parameters := runtime.NewParameterCodec(s.options.Scheme)
	listKind := spec.Kind.GroupVersion().WithKind(spec.Kind.Kind + "List")

	return lister{
		list: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			list, err := s.options.Scheme.New(listKind)
			if err != nil {
				return nil, fmt.Errorf("make an empty %s: %w", listKind, err)
			}

			err = reader.Get().NamespaceIfScoped(spec.Namespace, spec.Namespace != "").Resource(spec.Resource).
				VersionedParams(&options, parameters).Do(ctx).Into(list)

			return list, err
		},
		watch: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.Watch = true

			opened, err := reader.Get().NamespaceIfScoped(spec.Namespace, spec.Namespace != "").
				Resource(spec.Resource).VersionedParams(&options, parameters).Watch(ctx)

			return opened, err
		},
		client: reader, object: object,
	}, nil
}

// noted is what a reflector hands on of an object: its key, its version, and what is kept of it.
type noted struct {
	metav1.PartialObjectMetadata

	value string
}

func newNoted(object metav1.Object, value string) *noted {
	kept := &noted{value: value}
	kept.SetNamespace(object.GetNamespace())
	kept.SetName(object.GetName())
	kept.SetResourceVersion(object.GetResourceVersion())

	return kept
}

// transformer drops all but what is kept, so that what a reflector collects before the first Replace is as
// small as what is kept.
func (v *Versions) transformer() toolscache.TransformFunc {
	return func(obj any) (any, error) {
		if _, isDone := obj.(*noted); isDone {
			return obj, nil
		}

		object, err := meta.Accessor(obj)
		if err != nil {
			return obj, nil //nolint:nilerr // a tombstone, which has nothing to drop
		}

		return newNoted(object, v.value(object)), nil
	}
}
