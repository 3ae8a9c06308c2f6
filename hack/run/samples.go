package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// expectAnnotation says what the condition Ready of a sample must be, if not True: "False/<Reason>".
const expectAnnotation = "samples.ks.kubesphere.io/expect"

// expectation is what a sample's condition Ready must be.
type expectation struct {
	status string
	reason string // any, when empty
}

func (e expectation) String() string {
	if e.reason == "" {
		return e.status
	}

	return e.status + " (" + e.reason + ")"
}

func parseExpectation(text string) (expectation, error) {
	if text == "" {
		return expectation{status: "True"}, nil
	}

	status, reason, _ := strings.Cut(text, "/")
	switch status {
	case "True", "False", "Unknown":
		return expectation{status: status, reason: reason}, nil
	default:
		return expectation{}, fmt.Errorf("%s: %q: want True, or False/<Reason>", expectAnnotation, text)
	}
}

// sample is an object of config/samples that reports conditions.
type sample struct {
	kind schema.GroupVersionKind
	key  types.NamespacedName
	want expectation
}

// readSamples reads the objects of a YAML stream and keeps those whose kind reports conditions.
func readSamples(
	stream io.Reader, reports func(schema.GroupVersionKind) (bool, error),
) ([]sample, error) {
	var samples []sample

	decoder := yaml.NewYAMLOrJSONDecoder(stream, 4096)

	for {
		object := &unstructured.Unstructured{}

		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return samples, nil
		}

		if err != nil {
			return nil, fmt.Errorf("reading the samples: %w", err)
		}

		kind := object.GroupVersionKind()

		reported, err := reports(kind)
		if err != nil {
			return nil, err
		}

		if !reported {
			continue
		}

		want, err := parseExpectation(object.GetAnnotations()[expectAnnotation])
		if err != nil {
			return nil, fmt.Errorf("sample %s %s: %w", kind.Kind, object.GetName(), err)
		}

		samples = append(samples, sample{kind: kind, key: client.ObjectKeyFromObject(object), want: want})
	}
}

// reportsConditions looks for conditions in the schema of a kind. Kubernetes' own kinds have no schema that
// we could look into, and no condition Ready that we would wait for.
func reportsConditions(
	ctx context.Context, reader client.Client, kind schema.GroupVersionKind,
) (bool, error) {
	mapping, err := reader.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return false, fmt.Errorf("looking for the kind %s: %w", kind, err)
	}

	crd := &apiextensionsv1.CustomResourceDefinition{}

	err = reader.Get(ctx, client.ObjectKey{Name: mapping.Resource.GroupResource().String()}, crd)
	if apierrors.IsNotFound(err) {
		return false, nil
	}

	if err != nil {
		return false, err
	}

	for i := range crd.Spec.Versions {
		if version := &crd.Spec.Versions[i]; version.Name == kind.Version {
			return hasConditions(version.Schema), nil
		}
	}

	return false, nil
}

func hasConditions(validation *apiextensionsv1.CustomResourceValidation) bool {
	if validation == nil || validation.OpenAPIV3Schema == nil {
		return false
	}

	_, has := validation.OpenAPIV3Schema.Properties["status"].Properties["conditions"]

	return has
}

// observe reads how a sample is now.
func observe(ctx context.Context, reader client.Client, s sample) (row, error) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(s.kind)

	if err := reader.Get(ctx, s.key, object); err != nil {
		return row{}, err
	}

	return rowOf(s, object), nil
}

// rowOf is the row of the table for an object: the columns, and whether it is as expected.
func rowOf(s sample, object *unstructured.Unstructured) row {
	r := row{
		kind: s.kind.Kind, name: s.key.Name, want: s.want,
		ready: "-", reason: "-", created: object.GetCreationTimestamp().Time,
	}
	if s.key.Namespace != "" {
		r.name = s.key.String()
	}

	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions") // of no other type
	for _, condition := range conditions {
		fields, isMap := condition.(map[string]any)
		if !isMap || fields["type"] != "Ready" {
			continue
		}

		r.ready, _ = fields["status"].(string)
		r.reason, _ = fields["reason"].(string)
		r.message, _ = fields["message"].(string)
		r.current = isCurrent(fields, object.GetGeneration())
	}

	return r
}

// isCurrent reports whether a condition speaks of the object as it is now. Not every condition says.
func isCurrent(condition map[string]any, generation int64) bool {
	observed, says := condition["observedGeneration"].(int64)

	return !says || observed >= generation
}
