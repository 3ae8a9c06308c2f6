package stores

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

// Spec says what a store keeps in memory.
type Spec struct {
	// Kind is the kind as the API server serves it.
	Kind schema.GroupVersionKind

	// Resource is its name in URLs and roles, in plural.
	Resource string

	// Depth says how much of each object is kept.
	Depth Depth

	// Trim drops what nobody reads of each object, beyond what Depth drops.
	Trim Trim

	// Digest says what Depth Digest keeps of each object.
	Digest Digest

	// Labels restricts the store to the objects it selects. Nil: all.
	Labels labels.Selector

	// Namespace restricts the store to one namespace. Empty: all.
	Namespace string

	// Name restricts the store to the object of this name. Empty: all.
	Name string
}

// Depth says how much of an object is kept.
type Depth string

const (
	// Full keeps the object. Of managedFields it keeps only this manager's own
	// entries.
	Full Depth = "full"

	// Slim keeps the object in its type, without what Trim drops.
	Slim Depth = "slim"

	// MetadataOnly keeps the object's metadata, for kinds of which only identity and
	// labels count.
	MetadataOnly Depth = "metadata"

	// VersionOnly keeps the object's key and resourceVersion, for kinds of which a
	// few are read, live: foreign Secrets and ConfigMaps.
	VersionOnly Depth = "version"

	// Digested keeps the object's key and a short string computed from the whole of it, for
	// kinds of which there are many and of which only one question is asked: is it as it
	// should be?
	Digested Depth = "digest"
)

// Trim is a function that drops fields of an object that nobody reads. Stores with
// the same name of it are shared, so a name must stand for one function only.
type Trim struct {
	Name string
	Do   func(client.Object)
}

// Digest computes what is kept of an object. Stores with the same name of it are
// shared, so a name must stand for one function only.
type Digest struct {
	Name string

	// Metadata says that Of looks at the metadata alone: nothing else is asked for then.
	Metadata bool

	// Of returns a short string that tells apart what its users need to tell apart. Of
	// an object for which it is empty nothing is kept. It holds on to nothing of the
	// object.
	Of func(client.Object) string
}

// Presence is the digest of those who only ask which objects there are.
func Presence() Digest {
	return Digest{Name: "presence", Metadata: true, Of: func(client.Object) string { return "1" }}
}

// key tells stores apart: what has the same key is the same store.
func (s Spec) key() string {
	return strings.Join([]string{
		s.Kind.String(), string(s.Depth), s.Trim.Name, s.Digest.Name, s.LabelString(), s.Namespace, s.Name,
	}, "|")
}

// LabelString returns the selection by labels as people write it; empty means all.
func (s Spec) LabelString() string {
	if s.Labels == nil {
		return ""
	}

	return s.Labels.String()
}

// GroupResource returns the resource with its group.
func (s Spec) GroupResource() schema.GroupResource {
	return schema.GroupResource{Group: s.Kind.Group, Resource: s.Resource}
}

// Validate says what makes the spec unusable.
func (s Spec) Validate() error {
	switch {
	case s.Kind.Empty() || s.Resource == "":
		return errors.New("it names no kind or no resource")
	case !slices.Contains([]Depth{Full, Slim, MetadataOnly, VersionOnly, Digested}, s.Depth):
		return fmt.Errorf("unknown depth %q", s.Depth)
	case s.Depth == Slim && s.Trim.Do == nil:
		return errors.New("depth slim takes a Trim that says what to drop")
	case (s.Depth == Full || s.isFollowed()) && s.Trim.Do != nil:
		return fmt.Errorf("depth %s takes no Trim", s.Depth)
	case (s.Trim.Do == nil) != (s.Trim.Name == ""):
		return errors.New("a Trim has a name and a function")
	case (s.Depth == Digested) != (s.Digest.Of != nil && s.Digest.Name != ""):
		return errors.New("depth digest, and no other, takes a Digest with a name and a function")
	}

	return nil
}

// isFollowed tells whether next to nothing of each object is kept.
func (s Spec) isFollowed() bool { return s.Depth == VersionOnly || s.Depth == Digested }

// asMetadata tells whether the kept objects are asked for as metadata.
func (s Spec) asMetadata() bool { return s.Depth == MetadataOnly || s.isFollowed() }

// object returns an empty object that stands for the store.
func (s Spec) object(scheme *runtime.Scheme) (client.Object, error) {
	if s.asMetadata() {
		return metadataOf(s.Kind), nil
	}

	created, err := scheme.New(s.Kind)
	if err != nil {
		return nil, fmt.Errorf("make an empty %s: %w", s.Kind, err)
	}

	object, isObject := created.(client.Object)
	if !isObject {
		return nil, fmt.Errorf("make an empty %s: it has no metadata", s.Kind)
	}

	return object, nil
}

func metadataOf(kind schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(kind)

	return object
}

// fieldSelector selects by namespace and name where the spec restricts them.
func (s Spec) fieldSelector() fields.Selector {
	var terms []fields.Selector
	if s.Namespace != "" {
		// controller-runtime takes this as the namespace to list and watch in.
		terms = append(terms, fields.OneTermEqualSelector("metadata.namespace", s.Namespace))
	}

	if s.Name != "" {
		terms = append(terms, fields.OneTermEqualSelector(metav1.ObjectNameField, s.Name))
	}

	if len(terms) == 0 {
		return nil
	}

	return fields.AndSelectors(terms...)
}

// transform is what each object goes through before it is kept. An object that the
// Trim cannot handle is kept whole: a panic here would end the process.
func (s Spec) transform(onPanic func(where string, cause any)) toolscache.TransformFunc {
	standard := kube.TransformOwned()
	if s.Depth == MetadataOnly {
		standard = kube.TransformMetadata()
	}

	if s.Trim.Do == nil {
		return standard
	}

	return func(obj any) (any, error) {
		kept, err := standard(obj)
		if object, isObject := kept.(client.Object); isObject && err == nil {
			contain("trim "+s.Trim.Name, onPanic, func() { s.Trim.Do(object) })
		}

		return kept, err
	}
}
