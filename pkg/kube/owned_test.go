package kube

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
)

func decode(t *testing.T, text string) any {
	t.Helper()

	if text == "" {
		return nil
	}

	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("decoding %s: %v", text, err)
	}

	return value
}

func record(manager, subresource, raw string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{
		Manager: manager, Operation: metav1.ManagedFieldsOperationApply, Subresource: subresource,
		FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(raw),
	}
}

func TestOwnedFields(t *testing.T) {
	t.Parallel()

	updated := record("us", "", `{"f:data":{}}`)
	updated.Operation = metav1.ManagedFieldsOperationUpdate

	empty := record("us", "", "")
	empty.FieldsV1 = nil

	cases := map[string]struct {
		entries []metav1.ManagedFieldsEntry
		want    fields
		isError bool
	}{
		"no record":      {nil, nil, false},
		"others only":    {[]metav1.ManagedFieldsEntry{record("them", "", `{"f:data":{}}`)}, nil, false},
		"by update":      {[]metav1.ManagedFieldsEntry{updated}, nil, false},
		"of the status":  {[]metav1.ManagedFieldsEntry{record("us", "status", `{"f:status":{}}`)}, nil, false},
		"without fields": {[]metav1.ManagedFieldsEntry{empty}, nil, false},
		"ours among others": {
			[]metav1.ManagedFieldsEntry{
				record("them", "", `{"f:spec":{}}`), updated, record("us", "", `{"f:data":{".":{},"f:a":{}}}`),
			},
			fields{"f:data": {".": {}, "f:a": {}}},
			false,
		},
		"less the status": {
			[]metav1.ManagedFieldsEntry{record("us", "", `{"f:status":{"f:a":{}},"f:spec":{}}`)},
			fields{"f:spec": {}},
			false,
		},
		"broken":    {[]metav1.ManagedFieldsEntry{record("us", "", `{"f:data":`)}, nil, true},
		"no object": {[]metav1.ManagedFieldsEntry{record("us", "", `["f:data"]`)}, nil, true},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got, err := ownedFields(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{ManagedFields: tc.entries}}, "us")
			if (err != nil) != tc.isError {
				t.Fatalf("ownedFields = %v; want an error: %v", err, tc.isError)
			}

			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" && !tc.isError {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFindItem(t *testing.T) {
	t.Parallel()

	ports := `[{"port":80,"protocol":"UDP"},{"port":80},{"port":80,"protocol":"TCP"},{"port":443},"text"]`

	cases := map[string]struct {
		list, name string
		want       int
	}{
		"all keys":               {ports, `k:{"port":80,"protocol":"TCP"}`, 2},
		"a key left to default":  {ports, `k:{"port":443,"protocol":"TCP"}`, 3},
		"exact before default":   {ports, `k:{"port":80,"protocol":"UDP"}`, 0},
		"no contradiction":       {ports, `k:{"port":80,"protocol":"SCTP"}`, 1},
		"nothing in common":      {ports, `k:{"name":"http"}`, -1},
		"no such port":           {ports, `k:{"port":8080,"protocol":"TCP"}`, -1},
		"keys that are no JSON":  {ports, `k:{"port":`, -1},
		"a set":                  {`["a","b"]`, `v:"b"`, 1},
		"not in the set":         {`["a","b"]`, `v:"c"`, -1},
		"numbers in a set":       {`[1,2]`, `v:2`, 1},
		"value that is no JSON":  {`["a"]`, `v:a`, -1},
		"an index":               {`["a","b"]`, `i:1`, 1},
		"an index beyond":        {`["a","b"]`, `i:2`, -1},
		"a negative index":       {`["a","b"]`, `i:-1`, -1},
		"an index that is none":  {`["a"]`, `i:x`, -1},
		"a field":                {`["a"]`, `f:a`, -1},
		"no name at all":         {`["a"]`, ``, -1},
		"an unknown kind":        {`["a"]`, `z:"a"`, -1},
		"keys of an empty list":  {`[]`, `k:{"port":80}`, -1},
		"the empty set of keys":  {`[{"a":1}]`, `k:{}`, 0},
		"nested keys":            {`[{"a":{"b":1}}]`, `k:{"a":{"b":1}}`, 0},
		"a key of another type":  {`[{"a":"1"}]`, `k:{"a":1}`, -1},
		"null is no contained 1": {`[{"a":null}]`, `k:{"a":1}`, -1},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			list, _ := decode(t, tc.list).([]any)
			if got := findItem(list, tc.name); got != tc.want {
				t.Errorf("findItem = %d; want %d", got, tc.want)
			}
		})
	}
}

