package kube

import (
	"errors"
	"fmt"
	"maps"
	"reflect"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// toUnstructured returns intent as the JSON that would be sent. The copy is also
// what is sent, as the client writes the server's answer over what it is given.
// Without the status, which is not declared but reported, and without nulls,
// which declare nothing.
func toUnstructured(intent runtime.ApplyConfiguration) (*unstructured.Unstructured, error) {
	raw, err := json.Marshal(intent)
	if err != nil {
		return nil, fmt.Errorf("encoding %T: %w", intent, err)
	}

	var values map[string]any
	if err := json.Unmarshal(raw, &values); err != nil {
		return nil, fmt.Errorf("decoding %T: %w", intent, err)
	}

	delete(values, "status")

	return &unstructured.Unstructured{Object: dropNulls(values)}, nil
}

// content returns obj as JSON values.
func content(obj client.Object) (map[string]any, error) {
	if u, isUnstructured := obj.(*unstructured.Unstructured); isUnstructured {
		return u.Object, nil
	}

	values, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return nil, fmt.Errorf("converting %s: %w", describe(obj), err)
	}

	return values, nil
}

// normalized returns wanted as the Go type of its kind would show it, where there
// is one, so that it went through the same hands as what the server keeps. An
// intent that does not fit the type is returned as it is: the server shall judge.
func normalized(scheme *runtime.Scheme, wanted *unstructured.Unstructured, cached client.Object) map[string]any {
	typed, err := typedLike(scheme, cached)
	if err != nil {
		return wanted.Object
	}

	raw, err := json.Marshal(wanted.Object)
	if err != nil || json.Unmarshal(raw, typed) != nil {
		return wanted.Object
	}

	values, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return wanted.Object
	}

	return values
}

// typedLike returns an empty object of the Go type of cached; for an
// unstructured one, of the type that scheme has for its kind.
func typedLike(scheme *runtime.Scheme, cached client.Object) (runtime.Object, error) {
	if u, isUnstructured := cached.(*unstructured.Unstructured); isUnstructured {
		typed, err := scheme.New(u.GroupVersionKind())
		if err != nil {
			return nil, fmt.Errorf("looking up the Go type: %w", err)
		}

		return typed, nil
	}

	typed, isObject := reflect.TypeAssert[runtime.Object](reflect.New(reflect.TypeOf(cached).Elem()))
	if !isObject {
		return nil, fmt.Errorf("%w: %T", errNoObject, cached)
	}

	return typed, nil
}

var errNoObject = errors.New("not the type of an object")

// withoutIdentity returns the content of an intent less what the server keeps no
// owner of.
func withoutIdentity(intent map[string]any) map[string]any {
	kept := maps.Clone(intent)
	delete(kept, "apiVersion")
	delete(kept, "kind")

	metadata, isObject := intent["metadata"].(map[string]any)
	if !isObject {
		return kept
	}

	metadata = maps.Clone(metadata)
	for _, field := range []string{
		"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink",
	} {
		delete(metadata, field)
	}

	kept["metadata"] = metadata
	if len(metadata) == 0 {
		delete(kept, "metadata")
	}

	return kept
}

// includes tells whether all that part says is so in whole. Lists are compared
// whole, maps key by key.
func includes(whole, part any) bool {
	wanted, isObject := part.(map[string]any)
	if !isObject {
		return part == nil || apiequality.Semantic.DeepEqual(whole, part)
	}

	current, isObject := whole.(map[string]any)
	if !isObject {
		return len(wanted) == 0
	}

	for key, value := range wanted {
		if !isZero(value) && !includes(current[key], value) {
			return false
		}
	}

	return true
}
