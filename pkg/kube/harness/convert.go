package harness

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// toUnstructured returns a copy of obj that knows its kind.
func toUnstructured(scheme *runtime.Scheme, obj client.Object) (*unstructured.Unstructured, error) {
	gvk, err := apiutil.GVKForObject(obj, scheme)
	if err != nil {
		return nil, fmt.Errorf("finding the kind of a %T: %w", obj, err)
	}

	values, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return nil, fmt.Errorf("converting a %T: %w", obj, err)
	}

	u := &unstructured.Unstructured{Object: values}
	u.SetGroupVersionKind(gvk)

	return u, nil
}

// intoObject writes u over obj. Typed objects come without a kind, as they do
// from a cache.
func intoObject(u *unstructured.Unstructured, obj client.Object) error {
	if into, isUnstructured := obj.(*unstructured.Unstructured); isUnstructured {
		u.DeepCopyInto(into)

		return nil
	}

	reflect.ValueOf(obj).Elem().SetZero()

	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, obj); err != nil {
		return fmt.Errorf("converting a %s into a %T: %w", u.GetKind(), obj, err)
	}

	if _, isPartial := obj.(*metav1.PartialObjectMetadata); !isPartial {
		obj.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	}

	return nil
}

// intentOf returns the object an apply configuration declares.
func intentOf(intent runtime.ApplyConfiguration) (*unstructured.Unstructured, error) {
	raw, err := json.Marshal(intent)
	if err != nil {
		return nil, fmt.Errorf("encoding a %T: %w", intent, err)
	}

	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(raw); err != nil {
		return nil, fmt.Errorf("decoding a %T: %w", intent, err)
	}

	return u, nil
}

// itemKind returns the kind of the items of a list.
func itemKind(scheme *runtime.Scheme, list client.ObjectList) (schema.GroupVersionKind, error) {
	gvk, err := apiutil.GVKForObject(list, scheme)
	if err != nil {
		return gvk, fmt.Errorf("finding the kind of a %T: %w", list, err)
	}

	const suffix = "List"
	if n := len(gvk.Kind) - len(suffix); n > 0 && gvk.Kind[n:] == suffix {
		gvk.Kind = gvk.Kind[:n]
	}

	return gvk, nil
}

// newItem returns an empty item for a list.
func newItem(scheme *runtime.Scheme, list client.ObjectList, gvk schema.GroupVersionKind) (client.Object, error) {
	switch list.(type) {
	case *unstructured.UnstructuredList:
		return emptyOf(gvk), nil
	case *metav1.PartialObjectMetadataList:
		return &metav1.PartialObjectMetadata{}, nil
	}

	item, err := scheme.New(gvk)
	if err != nil {
		return nil, fmt.Errorf("making a %s: %w", gvk.Kind, err)
	}

	obj, isObject := item.(client.Object)
	if !isObject {
		return nil, fmt.Errorf("making a %s: %w: %T", gvk.Kind, errNoObject, item)
	}

	return obj, nil
}

var errNoObject = errors.New("not an API object")

// emptyOf returns an empty object of a kind.
func emptyOf(gvk schema.GroupVersionKind) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(gvk)

	return u
}

// emptyListOf returns an empty list of objects of a kind.
func emptyListOf(gvk schema.GroupVersionKind) *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))

	return list
}

// intoList writes items over list.
func intoList(scheme *runtime.Scheme, items []unstructured.Unstructured, list client.ObjectList) error {
	gvk, err := itemKind(scheme, list)
	if err != nil {
		return err
	}

	objects := make([]runtime.Object, 0, len(items))

	for i := range items {
		obj, err := newItem(scheme, list, gvk)
		if err != nil {
			return err
		}

		if err := intoObject(&items[i], obj); err != nil {
			return err
		}

		objects = append(objects, obj)
	}

	if err := meta.SetList(list, objects); err != nil {
		return fmt.Errorf("filling a %T: %w", list, err)
	}

	return nil
}