func TestDifference(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		owned, intent, normal, cached string
		want                          string // Where; "=" for nowhere.
	}{
		"nothing at all":            {`{}`, `{}`, `{}`, `{}`, "="},
		"same value":                {`{"f:a":{}}`, `{"a":1}`, `{"a":1}`, `{"a":1}`, "="},
		"other value":               {`{"f:a":{}}`, `{"a":1}`, `{"a":1}`, `{"a":2}`, ".a"},
		"value gone":                {`{"f:a":{}}`, `{"a":1}`, `{"a":1}`, `{}`, ".a"},
		"normal form":               {`{"f:a":{}}`, `{"a":"1000m"}`, `{"a":"1"}`, `{"a":"1"}`, "="},
		"as sent":                   {`{"f:a":{}}`, `{"a":"1000m"}`, `{"a":"1"}`, `{"a":"1000m"}`, "="},
		"zero that is not shown":    {`{"f:a":{}}`, `{"a":0}`, `{}`, `{}`, "="},
		"field unknown to type":     {`{"f:a":{}}`, `{"a":"x"}`, `{}`, `{}`, ".a"},
		"not ours yet":              {`{"f:a":{}}`, `{"a":1,"b":2}`, `{"a":1,"b":2}`, `{"a":1,"b":2}`, ".b"},
		"not wanted any more":       {`{"f:a":{},"f:b":{}}`, `{"a":1}`, `{"a":1}`, `{"a":1,"b":2}`, ".f:b"},
		"of others":                 {`{"f:a":{}}`, `{"a":1}`, `{"a":1}`, `{"a":1,"b":{"c":3}}`, "="},
		"deep value":                {`{"f:a":{"f:b":{}}}`, `{"a":{"b":1}}`, `{"a":{"b":1}}`, `{"a":{"b":2,"c":3}}`, ".a.b"},
		"atomic map":                {`{"f:a":{}}`, `{"a":{"b":1}}`, `{"a":{"b":1}}`, `{"a":{"b":1,"c":2}}`, ".a"},
		"atomic map, only itself":   {`{"f:a":{".":{}}}`, `{"a":{}}`, `{"a":{}}`, `{"a":{}}`, "="},
		"atomic list":               {`{"f:a":{}}`, `{"a":[1,2]}`, `{"a":[1,2]}`, `{"a":[2,1]}`, ".a"},
		"theirs in our empty map":   {`{"f:a":{}}`, `{"a":{}}`, `{"a":{}}`, `{"a":{"b":1}}`, "="},
		"text for our empty map":    {`{"f:a":{}}`, `{"a":{}}`, `{"a":{}}`, `{"a":"text"}`, ".a"},
		"nulls declare nothing":     {`{"f:a":{}}`, `{"a":{"b":1}}`, `{"a":{"b":1}}`, `{"a":{"b":1,"c":null}}`, "="},
		"inside of a plain value":   {`{"f:a":{"f:b":{}}}`, `{"a":1}`, `{"a":1}`, `{"a":{"b":1}}`, ".a"},
		"a list became a map":       {`{"f:a":{"i:0":{}}}`, `{"a":{"b":1}}`, `{"a":{"b":1}}`, `{"a":[1]}`, ".a.i:0"},
		"item value":                {`{"f:a":{"k:{\"n\":1}":{"f:n":{},"f:v":{}}}}`, `{"a":[{"n":1,"v":2}]}`, `{"a":[{"n":1,"v":2}]}`, `{"a":[{"n":1,"v":3}]}`, `.a[k:{"n":1}].v`},
		"item gone":                 {`{"f:a":{"k:{\"n\":1}":{"f:n":{}}}}`, `{"a":[{"n":1}]}`, `{"a":[{"n":1}]}`, `{"a":[]}`, `.a[k:{"n":1}]`},
		"item not wanted any more":  {`{"f:a":{"k:{\"n\":1}":{"f:n":{}}}}`, `{"a":[]}`, `{"a":[]}`, `{"a":[{"n":1}]}`, `.a[k:{"n":1}]`},
		"new item":                  {`{"f:a":{"k:{\"n\":1}":{"f:n":{}}}}`, `{"a":[{"n":1},{"n":2}]}`, `{"a":[{"n":1},{"n":2}]}`, `{"a":[{"n":1}]}`, ".a"},
		"items of others between":   {`{"f:a":{"v:\"x\"":{},"v:\"y\"":{}}}`, `{"a":["x","y"]}`, `{"a":["x","y"]}`, `{"a":["x","o","y"]}`, "="},
		"another order":             {`{"f:a":{"v:\"x\"":{},"v:\"y\"":{}}}`, `{"a":["x","y"]}`, `{"a":["x","y"]}`, `{"a":["y","x"]}`, ".a"},
		"empty list, unrecorded":    {`{}`, `{"a":[]}`, `{}`, `{}`, "="},
		"empty list, theirs full":   {`{}`, `{"a":[]}`, `{}`, `{"a":[1]}`, ".a"},
		"only empty lists inside":   {`{}`, `{"a":{"b":[]}}`, `{}`, `{}`, "="},
		"empty map, unrecorded":     {`{}`, `{"a":{}}`, `{}`, `{}`, ".a"},
		"cached is of another type": {`{"f:a":{"f:b":{}}}`, `{"a":{"b":1}}`, `{"a":{"b":1}}`, `{"a":"text"}`, ".a.b"},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			owned, err := parseFields([]byte(tc.owned))
			if err != nil {
				t.Fatalf("decoding the record: %v", err)
			}

			intent, _ := decode(t, tc.intent).(map[string]any)
			place := view{owned, intent, decode(t, tc.normal), decode(t, tc.cached)}

			got, differs := place.mapDifference(intent)
			if !differs {
				got = "="
			}

			if got != tc.want {
				t.Errorf("difference = %q; want %q", got, tc.want)
			}
		})
	}
}

