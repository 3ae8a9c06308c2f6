package stores

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
)

// What is recognized by how it begins is what parsing would have found.
func TestExpectation(t *testing.T) {
	t.Parallel()

	kind := schema.GroupVersionKind{Group: "iam.kubesphere.io", Version: "v1beta1", Kind: "Role"}
	expected := newExpectation(kind)

	for _, text := range []string{
		`{"apiVersion":"iam.kubesphere.io/v1beta1","kind":"Role","metadata":{"name":"a"}}`,
		`{"kind":"Role","apiVersion":"iam.kubesphere.io/v1beta1","metadata":{"name":"a"}}`,
		`{"apiVersion":"iam.kubesphere.io/v1beta1","kind":"RoleList","items":[]}`,
		`{"apiVersion":"iam.kubesphere.io/v1beta1","kind":"Role"}`,
		`{"kind":"Status","apiVersion":"v1","code":410}`,
		`{"type":"ADDED","object":{"apiVersion":"iam.kubesphere.io/v1beta1","kind":"Role"}}`,
		`{}`,
	} {
		got, err := expected.Interpret([]byte(text))
		want, errWant := json.DefaultMetaFactory.Interpret([]byte(text))

		if err != nil || errWant != nil || *got != *want {
			t.Errorf("%s: recognized as %v (%v), is %v (%v)", text, got, err, want, errWant)
		}
	}

	if got, err := expected.Interpret([]byte(`no object`)); err == nil {
		t.Errorf("recognized as %v", got)
	}
}
