package harness

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

// Fake returns a backend in memory: controller-runtime's fake client, of which
// every object is stored as the JSON it was sent as, with what that client
// leaves out. There are UIDs, which deletions are held to, a generation that
// counts changes of the spec (of StatusKinds), and field owners.
//
// Server-side apply follows the real schema for built-in kinds. For others it
// asks the converters given, and falls back on a schema deduced from the object:
// there, every list is atomic, also finalizers and ownerReferences, so whoever
// applies one owns all of it. A reconciler that shares such a list with others
// must be tried on a live server too, or be given a converter.
//
// What it has not: validation, defaults, admission, the life of namespaces, and
// a server's sense for writes that change nothing, each of which makes a new
// resourceVersion here.
func Fake(converters ...managedfields.TypeConverter) Backend {
	return fakeBackend{converters: converters}
}

type fakeBackend struct {
	converters []managedfields.TypeConverter
}

// Open implements Backend: each trial has a server of its own.
func (b fakeBackend) Open(_ context.Context, s Subject) (client.WithWatch, error) {
	converter, err := newConverter(b.converters)
	if err != nil {
		return nil, err
	}

	statusKinds := map[schema.GroupVersionKind]bool{}

	for _, obj := range s.StatusKinds {
		gvk, err := apiutil.GVKForObject(obj, s.Scheme)
		if err != nil {
			return nil, fmt.Errorf("finding the kind of a %T: %w", obj, err)
		}

		statusKinds[gvk] = true
	}

	return withIndexes(&fakeServer{
		scheme:      s.Scheme,
		converter:   converter,
		statusKinds: statusKinds,
		stores:      map[schema.GroupVersionKind]client.WithWatch{},
	}, s), nil
}

// newStore returns a fake client for a single kind. Its scheme knows no Go type
// for it, so it stores JSON; and no other kind, as it would mix them up.
func newStore(gvk schema.GroupVersionKind, converter converter, status bool) client.WithWatch {
	builder := fake.NewClientBuilder().
		WithScheme(runtime.NewScheme()).
		WithTypeConverters(converter).
		WithReturnManagedFields()

	if status {
		builder = builder.WithStatusSubresource(emptyOf(gvk))
	}

	return builder.Build()
}

// Wipe implements Backend: the server goes with the trial.
func (fakeBackend) Wipe(context.Context, client.Client, []Ref) error {
	return nil
}

// converter tells the fake client how to merge objects of a kind: by the schema
// of Kubernetes if it is one of its own, else as the others say, in order.
type converter struct {
	builtIn *runtime.Scheme
	schema  managedfields.TypeConverter
	others  []managedfields.TypeConverter
}

func newConverter(others []managedfields.TypeConverter) (converter, error) {
	builtIn := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(builtIn); err != nil {
		return converter{}, fmt.Errorf("building the scheme of built-in kinds: %w", err)
	}

	return converter{
		builtIn: builtIn,
		schema:  applyconfigurations.NewTypeConverter(builtIn),
		others:  append(slices.Clip(others), managedfields.NewDeducedTypeConverter()),
	}, nil
}

// ObjectToTyped implements managedfields.TypeConverter. The fake client puts a
// null status into whatever is applied for the first time, which some kinds do
// not have: it goes.
func (c converter) ObjectToTyped(
	obj runtime.Object, opts ...typed.ValidationOptions,
) (*typed.TypedValue, error) {
	if u, isUnstructured := obj.(runtime.Unstructured); isUnstructured {
		values := u.UnstructuredContent()
		if status, present := values["status"]; present && status == nil {
			delete(values, "status")
		}
	}

	if c.builtIn.Recognizes(obj.GetObjectKind().GroupVersionKind()) {
		return c.schema.ObjectToTyped(obj, opts...) //nolint:wrapcheck // A converter in the place of another.
	}

	var (
		value *typed.TypedValue
		err   error
	)

	for _, other := range c.others {
		if value, err = other.ObjectToTyped(obj, opts...); err == nil {
			return value, nil
		}
	}

	return nil, err //nolint:wrapcheck // A converter in the place of another.
}

// TypedToObject implements managedfields.TypeConverter: all objects are JSON.
func (c converter) TypedToObject(value *typed.TypedValue) (runtime.Object, error) {
	return c.others[len(c.others)-1].TypedToObject(value) //nolint:wrapcheck // As above.
}
