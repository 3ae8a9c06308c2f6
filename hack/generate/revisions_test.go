package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/ks-core/ks-controller-manager/pkg/controllers"
	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
)

// small is a definition with a description wherever one may be, also as the name of a field and in a default.
const small = `
metadata:
  name: things.example.com
  annotations: {ks.kubesphere.io/schema-revision: "3"}
spec:
  names: {kind: Thing, plural: things}
  versions:
  - name: v1
    subresources: {status: {}}
    additionalPrinterColumns: [{name: Age, type: date, jsonPath: .metadata.creationTimestamp}]
    schema:
      openAPIV3Schema:
        description: old
        type: object
        properties:
          description: {type: string, description: old}
          list: {type: array, items: {type: string, description: old}}
          map: {type: object, additionalProperties: {type: string, description: old}}
          any: {anyOf: [{type: string, description: old}], not: {type: object, description: old}}
          preset: {type: object, default: {description: preset}}
`

func parse(t *testing.T, content string) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()

	definition := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict([]byte(content), definition); err != nil {
		t.Fatal(err)
	}

	return definition
}

func TestRevisions(t *testing.T) {
	tests := map[string]struct {
		replace, with string
		raise         string
		refusal       string // empty: accepted
		isSame        bool   // nothing new is recorded
	}{
		"nothing":                    {isSame: true},
		"descriptions":               {replace: "description: old", with: "description: new", isSame: true},
		"a column":                   {replace: "name: Age", with: "name: Since", isSame: true},
		"a field added":              {replace: "list:", with: "more: {type: string}\n          list:", refusal: "changed"},
		"a field called description": {replace: "          description: {", with: "          about: {", refusal: "changed"},
		"a default":                  {replace: "description: preset", with: "description: other", refusal: "changed"},
		"a bound":                    {replace: "{type: array,", with: "{type: array, maxItems: 3,", refusal: "changed"},
		"no status any more":         {replace: "subresources: {status: {}}", with: "subresources: {}", refusal: "changed"},
		"a version":                  {replace: "- name: v1", with: "- name: v2", refusal: "changed"},
		"a short name":               {replace: "plural: things", with: "plural: things, shortNames: [th]", refusal: "changed"},
		"a field and the revision":   {replace: "list:", with: "more: {type: string}\n          list:", raise: "4"},
		"the revision alone":         {raise: "4"},
		"the revision falls":         {raise: "2", refusal: "fell from 3 to 2"},
		"no number":                  {raise: "three", refusal: `is "three"`},
		"no revision":                {raise: "0", refusal: `is "0"`},
	}

	before, err := recordOf(parse(t, small))
	if err != nil {
		t.Fatal(err)
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			content := small
			if test.replace != "" {
				content = strings.ReplaceAll(content, test.replace, test.with)
			}

			if test.raise != "" {
				content = strings.Replace(content, `"3"`, fmt.Sprintf("%q", test.raise), 1)
			}

			after, err := recordOf(parse(t, content))
			if err == nil {
				err = checkRevisions([]record{before}, []record{after})
			}

			checkRefusal(t, err, test.refusal)

			if test.refusal == "" && (after == before) != test.isSame {
				t.Errorf("recorded before %+v, after %+v", before, after)
			}
		})
	}
}

// checkRefusal wants one line that names the definition, what is wrong and the remedy.
func checkRefusal(t *testing.T, err error, want string) {
	t.Helper()

	if want == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}

		return
	}

	if err == nil {
		t.Fatal("accepted")
	}

	for _, part := range []string{want, "things.example.com", "SchemaRevision"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}

	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %q", err)
	}
}

// What is written is what the next run compares with.
func TestRevisionsAreRecorded(t *testing.T) {
	t.Chdir(t.TempDir())

	run := func(content string) error {
		files := map[string][]byte{}
		if err := revisions([]*apiextensionsv1.CustomResourceDefinition{parse(t, content)}, files); err != nil {
			return err
		}

		if err := os.MkdirAll(definitionsFolder, 0o700); err != nil {
			return err
		}

		return os.WriteFile(revisionsFile, files[revisionsFile], 0o600)
	}

	changed := strings.ReplaceAll(small, "plural: things", "plural: things, singular: thing")
	raised := strings.ReplaceAll(changed, `"3"`, `"4"`)

	for _, content := range []string{small, small, raised} { // new, the same again, raised
		if err := run(content); err != nil {
			t.Fatal(err)
		}
	}

	checkRefusal(t, run(small), "fell from 4 to 3")
	checkRefusal(t, run(strings.ReplaceAll(raised, "type: array,", "type: array, minItems: 1,")), "still revision 4")

	recorded, err := readRecords(revisionsFile)
	if err != nil || len(recorded) != 1 || recorded[0].Revision != 4 || len(recorded[0].SHA256) != 64 {
		t.Errorf("recorded %+v, %v", recorded, err)
	}
}

// A definition whose number no controller asks for would be refused by the manager of its own release, or an
// older one let through.
func TestControllersRequireTheRevisions(t *testing.T) {
	t.Chdir("../..")

	paths, err := filepath.Glob(definitionsFolder + "bases/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d definitions found, %v", len(paths), err)
	}

	for _, path := range paths {
		definition, err := readDefinition(path)
		if err != nil {
			t.Fatal(err)
		}

		found, err := recordOf(definition)
		if err != nil {
			t.Fatal(err)
		}

		// No controller has anything to do with categories; they are there for who shows role templates.
		if definition.Spec.Names.Kind == "Category" {
			continue
		}

		if required := requiredRevisions(definition); !slices.Contains(required, found.Revision) {
			t.Errorf("%s has %s %d, the controllers require %v: the marker of its type and SchemaRevision differ",
				found.Definition, definitions.RevisionAnnotation, found.Revision, required)
		}
	}
}

// requiredRevisions lists what the controllers ask of a definition.
func requiredRevisions(definition *apiextensionsv1.CustomResourceDefinition) []int {
	var revisions []int

	for _, descriptor := range controllers.Catalog() {
		for _, required := range descriptor.Requires {
			if required.Group == definition.Spec.Group && required.Kind == definition.Spec.Names.Kind {
				revisions = append(revisions, required.Revision)
			}
		}
	}

	return revisions
}
