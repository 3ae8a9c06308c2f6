package notificationconfig

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

// lookupTimeout bounds the read of one object that others name.
const lookupTimeout = 10 * time.Second

// secretReader reads a Secret, each version of it once.
type secretReader interface {
	Get(ctx context.Context, key types.NamespacedName) (*corev1.Secret, error)
}

// configMaps reads ConfigMaps that objects name, each version of one once.
type configMaps struct {
	versions stores.Digests
	live     client.Reader

	mutex sync.Mutex
	known map[types.NamespacedName]knownMap
}

type knownMap struct {
	version string
	object  *corev1.ConfigMap
}

// mostMaps is how many ConfigMaps are kept; where more are named, each is read again.
const mostMaps = 1000

func newConfigMaps(versions stores.Digests, live client.Reader) *configMaps {
	return &configMaps{versions: versions, live: live, known: map[types.NamespacedName]knownMap{}}
}

// version tells the versions of a ConfigMap apart; it is empty where there is none.
func (c *configMaps) version(key types.NamespacedName) string {
	version, _ := c.versions.Version(key)

	return version
}

func (c *configMaps) get(ctx context.Context, key types.NamespacedName) (*corev1.ConfigMap, error) {
	version, exists := c.versions.Version(key)
	if !exists {
		c.keep(key, nil)

		return nil, resolve.ErrNotFound
	}

	c.mutex.Lock()
	known := c.known[key]
	c.mutex.Unlock()

	if known.object != nil && known.version == version {
		return known.object, nil
	}

	object := &corev1.ConfigMap{}
	if err := c.live.Get(ctx, key, object); err != nil {
		return nil, fmt.Errorf("read ConfigMap %s: %w", key, err)
	}

	c.keep(key, &knownMap{version, object})

	return object, nil
}

func (c *configMaps) keep(key types.NamespacedName, one *knownMap) {
	c.mutex.Lock()
	defer c.mutex.Unlock()

	if len(c.known) >= mostMaps {
		clear(c.known)
	}

	if one == nil {
		delete(c.known, key)
	} else {
		c.known[key] = *one
	}
}

// sources are where the engine looks up what objects name.
func sources(secrets secretReader, maps *configMaps) resolve.Sources {
	return resolve.Sources{
		Secret: func(namespace, name string) (resolve.Object[secret.String], error) {
			ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
			defer cancel()

			found, err := secrets.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name})
			if err != nil {
				return resolve.Object[secret.String]{}, lookupError(err)
			}

			made := resolve.Object[secret.String]{Labels: found.Labels, Data: map[string]secret.String{}}
			for key, value := range found.Data {
				made.Data[key] = secret.New(string(value))
			}

			return made, nil
		},
		ConfigMap: func(namespace, name string) (resolve.Object[string], error) {
			ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
			defer cancel()

			found, err := maps.get(ctx, types.NamespacedName{Namespace: namespace, Name: name})
			if err != nil {
				return resolve.Object[string]{}, lookupError(err)
			}

			return resolve.Object[string]{Labels: found.Labels, Data: found.Data}, nil
		},
	}
}

func lookupError(err error) error {
	switch {
	case apierrors.IsNotFound(err), errors.Is(err, resolve.ErrNotFound):
		return resolve.ErrNotFound
	case apierrors.IsForbidden(err):
		return resolve.ErrForbidden
	default:
		return resolve.ErrNotRead
	}
}

// named are the Secrets and ConfigMaps that a spec names, wherever in it, as refName has them.
func named(spec any) []string {
	var found []string

	walk(reflect.ValueOf(spec), func(one any) {
		switch one := one.(type) {
		case notificationv2beta2.Credential:
			if ref := one.Ref(); ref != nil {
				found = append(found, refName(resolve.KindSecret, ref.Namespace, ref.Name))
			}
		case notificationv2beta2.ConfigmapKeySelector:
			found = append(found, refName(resolve.KindConfigMap, one.Namespace, one.Name))
		}
	})

	slices.Sort(found)

	return slices.Compact(found)
}

// refName is what an object is found by that names another one. One without a namespace may mean any.
func refName(kind, namespace, name string) string { return kind + "/" + namespace + "/" + name }

// walk visits all structs in a value.
func walk(value reflect.Value, visit func(any)) {
	switch value.Kind() {
	case reflect.Pointer:
		if !value.IsNil() {
			walk(value.Elem(), visit)
		}
	case reflect.Slice:
		for i := range value.Len() {
			walk(value.Index(i), visit)
		}
	case reflect.Struct:
		visit(value.Interface())

		for i := range value.NumField() {
			if value.Type().Field(i).IsExported() {
				walk(value.Field(i), visit)
			}
		}
	default: // What names another object is a struct, and none is in a map.
	}
}
