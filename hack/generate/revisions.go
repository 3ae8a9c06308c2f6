package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
)

const revisionsFile = definitionsFolder + "revisions.yaml"

// record is what is remembered of a definition from one generation to the next.
type record struct {
	Definition string `json:"definition"`
	Revision   int    `json:"revision"`
	SHA256     string `json:"sha256"`
}

// revisions writes which schema each revision stands for, unless that would give one number to two schemas: a
// manager tells by the number whether a cluster has the fields that it writes.
func revisions(found []*apiextensionsv1.CustomResourceDefinition, files map[string][]byte) error {
	recorded, err := readRecords(revisionsFile)
	if err != nil {
		return err
	}

	records := make([]record, 0, len(found))

	for _, definition := range found {
		now, err := recordOf(definition)
		if err != nil {
			return err
		}

		records = append(records, now)
	}

	if err := checkRevisions(recorded, records); err != nil {
		return err
	}

	content, err := documents(map[string]any{"definitions": records})
	files[revisionsFile] = content

	return err
}

// readRecords returns nothing where nothing was ever recorded.
func readRecords(path string) ([]record, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}

	if err != nil {
		return nil, fmt.Errorf("read the recorded revisions: %w", err)
	}

	var file struct {
		Definitions []record `json:"definitions"`
	}
	if err := yaml.UnmarshalStrict(content, &file); err != nil {
		return nil, fmt.Errorf("parse %s: %w", path, err)
	}

	return file.Definitions, nil
}

// checkRevisions refuses a schema that changed under its number, and a number that fell.
func checkRevisions(recorded, found []record) error {
	before := map[string]record{}
	for _, known := range recorded {
		before[known.Definition] = known
	}

	var refusals []error

	for _, now := range found {
		known, isKnown := before[now.Definition]

		switch {
		case !isKnown || now == known:
		case now.Revision < known.Revision:
			refusals = append(refusals, fmt.Errorf("the schema revision of %s fell from %d to %d: raise "+
				"SchemaRevision in its package under api, and the markers there, above %d",
				now.Definition, known.Revision, now.Revision, known.Revision))
		case now.Revision == known.Revision:
			refusals = append(refusals, fmt.Errorf("the schema of %s changed and is still revision %d: raise "+
				"SchemaRevision in its package under api, and the markers %s there, to %d",
				now.Definition, now.Revision, definitions.RevisionAnnotation, now.Revision+1))
		}
	}

	return errors.Join(refusals...)
}

// recordOf computes what is remembered of a definition. What only people read of it does not count.
func recordOf(definition *apiextensionsv1.CustomResourceDefinition) (record, error) {
	written := definition.Annotations[definitions.RevisionAnnotation]

	revision, err := strconv.Atoi(written)
	if err != nil || revision < 1 {
		return record{}, fmt.Errorf("the annotation %s of %s is %q: give its type the marker "+
			"+kubebuilder:metadata:annotations with SchemaRevision of its package",
			definitions.RevisionAnnotation, definition.Name, written)
	}

	counted := definition.Spec.DeepCopy()
	versions := make([]any, 0, len(counted.Versions))

	for _, version := range counted.Versions {
		if version.Schema != nil {
			dropDescriptions(version.Schema.OpenAPIV3Schema)
		}

		versions = append(versions, map[string]any{
			"name": version.Name, "schema": version.Schema, "subresources": version.Subresources,
		})
	}

	content, err := json.Marshal(map[string]any{"names": counted.Names, "versions": versions})
	if err != nil {
		return record{}, fmt.Errorf("marshal the schemas of %s: %w", definition.Name, err)
	}

	sum := sha256.Sum256(content)

	return record{Definition: definition.Name, Revision: revision, SHA256: hex.EncodeToString(sum[:])}, nil
}

// dropDescriptions empties the descriptions of a schema. It knows where schemas are within a schema, so that a
// field of the name "description", and a default that has one, stay.
func dropDescriptions(schema *apiextensionsv1.JSONSchemaProps) {
	if schema == nil {
		return
	}

	schema.Description = ""

	dropDescriptions(schema.Not)
	dropFromArray(schema.Items)
	dropFromEither(schema.AdditionalProperties)
	dropFromEither(schema.AdditionalItems)

	for _, list := range [][]apiextensionsv1.JSONSchemaProps{schema.AllOf, schema.AnyOf, schema.OneOf} {
		for i := range list {
			dropDescriptions(&list[i])
		}
	}

	for _, named := range []map[string]apiextensionsv1.JSONSchemaProps{schema.Properties, schema.PatternProperties} {
		for name, inner := range named {
			dropDescriptions(&inner)
			named[name] = inner
		}
	}
}

func dropFromEither(either *apiextensionsv1.JSONSchemaPropsOrBool) {
	if either != nil {
		dropDescriptions(either.Schema)
	}
}

func dropFromArray(items *apiextensionsv1.JSONSchemaPropsOrArray) {
	if items == nil {
		return
	}

	dropDescriptions(items.Schema)

	for i := range items.JSONSchemas {
		dropDescriptions(&items.JSONSchemas[i])
	}
}