func TestIncludes(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		whole, part string
		want        bool
	}{
		"same":                {`{"a":1}`, `{"a":1}`, true},
		"more":                {`{"a":1,"b":2}`, `{"a":1}`, true},
		"less":                {`{"a":1}`, `{"a":1,"b":2}`, false},
		"other":               {`{"a":1}`, `{"a":2}`, false},
		"an open field":       {`{"a":"x"}`, `{"a":""}`, true},
		"nothing of nothing":  {``, ``, true},
		"nothing of anything": {`{"a":1}`, ``, true},
		"an empty map":        {``, `{}`, true},
		"a map of nothing":    {``, `{"a":1}`, false},
		"lists are whole":     {`[1,2]`, `[1]`, false},
		"deep":                {`{"a":{"b":1,"c":2}}`, `{"a":{"c":2}}`, true},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if got := includes(decode(t, tc.whole), decode(t, tc.part)); got != tc.want {
				t.Errorf("includes = %v; want %v", got, tc.want)
			}
		})
	}
}

func TestWithoutNulls(t *testing.T) {
	t.Parallel()

	before := decode(t, `{"a":null,"b":[{"c":null,"d":1},null],"e":{"f":null}}`)
	untouched := runtime.DeepCopyJSONValue(before)

	if diff := cmp.Diff(decode(t, `{"b":[{"d":1},null],"e":{}}`), withoutNulls(before)); diff != "" {
		t.Errorf("value (-want +got):\n%s", diff)
	}

	if diff := cmp.Diff(untouched, before); diff != "" {
		t.Errorf("the original has changed (-want +got):\n%s", diff)
	}
}

// FuzzDifference feeds the walk records, intents and objects that do not fit each
// other: it may say what it likes, always the same, without a panic and without
// touching what it was given. An intent whose fields are recorded and shown is no
// difference.
func FuzzDifference(f *testing.F) {
	f.Add([]byte(`{"f:a":{"f:b":{}}}`), []byte(`{"a":{"b":1}}`), []byte(`{"a":{"b":2}}`))
	f.Add([]byte(`{"f:a":{"k:{\"n\":1}":{".":{},"f:v":{}}}}`), []byte(`{"a":[{"n":1,"v":2}]}`), []byte(`{"a":[]}`))
	f.Add([]byte(`{"f:a":{"v:\"x\"":{},"i:3":{}}}`), []byte(`{"a":["x"]}`), []byte(`{"a":["y",null,"x"]}`))
	f.Add([]byte(`{"f:a":{".":{}},"":{},"z":{}}`), []byte(`{"a":null}`), []byte(`{"a":[[[]]]}`))
	f.Add([]byte(`null`), []byte(`{"a":[]}`), []byte(`null`))

	f.Fuzz(func(t *testing.T, record, intended, shown []byte) {
		owned, err := parseFields(record)
		if err != nil {
			t.Skip()
		}

		var intent, cached map[string]any
		if json.Unmarshal(intended, &intent) != nil || json.Unmarshal(shown, &cached) != nil {
			t.Skip()
		}

		before, after := runtime.DeepCopyJSON(intent), runtime.DeepCopyJSON(cached)

		path, differs := view{owned, intent, intent, cached}.mapDifference(intent)
		again, differsAgain := view{owned, intent, intent, cached}.mapDifference(intent)

		if path != again || differs != differsAgain {
			t.Errorf("difference = %q, %v, then %q, %v", path, differs, again, differsAgain)
		}

		if diff := cmp.Diff(before, intent) + cmp.Diff(after, cached); diff != "" {
			t.Errorf("the arguments have changed:\n%s", diff)
		}

		intent = dropNulls(intent) // As toUnstructured leaves it.
		if path, differs := (view{recordOf(intent), intent, intent, intent}).mapDifference(intent); differs {
			t.Errorf("an object differs from itself at %q", path)
		}
	})
}

// recordOf returns what a server without a schema records for an intent: maps
// field by field, all else whole.
func recordOf(intent map[string]any) fields {
	owned := fields{}

	for key, value := range intent {
		inner, _ := value.(map[string]any)
		owned["f:"+key] = recordOf(inner)
	}

	return owned
}
