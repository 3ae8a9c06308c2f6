package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

const definitionsFolder = "config/crd/"

// definitionFiles orders the custom resource definitions, lists them for kustomize, describes their fields, and records
// their revisions.
func definitionFiles(_ manager.Catalog, files map[string][]byte) error {
	paths, err := filepath.Glob(definitionsFolder + "bases/*.yaml")
	if err != nil {
		return fmt.Errorf("find the custom resource definitions: %w", err)
	}

	var (
		resources []string
		found     []*apiextensionsv1.CustomResourceDefinition
		page      strings.Builder
	)

	page.WriteString(markdownHeader("Custom resources"))

	for _, path := range paths {
		resources = append(resources, "bases/"+filepath.Base(path))

		content, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read a custom resource definition: %w", err)
		}

		files[path] = []byte(ordered(string(content)))

		definition, err := readDefinition(path)
		if err != nil {
			return err
		}

		found = append(found, definition)
		describe(&page, definition)
	}

	files[pagesFolder+"api.md"] = []byte(page.String())

	if err := kustomization(definitionsFolder, resources, files); err != nil {
		return err
	}

	return revisions(found, files)
}

func readDefinition(path string) (*apiextensionsv1.CustomResourceDefinition, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a custom resource definition: %w", err)
	}

	definition := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(content, definition); err != nil {
		return nil, fmt.Errorf("parse %s: %w", path, err)
	}

	return definition, nil
}

// describe writes the fields of the stored version; the others have the same.
func describe(page *strings.Builder, definition *apiextensionsv1.CustomResourceDefinition) {
	names := definition.Spec.Names
	versions := make([]string, 0, len(definition.Spec.Versions))

	var stored apiextensionsv1.CustomResourceDefinitionVersion

	for _, version := range definition.Spec.Versions {
		versions = append(versions, version.Name)

		if version.Storage {
			stored = version
		}
	}

	fmt.Fprintf(page, "## %s\n\n`%s.%s`, served as %s, stored as %s. Short name: %s. Scope: %s.\n\n", names.Kind,
		names.Plural, definition.Spec.Group, strings.Join(versions, ", "), stored.Name,
		strings.Join(names.ShortNames, ", "), definition.Spec.Scope)

	schema := stored.Schema.OpenAPIV3Schema
	fmt.Fprintf(page, "%s\n\n| field | type | meaning |\n|---|---|---|\n", oneLine(schema.Description))

	for _, part := range parts(schema) {
		property := schema.Properties[part]
		describeField(page, part, &property, slices.Contains(schema.Required, part))
	}

	page.WriteString("\n")
}

// parts are the fields at the top that every kind does not have, spec and status last.
func parts(schema *apiextensionsv1.JSONSchemaProps) []string {
	parts := slices.Sorted(maps.Keys(schema.Properties))
	parts = slices.DeleteFunc(parts, func(name string) bool {
		return slices.Contains([]string{"apiVersion", "kind", "metadata", "spec", "status"}, name)
	})

	for _, name := range []string{"spec", "status"} {
		if _, has := schema.Properties[name]; has {
			parts = append(parts, name)
		}
	}

	return parts
}

func describeField(page *strings.Builder, path string, field *apiextensionsv1.JSONSchemaProps, required bool) {
	meaning := oneLine(field.Description)
	if required {
		meaning = "Required. " + meaning
	}

	fmt.Fprintf(page, "| `%s` | %s | %s |\n", path, typeOf(field), meaning)

	fields := field.Properties

	if field.Items != nil && field.Items.Schema != nil {
		path += "[]"
		field = field.Items.Schema
		fields = field.Properties
	}

	for _, name := range slices.Sorted(maps.Keys(fields)) {
		child := fields[name]
		describeField(page, path+"."+name, &child, slices.Contains(field.Required, name))
	}
}

func typeOf(field *apiextensionsv1.JSONSchemaProps) string {
	if field.XIntOrString {
		return "string or integer"
	}

	return cmp.Or(field.Type, "any")
}

func oneLine(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", "\\|")
}
