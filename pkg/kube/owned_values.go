package kube

import (
	"strconv"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/json"
)

// findItem returns the index of the list item that a name of the record means,
// -1 for none.
func findItem(list []any, name string) int {
	kind, rest, _ := strings.Cut(name, ":")

	switch kind {
	case "k":
		return findByKeys(list, rest)
	case "v":
		return findByValue(list, rest)
	case "i":
		if i, err := strconv.Atoi(rest); err == nil && i >= 0 && i < len(list) {
			return i
		}
	}

	return -1
}

// findByKeys prefers the item that has all key fields. An intent may leave one
// to its default, as the protocol of a port: the server records the default, so
// an item that lacks the field and contradicts no other is meant.
func findByKeys(list []any, rest string) int {
	var keys map[string]any
	if err := json.Unmarshal([]byte(rest), &keys); err != nil {
		return -1
	}

	loose := -1

	for i, item := range list {
		matched, contradicted := matchKeys(item, keys)
		if contradicted {
			continue
		}

		if matched == len(keys) {
			return i
		}

		if matched > 0 && loose < 0 {
			loose = i
		}
	}

	return loose
}

func matchKeys(item any, keys map[string]any) (int, bool) {
	object, isObject := item.(map[string]any)
	if !isObject {
		return 0, true
	}

	matched := 0

	for key, value := range keys {
		actual, present := object[key]
		if !present {
			continue
		}

		if !apiequality.Semantic.DeepEqual(actual, value) {
			return 0, true
		}

		matched++
	}

	return matched, false
}

func findByValue(list []any, rest string) int {
	var value any
	if err := json.Unmarshal([]byte(rest), &value); err != nil {
		return -1
	}

	for i, item := range list {
		if apiequality.Semantic.DeepEqual(item, value) {
			return i
		}
	}

	return -1
}

// isZero tells whether a JSON value says no more than its absence would to a
// type that omits zero values.
func isZero(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case int64:
		return v == 0
	case float64:
		return v == 0
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	default:
		return false
	}
}

// withoutNulls returns value without the map entries that are null. It copies
// what it changes, as value may belong to a cache.
func withoutNulls(value any) any {
	switch v := value.(type) {
	case map[string]any:
		return dropNulls(v)
	case []any:
		kept := make([]any, len(v))
		for i, inner := range v {
			kept[i] = withoutNulls(inner)
		}

		return kept
	default:
		return value
	}
}

func dropNulls(values map[string]any) map[string]any {
	kept := make(map[string]any, len(values))

	for key, inner := range values {
		if inner != nil {
			kept[key] = withoutNulls(inner)
		}
	}

	return kept
}
