package stores

import (
	"fmt"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
)

// Versions knows every object of a kind by key and resourceVersion, and nothing
// else of it.
type Versions struct {
	mutex    sync.RWMutex
	versions map[types.NamespacedName]string
	// namespaces holds each namespace once: the keys of a namespace share its string.
	namespaces map[string]string
	handlers   map[*versionHandler]struct{}

	synced   chan struct{}
	syncOnce sync.Once
}

// versionHandler is told of each change. An empty version stands for no object.
type versionHandler struct {
	changed func(key types.NamespacedName, before, after string, initial bool)
}

// Versions is what a reflector fills.
var _ toolscache.TransformingStore = &Versions{}

func newVersions() *Versions {
	return &Versions{
		versions:   map[types.NamespacedName]string{},
		namespaces: map[string]string{},
		handlers:   map[*versionHandler]struct{}{},
		synced:     make(chan struct{}),
	}
}

// Version returns the resourceVersion of an object, and whether it exists.
func (v *Versions) Version(key types.NamespacedName) (string, bool) {
	v.mutex.RLock()
	defer v.mutex.RUnlock()

	version, found := v.versions[key]

	return version, found
}

// Len returns the number of objects.
func (v *Versions) Len() int {
	v.mutex.RLock()
	defer v.mutex.RUnlock()

	return len(v.versions)
}

// subscribe tells a handler of what is there and of every change from now on. It
// must not block. The returned function ends that.
func (v *Versions) subscribe(handler *versionHandler) func() {
	v.mutex.Lock()
	defer v.mutex.Unlock()

	for key, version := range v.versions {
		handler.changed(key, "", version, true)
	}

	v.handlers[handler] = struct{}{}

	return func() {
		v.mutex.Lock()
		defer v.mutex.Unlock()

		delete(v.handlers, handler)
	}
}

// set notes the version of an object; an empty one means that it is gone.
func (v *Versions) setLocked(key types.NamespacedName, version string) {
	before := v.versions[key]
	if before == version {
		return
	}

	if version == "" {
		delete(v.versions, key)
	} else {
		v.versions[v.internLocked(key)] = version
	}

	initial := !v.isSynced()
	for handler := range v.handlers {
		handler.changed(key, before, version, initial)
	}
}

// internLocked returns a key that shares its namespace with the others, and holds
// on to nothing of the answer it came from.
func (v *Versions) internLocked(key types.NamespacedName) types.NamespacedName {
	namespace, known := v.namespaces[key.Namespace]
	if !known {
		namespace = strings.Clone(key.Namespace)
		v.namespaces[namespace] = namespace
	}

	return types.NamespacedName{Namespace: namespace, Name: strings.Clone(key.Name)}
}

func (v *Versions) isSynced() bool {
	select {
	case <-v.synced:
		return true
	default:
		return false
	}
}

// Add implements cache.ReflectorStore.
func (v *Versions) Add(obj any) error { return v.note(obj, false) }

// Update implements cache.ReflectorStore.
func (v *Versions) Update(obj any) error { return v.note(obj, false) }

// Delete implements cache.ReflectorStore.
func (v *Versions) Delete(obj any) error { return v.note(obj, true) }

func (v *Versions) note(obj any, gone bool) error {
	key, version, err := keyAndVersion(obj)
	if err != nil {
		return err
	}

	if gone {
		version = ""
	}

	v.mutex.Lock()
	defer v.mutex.Unlock()

	v.setLocked(key, version)

	return nil
}

// Replace implements cache.ReflectorStore: the list is all there is.
func (v *Versions) Replace(list []any, _ string) error {
	present := make(map[types.NamespacedName]string, len(list))

	for _, obj := range list {
		key, version, err := keyAndVersion(obj)
		if err != nil {
			return err
		}

		present[key] = version
	}

	v.mutex.Lock()
	defer v.mutex.Unlock()

	for key := range v.versions {
		if _, stays := present[key]; !stays {
			v.setLocked(key, "")
		}
	}

	for key, version := range present {
		v.setLocked(key, version)
	}

	v.syncOnce.Do(func() { close(v.synced) })

	return nil
}

// Resync implements cache.ReflectorStore. There is nothing to do again.
func (*Versions) Resync() error { return nil }

// Transformer implements cache.TransformingStore: what a reflector collects before
// the first Replace is as small as what is kept.
func (*Versions) Transformer() toolscache.TransformFunc {
	return func(obj any) (any, error) {
		object, err := meta.Accessor(obj)
		if err != nil {
			return obj, nil //nolint:nilerr // a tombstone, which has nothing to drop
		}

		slim := &metav1.PartialObjectMetadata{}
		slim.SetNamespace(object.GetNamespace())
		slim.SetName(object.GetName())
		slim.SetResourceVersion(object.GetResourceVersion())

		return slim, nil
	}
}

func keyAndVersion(obj any) (types.NamespacedName, string, error) {
	if tombstone, isTombstone := obj.(toolscache.DeletedFinalStateUnknown); isTombstone {
		obj = tombstone.Obj
	}

	object, err := meta.Accessor(obj)
	if err != nil {
		return types.NamespacedName{}, "", fmt.Errorf("follow the version of a %T: %w", obj, err)
	}

	key := types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}

	return key, strings.Clone(object.GetResourceVersion()), nil
}
