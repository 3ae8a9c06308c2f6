package stores

import (
	"fmt"
	"maps"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
)

// Digests knows what was computed of each object of a kind.
type Digests interface {
	// Version returns the digest of an object, and whether there is one.
	Version(key types.NamespacedName) (string, bool)

	// InNamespace returns the digests of the objects in a namespace by their names. Objects of the cluster are
	// in the namespace "".
	InNamespace(namespace string) map[string]string
}

// Versions knows every object of a kind by its key and one short string, its
// resourceVersion or a digest, and nothing else of it.
type Versions struct {
	value func(metav1.Object) string

	mutex sync.RWMutex
	// versions by namespace and name: the objects of a namespace share its string.
	versions map[string]map[string]string
	count    int
	handlers map[*versionHandler]struct{}

	synced   chan struct{}
	syncOnce sync.Once
}

// versionHandler is told of each change. An empty version stands for no object.
type versionHandler struct {
	changed func(key types.NamespacedName, before, after string, initial bool)
}

// Versions is what a reflector fills.
var (
	_ toolscache.TransformingStore = &Versions{}
	_ Digests                      = &Versions{}
)

func newVersions(value func(metav1.Object) string) *Versions {
	return &Versions{
		value:    value,
		versions: map[string]map[string]string{},
		handlers: map[*versionHandler]struct{}{},
		synced:   make(chan struct{}),
	}
}

// Version returns the resourceVersion or digest of an object, and whether it exists.
func (v *Versions) Version(key types.NamespacedName) (string, bool) {
	v.mutex.RLock()
	defer v.mutex.RUnlock()

	version, found := v.versions[key.Namespace][key.Name]

	return version, found
}

// InNamespace implements Digests.
func (v *Versions) InNamespace(namespace string) map[string]string {
	v.mutex.RLock()
	defer v.mutex.RUnlock()

	return maps.Clone(v.versions[namespace])
}

// Len returns the number of objects.
func (v *Versions) Len() int {
	v.mutex.RLock()
	defer v.mutex.RUnlock()

	return v.count
}

// subscribe tells a handler of what is there and of every change from now on. It
// must not block. The returned function ends that.
func (v *Versions) subscribe(handler *versionHandler) func() {
	v.mutex.Lock()
	defer v.mutex.Unlock()

	for namespace, names := range v.versions {
		for name, version := range names {
			handler.changed(types.NamespacedName{Namespace: namespace, Name: name}, "", version, true)
		}
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
	before := v.versions[key.Namespace][key.Name]
	if before == version {
		return
	}

	if version == "" {
		v.removeLocked(key)
	} else {
		v.putLocked(key, version, before == "")
	}

	initial := !v.isSynced()
	for handler := range v.handlers {
		handler.changed(key, before, version, initial)
	}
}

func (v *Versions) removeLocked(key types.NamespacedName) {
	names := v.versions[key.Namespace]
	delete(names, key.Name)

	if len(names) == 0 {
		delete(v.versions, key.Namespace)
	}

	v.count--
}

// putLocked holds on to nothing of the answer that the strings came from.
func (v *Versions) putLocked(key types.NamespacedName, version string, isNew bool) {
	names, known := v.versions[key.Namespace]
	if !known {
		names = map[string]string{}
		v.versions[strings.Clone(key.Namespace)] = names
	}

	name := key.Name
	if isNew {
		name = strings.Clone(name)
		v.count++
	}

	names[name] = strings.Clone(version)
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
	key, version, err := v.keyAndVersion(obj)
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
		key, version, err := v.keyAndVersion(obj)
		if err != nil {
			return err
		}

		present[key] = version
	}

	v.mutex.Lock()
	defer v.mutex.Unlock()

	for _, key := range v.keysLocked() {
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

func (v *Versions) keysLocked() []types.NamespacedName {
	keys := make([]types.NamespacedName, 0, v.count)

	for namespace, names := range v.versions {
		for name := range names {
			keys = append(keys, types.NamespacedName{Namespace: namespace, Name: name})
		}
	}

	return keys
}

// Resync implements cache.ReflectorStore. There is nothing to do again.
func (*Versions) Resync() error { return nil }

// Transformer implements cache.TransformingStore.
func (v *Versions) Transformer() toolscache.TransformFunc { return v.transformer() }

func (v *Versions) keyAndVersion(obj any) (types.NamespacedName, string, error) {
	if tombstone, isTombstone := obj.(toolscache.DeletedFinalStateUnknown); isTombstone {
		obj = tombstone.Obj
	}

	object, err := meta.Accessor(obj)
	if err != nil {
		return types.NamespacedName{}, "", fmt.Errorf("follow the version of a %T: %w", obj, err)
	}

	key := types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}

	if kept, isNoted := obj.(*noted); isNoted {
		return key, kept.value, nil
	}

	return key, v.value(object), nil
}
