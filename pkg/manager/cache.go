package manager

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

// cacheKey tells the caches of a process apart: an object and its metadata are two.
type cacheKey struct {
	kind  schema.GroupVersionKind
	depth Depth
}

// cachePlan merges what the controllers cache. Two that want the same cache must restrict it alike, or one
// would see less than it counts on.
func (c Catalog) cachePlan() (map[cacheKey]Cached, error) {
	var errs []error

	plan := map[cacheKey]Cached{}

	for _, descriptor := range c {
		for _, cached := range descriptor.Caches {
			key := cacheKey{kind: cached.Kind, depth: cached.Depth}

			other, planned := plan[key]
			if planned && selectorString(other.Labels) != selectorString(cached.Labels) {
				errs = append(errs, fmt.Errorf("controller %q caches %s where %q, another one where %q",
					descriptor.Name, cached.Kind.Kind, selectorString(cached.Labels), selectorString(other.Labels)))
			}

			plan[key] = cached
		}
	}

	return plan, errors.Join(errs...)
}

// cacheOptions are what the process's cache is made with.
func (c Catalog) cacheOptions(scheme *runtime.Scheme) (cache.Options, error) {
	plan, err := c.cachePlan()
	if err != nil {
		return cache.Options{}, err
	}

	options := cache.Options{
		Scheme:                      scheme,
		ByObject:                    map[client.Object]cache.ByObject{},
		ReaderFailOnMissingInformer: true,
		DefaultTransform:            kube.TransformOwned(),
	}

	for key, cached := range plan {
		object, err := cached.object(scheme)
		if err != nil {
			return cache.Options{}, err
		}

		byObject := cache.ByObject{Label: cached.Labels}
		if key.depth == MetadataOnly {
			byObject.Transform = kube.TransformMetadata()
		}

		options.ByObject[object] = byObject
	}

	return options, nil
}

// object returns an empty object that stands for the cache.
func (c Cached) object(scheme *runtime.Scheme) (client.Object, error) {
	if c.Depth == MetadataOnly {
		return MetadataOf(c.Kind), nil
	}

	created, err := scheme.New(c.Kind)
	if err != nil {
		return nil, fmt.Errorf("make an empty %s: %w", c.Kind, err)
	}

	object, isObject := created.(client.Object)
	if !isObject {
		return nil, fmt.Errorf("make an empty %s: it has no metadata", c.Kind)
	}

	return object, nil
}

func selectorString(selector labels.Selector) string {
	if selector == nil {
		return labels.Everything().String()
	}

	return selector.String()
}
