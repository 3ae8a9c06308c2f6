// Package bare writes what a manager has written, without a manager: the same fields of the same objects, one
// server-side apply each. What the API server sustains of these is the rate that a manager is measured by.
package bare

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// pageSize is how many objects are asked for at once.
const pageSize = 500

// Intent is what one field manager owns of one object.
type Intent struct {
	Resource              schema.GroupVersionResource
	Namespace, Name       string
	Subresource           string // status, or empty for the object itself
	Owner                 string // the name of the field manager
	Body                  []byte // what to apply
	dependsOn, isOfStatus bool
}

// Record reads, of all objects of these resources, what field managers own whose names begin with prefix.
func Record(
	ctx context.Context, client dynamic.Interface, resources []schema.GroupVersionResource, prefix string,
) ([]Intent, error) {
	var intents []Intent

	for _, resource := range resources {
		err := eachOf(ctx, client.Resource(resource), func(object *unstructured.Unstructured) error {
			found, err := intentsOf(resource, object, prefix)
			intents = append(intents, found...)

			return err
		})
		if err != nil {
			return nil, err
		}
	}

	arrange(intents)

	return intents, nil
}

// eachOf does something with each object of a resource.
func eachOf(
	ctx context.Context, objects dynamic.ResourceInterface, do func(*unstructured.Unstructured) error,
) error {
	page := metav1.ListOptions{Limit: pageSize}

	for {
		list, err := objects.List(ctx, page)
		if err != nil {
			return err
		}

		for i := range list.Items {
			if err := do(&list.Items[i]); err != nil {
				return err
			}
		}

		page.Continue = list.GetContinue()
		if page.Continue == "" {
			return nil
		}
	}
}

// arrange puts what others depend on first: roles before their bindings, objects before their status. What is of the
// cluster comes before what is in namespaces, as with the manager: the API server goes through all ClusterRoleBindings
// to see what a writer may, so the same write costs more when they are there.
func arrange(intents []Intent) {
	slices.SortStableFunc(intents, func(a, b Intent) int {
		return cmp.Or(
			cmp.Compare(a.rank(), b.rank()),
			cmp.Compare(a.Namespace, b.Namespace),
			cmp.Compare(a.Resource.String(), b.Resource.String()),
			cmp.Compare(a.Name, b.Name),
		)
	})
}

// The rounds in which intents are applied.
const (
	rankCluster = iota
	rankClusterBindings
	rankNamespaced
	rankNamespacedBindings
	rankStatus
	ranks
)

// rank is the round in which it is applied.
func (i Intent) rank() int {
	switch {
	case i.isOfStatus:
		return rankStatus
	case i.Namespace == "" && !i.dependsOn:
		return rankCluster
	case i.Namespace == "":
		return rankClusterBindings
	case !i.dependsOn:
		return rankNamespaced
	default:
		return rankNamespacedBindings
	}
}

// intentsOf returns one intent for each field manager of the object.
func intentsOf(
	resource schema.GroupVersionResource, object *unstructured.Unstructured, prefix string,
) ([]Intent, error) {
	var intents []Intent

	for _, entry := range object.GetManagedFields() {
		if !strings.HasPrefix(entry.Manager, prefix) || entry.FieldsV1 == nil {
			continue
		}

		var owned map[string]any
		if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &owned); err != nil {
			return nil, fmt.Errorf("reading the fields of %s %s: %w", object.GetKind(), object.GetName(), err)
		}

		body, err := bodyOf(object, owned)
		if err != nil {
			return nil, err
		}

		intents = append(intents, Intent{
			Resource: resource, Namespace: object.GetNamespace(), Name: object.GetName(),
			Subresource: entry.Subresource, Owner: entry.Manager, Body: body,
			dependsOn:  strings.HasSuffix(resource.Resource, "bindings"),
			isOfStatus: entry.Subresource != "",
		})
	}

	return intents, nil
}

// bodyOf is the object with the fields that are owned, and its name.
func bodyOf(object *unstructured.Unstructured, owned map[string]any) ([]byte, error) {
	content, isObject := extract(object.Object, owned).(map[string]any)
	if !isObject {
		return nil, fmt.Errorf("the fields of %s %s are of no object", object.GetKind(), object.GetName())
	}

	body := &unstructured.Unstructured{Object: content}
	body.SetAPIVersion(object.GetAPIVersion())
	body.SetKind(object.GetKind())
	body.SetName(object.GetName())
	body.SetNamespace(object.GetNamespace())

	raw, err := body.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("writing the fields of %s %s: %w", object.GetKind(), object.GetName(), err)
	}

	return bytes.TrimSpace(raw), nil
}

// The first characters of the keys of managedFields, and the key that stands for the value itself.
const (
	fieldKey = "f:"
	valueKey = "v:"
	itemKey  = "k:"
	selfKey  = "."
)

// extract returns the part of a value that is owned, in the notation of managedFields.
func extract(value any, owned map[string]any) any {
	if len(owned) == 0 {
		return value
	}

	switch value := value.(type) {
	case map[string]any:
		return extractFields(value, owned)
	case []any:
		return extractItems(value, owned)
	default:
		return value
	}
}

func extractFields(value, owned map[string]any) map[string]any {
	part := map[string]any{}

	for key, inner := range owned {
		name, isField := strings.CutPrefix(key, fieldKey)

		field, isThere := value[name]
		if isField && isThere {
			part[name] = extract(field, asMap(inner))
		}
	}

	return part
}

func extractItems(value []any, owned map[string]any) []any {
	part := []any{}

	for _, item := range value {
		for key, inner := range owned {
			if key != selfKey && isItem(item, key) {
				part = append(part, extract(item, asMap(inner)))
			}
		}
	}

	return part
}

// isItem tells whether a key of managedFields means the item of a list.
func isItem(item any, key string) bool {
	if raw, isValue := strings.CutPrefix(key, valueKey); isValue {
		return sameJSON(item, raw)
	}

	raw, isKey := strings.CutPrefix(key, itemKey)
	fields, isObject := item.(map[string]any)

	if !isKey || !isObject {
		return false
	}

	var wanted map[string]json.RawMessage
	if json.Unmarshal([]byte(raw), &wanted) != nil {
		return false
	}

	for name, value := range wanted {
		if !sameJSON(fields[name], string(value)) {
			return false
		}
	}

	return true
}

func sameJSON(value any, raw string) bool {
	own, err := json.Marshal(value)

	return err == nil && string(own) == raw
}

func asMap(value any) map[string]any {
	content, _ := value.(map[string]any)

	return content
}
