package v2beta1_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/ks-core/ks-controller-manager/api/notification/v2beta1"
	"github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

const (
	definitions = "../../../config/crd/bases/notification.kubesphere.io_*.yaml"
	objects     = "../../../test/conformance/testdata/notification*.yaml"
)

func newScheme(tb testing.TB) *runtime.Scheme {
	tb.Helper()

	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v2beta1.AddToScheme, v2beta2.AddToScheme} {
		if err := add(scheme); err != nil {
			tb.Fatal(err)
		}
	}

	return scheme
}

func files(tb testing.TB, pattern string) []string {
	tb.Helper()

	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		tb.Fatalf("no files like %s: %v", pattern, err)
	}

	return paths
}

func readJSON(tb testing.TB, path string) []byte {
	tb.Helper()

	content, err := os.ReadFile(path) //nolint:gosec // a file of the checkout
	if err != nil {
		tb.Fatal(err)
	}

	asJSON, err := yaml.YAMLToJSONStrict(content)
	if err != nil {
		tb.Fatalf("%s: %v", path, err)
	}

	return asJSON
}

// The promise of strategy None: the versions of a kind differ in their names and in nothing else.
func TestVersionsHaveOneSchema(t *testing.T) {
	t.Parallel()

	several := 0

	for _, path := range files(t, definitions) {
		definition := &apiextensionsv1.CustomResourceDefinition{}
		if err := json.Unmarshal(readJSON(t, path), definition); err != nil {
			t.Fatalf("%s: %v", path, err)
		}

		first := definition.Spec.Versions[0]
		for _, other := range definition.Spec.Versions[1:] {
			several++

			if diff := cmp.Diff(compared(t, &first), compared(t, &other)); diff != "" {
				t.Errorf("%s: %s and %s differ:\n%s", definition.Name, first.Name, other.Name, diff)
			}
		}
	}

	if several != 3 {
		t.Errorf("%d kinds have two versions, want NotificationManager, Config and Receiver", several)
	}
}

// compared is a version without its name, its place in storage, and the texts for people.
func compared(t *testing.T, version *apiextensionsv1.CustomResourceDefinitionVersion) any {
	t.Helper()

	content, err := json.Marshal(version)
	if err != nil {
		t.Fatal(err)
	}

	var value map[string]any
	if err := json.Unmarshal(content, &value); err != nil {
		t.Fatal(err)
	}

	delete(value, "name")
	delete(value, "storage")

	return withoutDescriptions(value)
}

// withoutDescriptions drops descriptions, which are texts; a field of that name is a schema.
func withoutDescriptions(value any) any {
	switch typed := value.(type) {
	case map[string]any:
		for name, inner := range typed {
			if _, isText := inner.(string); isText && name == "description" {
				delete(typed, name)
			} else {
				typed[name] = withoutDescriptions(inner)
			}
		}
	case []any:
		for i := range typed {
			typed[i] = withoutDescriptions(typed[i])
		}
	}

	return value
}

// versions are those of a kind that there are types for.
func versions(scheme *runtime.Scheme, kind string) []schema.GroupVersionKind {
	var found []schema.GroupVersionKind

	for _, known := range slices.SortedFunc(maps.Keys(scheme.AllKnownTypes()), func(a, b schema.GroupVersionKind) int {
		return strings.Compare(a.String(), b.String())
	}) {
		if known.Group == v2beta2.GroupName && known.Kind == kind {
			found = append(found, known)
		}
	}

	return found
}

// Go types that lack a field would drop it when they write an object back.
func TestTypesLoseNothing(t *testing.T) {
	t.Parallel()

	scheme := newScheme(t)

	for _, path := range files(t, objects) {
		content := readJSON(t, path)

		var meta metav1.TypeMeta
		if err := json.Unmarshal(content, &meta); err != nil {
			t.Fatal(err)
		}

		kinds := versions(scheme, meta.Kind)
		if len(kinds) == 0 {
			t.Errorf("%s: there is no type for %s", path, meta.Kind)
		}

		for _, kind := range kinds {
			t.Run(filepath.Base(path)+"/"+kind.Version, func(t *testing.T) {
				t.Parallel()

				object, err := scheme.New(kind)
				if err != nil {
					t.Fatal(err)
				}

				decoder := json.NewDecoder(bytes.NewReader(content))
				decoder.DisallowUnknownFields()

				if err := decoder.Decode(object); err != nil {
					t.Fatal(err)
				}

				written, err := json.Marshal(object)
				if err != nil {
					t.Fatal(err)
				}

				if diff := cmp.Diff(spec(t, content), spec(t, written)); diff != "" {
					t.Errorf("the spec that is read, and written again (-read +written):\n%s", diff)
				}
			})
		}
	}
}

// spec is what a user asks for. What is empty says nothing, and may be left out.
func spec(t *testing.T, content []byte) any {
	t.Helper()

	var object struct {
		Spec map[string]any `json:"spec"`
	}
	if err := json.Unmarshal(content, &object); err != nil {
		t.Fatal(err)
	}

	return withoutEmpty(object.Spec)
}

func withoutEmpty(value any) any {
	switch typed := value.(type) {
	case map[string]any:
		for name := range typed {
			if typed[name] = withoutEmpty(typed[name]); typed[name] == nil {
				delete(typed, name)
			}
		}

		if len(typed) == 0 {
			return nil
		}
	case []any:
		if len(typed) == 0 {
			return nil
		}

		for i := range typed {
			typed[i] = withoutEmpty(typed[i])
		}
	case string:
		if typed == "" {
			return nil
		}
	}

	return value
}

// FuzzObjects holds that what was read comes back from what is written, in every kind and version.
func FuzzObjects(f *testing.F) {
	scheme := newScheme(f)

	var kinds []schema.GroupVersionKind

	for _, kind := range []string{
		"NotificationManager", "Config", "Receiver", "Router", "Silence", "InhibitRule", "NotificationPolicy",
	} {
		kinds = append(kinds, versions(scheme, kind)...)
	}

	for i := range kinds {
		for _, path := range files(f, objects) {
			f.Add(uint8(i), readJSON(f, path))
		}

		for _, odd := range []string{`{}`, `null`, `{"spec": null}`, `{"spec": {"tolerations": [null, {}]}}`, `[`, ``} {
			f.Add(uint8(i), []byte(odd))
		}
	}

	f.Fuzz(func(t *testing.T, number uint8, content []byte) {
		kind := kinds[int(number)%len(kinds)]

		before, err := scheme.New(kind)
		if err != nil {
			t.Fatal(err)
		}

		if json.Unmarshal(content, before) != nil {
			return
		}

		written, err := json.Marshal(before)
		if err != nil {
			t.Fatalf("%s: what was read is not written: %v", kind, err)
		}

		after, err := scheme.New(kind)
		if err != nil {
			t.Fatal(err)
		}

		if err := json.Unmarshal(written, after); err != nil {
			t.Fatalf("%s: what was written is not read: %v", kind, err)
		}

		again, err := json.Marshal(after)
		if err != nil || !bytes.Equal(written, again) {
			t.Fatalf("%s: written %s, then %s, %v", kind, written, again, err)
		}

		copied, err := json.Marshal(after.DeepCopyObject())
		if err != nil || !bytes.Equal(again, copied) {
			t.Fatalf("%s: the copy of %s is %s, %v", kind, again, copied, err)
		}
	})
}
