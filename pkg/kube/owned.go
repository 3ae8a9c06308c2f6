package kube

import (
	"fmt"
	"slices"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fields is the server's record of what a manager owns, as a tree. A name is
// "f:" and a field or map key, "k:" and the key fields of a list item, "v:" and
// an item of a set, "i:" and an index, or "." for the thing itself. What has
// nothing below it but "." is a leaf, and owned whole, however large.
type fields map[string]fields

// itself stands in a tree for the existence of what it is found in.
const itself = "."

// ownedFields returns what manager owns of obj through server-side apply,
// which may be nothing. The status does not count, nor does what was applied to a
// subresource: they are written, and compared, elsewhere.
func ownedFields(obj client.Object, manager string) (fields, error) {
	for _, entry := range obj.GetManagedFields() {
		if !isApplied(entry) || entry.Manager != manager || entry.FieldsV1 == nil {
			continue
		}

		owned, err := parseFields(entry.FieldsV1.GetRawBytes())
		delete(owned, "f:status")

		return owned, err
	}

	return fields{}, nil
}

// isApplied tells whether entry records a server-side apply to the object proper.
func isApplied(entry metav1.ManagedFieldsEntry) bool {
	return entry.Operation == metav1.ManagedFieldsOperationApply && entry.Subresource == ""
}

func parseFields(raw []byte) (fields, error) {
	var parsed fields
	if err := json.Unmarshal(raw, &parsed); err != nil {
		return nil, fmt.Errorf("decoding the record of owned fields: %w", err)
	}

	return parsed, nil
}

func (f fields) leaf() bool {
	_, self := f[itself]

	return len(f) == 0 || len(f) == 1 && self
}

// names returns what is below f, sorted, so that answers do not vary.
func (f fields) names() []string {
	names := make([]string, 0, len(f))
	for name := range f {
		if name != itself {
			names = append(names, name)
		}
	}

	slices.Sort(names)

	return names
}

// view is one place of an object, seen four ways.
type view struct {
	// owned is the server's record of what is ours here.
	owned fields
	// intent is what we want here, as it would be sent.
	intent any
	// normal is intent as the cached type would show it: a quantity in its
	// canonical form, an omitted zero omitted.
	normal any
	// cached is what is there.
	cached any
}

// difference returns where the cached object does not show the intent, as a
// path for the log, and whether there is such a place. There is one when
//
//   - a value we own is not the one we want,
//   - we want a field that is not ours, be it new or taken from us,
//   - we own a field that we no longer want.
//
// Fields of others are never looked at. Without a schema some cases cannot be
// told apart; they are then different, as a write too many is harmless.
func (v view) difference() (string, bool) {
	if v.owned.leaf() {
		return "", !v.sameLeaf()
	}

	switch intent := v.intent.(type) {
	case map[string]any:
		return v.mapDifference(intent)
	case []any:
		return v.listDifference(intent)
	default:
		return "", true // We own the inside of what is to be a plain value.
	}
}

// sameLeaf compares values that are owned whole. Empty is as good as absent
// where the intent itself is empty, for typed objects show either as absent.
//
// What stands in a map that we declare empty, and still own, belongs to others:
// had they replaced the map as a whole, the server would have taken it from us.
func (v view) sameLeaf() bool {
	cached := withoutNulls(v.cached)
	if declaresEmpty(v.intent, cached) {
		return true
	}

	if isZero(v.intent) && isZero(cached) || apiequality.Semantic.DeepEqual(v.intent, cached) {
		return true
	}

	normal := withoutNulls(v.normal)
	if normal == nil && !isZero(v.intent) {
		return false // The cached type cannot show this field at all.
	}

	return apiequality.Semantic.DeepEqual(normal, cached)
}

// declaresEmpty tells whether an empty map is wanted and a map is there.
func declaresEmpty(intent, cached any) bool {
	wanted, isMap := intent.(map[string]any)
	_, shown := cached.(map[string]any)

	return isMap && shown && len(wanted) == 0
}

func (v view) mapDifference(intent map[string]any) (string, bool) {
	normal, _ := v.normal.(map[string]any)
	cached, _ := v.cached.(map[string]any)

	for _, name := range v.owned.names() {
		key, isField := strings.CutPrefix(name, "f:")

		wanted, present := intent[key]
		if !isField || !present {
			return "." + name, true
		}

		below := view{v.owned[name], wanted, normal[key], cached[key]}
		if path, differs := below.difference(); differs {
			return "." + key + path, true
		}
	}

	for _, key := range sortedKeys(intent) {
		if _, ours := v.owned["f:"+key]; !ours && !untracked(intent[key], cached[key]) {
			return "." + key, true
		}
	}

	return "", false
}

// untracked tells whether the record may lack a wanted value although it was
// applied: the empty list, for which the server records no owner where items are
// tracked one by one, or a map of nothing else.
func untracked(intent, cached any) bool {
	switch wanted := intent.(type) {
	case []any:
		return len(wanted) == 0 && isZero(cached)
	case map[string]any:
		inside, _ := cached.(map[string]any)
		for key, value := range wanted {
			if !untracked(value, inside[key]) {
				return false
			}
		}

		return len(wanted) > 0
	default:
		return false
	}
}

func (v view) listDifference(intent []any) (string, bool) {
	normal, _ := v.normal.([]any)
	cached, _ := v.cached.([]any)
	places := make(map[int]int, len(intent)) // From the place in intent to that in cached.

	for _, name := range v.owned.names() {
		wanted, actual := findItem(intent, name), findItem(cached, name)
		if wanted < 0 || actual < 0 {
			return "[" + name + "]", true
		}

		places[wanted] = actual

		below := view{v.owned[name], intent[wanted], itemAt(normal, wanted), cached[actual]}
		if path, differs := below.difference(); differs {
			return "[" + name + "]" + path, true
		}
	}

	return "", len(places) != len(intent) || !inOrder(places)
}

// inOrder tells whether our items stand in the order in which we want them,
// which matters for the likes of init containers. Items of others may stand
// between.
func inOrder(places map[int]int) bool {
	last := -1

	for wanted := range len(places) {
		if places[wanted] <= last {
			return false
		}

		last = places[wanted]
	}

	return true
}

func itemAt(list []any, i int) any {
	if i >= len(list) {
		return nil
	}

	return list[i]
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}

	slices.Sort(keys)

	return keys
}
