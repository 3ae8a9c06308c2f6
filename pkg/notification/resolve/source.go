package resolve

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

// Object is a Secret or a ConfigMap as far as it is used.
type Object[V any] struct {
	// Labels are its labels, which say whose it is.
	Labels map[string]string
	// Data are its texts, by key.
	Data map[string]V
}

// Sources are where Secrets and ConfigMaps are looked up. Each is looked up once for each Receiver that is resolved.
type Sources struct {
	// Secret and ConfigMap give an object, or one of the errors below, wrapped or not. Any other error counts as
	// ErrNotRead.
	Secret    func(namespace, name string) (Object[secret.String], error)
	ConfigMap func(namespace, name string) (Object[string], error)
}

// Why an object cannot be had.
var (
	// ErrNotFound is an object that does not exist.
	ErrNotFound = errors.New("it does not exist")
	// ErrForbidden is an object that the process may not read.
	ErrForbidden = errors.New("it may not be read")
	// ErrNotRead is an object that has not been read yet.
	ErrNotRead = errors.New("it has not been read yet")
)

// Reference is something that a Result depends on.
type Reference struct {
	// Kind is KindSecret, KindConfigMap, KindConfig or KindConfigsOf.
	Kind string
	// Namespace is that of a Secret or ConfigMap.
	Namespace string
	// Name is the object's name; with KindConfigsOf the tenant's, or empty.
	Name string
}

// String is how a reference is shown.
func (r Reference) String() string {
	if r.Namespace == "" {
		return strings.TrimSpace(r.Kind + " " + r.Name)
	}

	return r.Kind + " " + r.Namespace + "/" + r.Name
}

func compareReferences(a, b Reference) int {
	return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Namespace, b.Namespace),
		strings.Compare(a.Name, b.Name))
}

// lookups remembers what was looked up for one Receiver, so that all of it sees one version of each object.
type lookups struct {
	sources    Sources
	secrets    map[Reference]looked[secret.String]
	configMaps map[Reference]looked[string]
	used       map[Reference]struct{}
}

type looked[V any] struct {
	object Object[V]
	err    error
}

func newLookups(sources Sources) *lookups {
	return &lookups{
		sources:    sources,
		secrets:    map[Reference]looked[secret.String]{},
		configMaps: map[Reference]looked[string]{},
		used:       map[Reference]struct{}{},
	}
}

func (l *lookups) secret(namespace, name string) (Object[secret.String], error) {
	return once(l, l.secrets, Reference{KindSecret, namespace, name}, l.sources.Secret)
}

func (l *lookups) configMap(namespace, name string) (Object[string], error) {
	return once(l, l.configMaps, Reference{KindConfigMap, namespace, name}, l.sources.ConfigMap)
}

func once[V any](
	l *lookups, known map[Reference]looked[V], of Reference, get func(namespace, name string) (Object[V], error),
) (Object[V], error) {
	found, again := known[of]
	if again {
		return found.object, found.err
	}

	if get == nil {
		found.err = ErrNotRead
	} else {
		found.object, found.err = get(of.Namespace, of.Name)
	}

	known[of] = found
	l.use(of)

	return found.object, found.err
}

func (l *lookups) use(one Reference) {
	l.used[one] = struct{}{}
}

func (l *lookups) references() []Reference {
	return slices.SortedFunc(maps.Keys(l.used), compareReferences)
}
