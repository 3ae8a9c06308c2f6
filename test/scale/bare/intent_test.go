package bare

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestExtract(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct{ value, owned, want string }{
		"a whole field":        {`{"a":{"b":1},"c":2}`, `{"f:a":{}}`, `{"a":{"b":1}}`},
		"a field of a field":   {`{"a":{"b":1,"c":2}}`, `{"f:a":{"f:c":{}}}`, `{"a":{"c":2}}`},
		"a map, nothing in it": {`{"a":{"b":1}}`, `{"f:a":{".":{}}}`, `{"a":{}}`},
		"a field that is gone": {`{"a":1}`, `{"f:b":{},"f:a":{}}`, `{"a":1}`},
		"an item of a set":     {`{"a":["x","y"]}`, `{"f:a":{".":{},"v:\"y\"":{}}}`, `{"a":["y"]}`},
		"an item by its key": {
			`{"a":[{"type":"A","status":"True"},{"type":"B","status":"False","mine":1}]}`,
			`{"f:a":{"k:{\"type\":\"B\"}":{".":{},"f:type":{},"f:mine":{}}}}`,
			`{"a":[{"type":"B","mine":1}]}`,
		},
		"an item by two keys": {
			`{"a":[{"port":1,"protocol":"UDP"},{"port":1,"protocol":"TCP"}]}`,
			`{"f:a":{"k:{\"port\":1,\"protocol\":\"TCP\"}":{}}}`,
			`{"a":[{"port":1,"protocol":"TCP"}]}`,
		},
		"a list as a whole": {`{"a":[{"b":1},2]}`, `{"f:a":{}}`, `{"a":[{"b":1},2]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := extract(decode(t, test.value), asMap(decode(t, test.owned)))
			if diff := cmp.Diff(decode(t, test.want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestIntentsOf(t *testing.T) {
	t.Parallel()

	object := &unstructured.Unstructured{Object: asMap(decode(t, `{
		"apiVersion": "rbac/v1", "kind": "Role",
		"metadata": {"name": "a", "namespace": "n", "uid": "1", "labels": {"mine": "1", "theirs": "2"}, "managedFields": [
			{"manager": "manager/role", "operation": "Apply", "fieldsV1": {"f:metadata": {"f:labels": {"f:mine": {}}}}},
			{"manager": "manager", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {"f:ok": {}}}},
			{"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {"f:theirs": {}}}}}
		]},
		"status": {"ok": true}
	}`))}

	roles := schema.GroupVersionResource{Group: "rbac", Version: "v1", Resource: "roles"}

	intents, err := intentsOf(roles, object, "manager")
	if err != nil {
		t.Fatal(err)
	}

	bodies := map[string]any{}
	for _, intent := range intents {
		bodies[intent.Owner+" "+intent.path()] = decode(t, string(intent.Body))
	}

	want := map[string]any{
		"manager/role /apis/rbac/v1/namespaces/n/roles/a": decode(t, `{"apiVersion": "rbac/v1", "kind": "Role",
			"metadata": {"name": "a", "namespace": "n", "labels": {"mine": "1"}}}`),
		"manager /apis/rbac/v1/namespaces/n/roles/a/status": decode(t, `{"apiVersion": "rbac/v1", "kind": "Role",
			"metadata": {"name": "a", "namespace": "n"}, "status": {"ok": true}}`),
	}

	if diff := cmp.Diff(want, bodies); diff != "" {
		t.Errorf("intents (-want +got):\n%s", diff)
	}
}

func TestArrange(t *testing.T) {
	t.Parallel()

	intents := []Intent{
		{Name: "status", isOfStatus: true, dependsOn: true},
		{Name: "binding", Namespace: "a", dependsOn: true},
		{Name: "role", Namespace: "b"},
		{Name: "role", Namespace: "a"},
		{Name: "cluster binding", dependsOn: true},
		{Name: "cluster role"},
	}
	arrange(intents)

	var got []string
	for _, intent := range intents {
		got = append(got, intent.Name+intent.Namespace)
	}

	want := []string{"cluster role", "cluster binding", "rolea", "roleb", "bindinga", "status"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func decode(t *testing.T, text string) any {
	t.Helper()

	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}

	return value
}
