package migration

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	definitionGroup  = "apiextensions.k8s.io"
	definitionPlural = "customresourcedefinitions"
)

func definitionResource() schema.GroupResource {
	return schema.GroupResource{Group: definitionGroup, Resource: definitionPlural}
}

// definition holds the fields of a CustomResourceDefinition that count here. Its
// Go types would bring all of a schema's into every binary.
type definition struct {
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		Group string `json:"group"`
		Names struct {
			Kind string `json:"kind"`
		} `json:"names"`
		Versions []version `json:"versions"`
	} `json:"spec"`
	Status struct {
		StoredVersions []string `json:"storedVersions"`
	} `json:"status"`
}

type version struct {
	Name    string `json:"name"`
	Served  bool   `json:"served"`
	Storage bool   `json:"storage"`
}

// newDefinition returns an empty definition to talk with the API server about.
func newDefinition(name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(schema.GroupVersionKind{
		Group: definitionGroup, Version: "v1", Kind: "CustomResourceDefinition",
	})
	u.SetName(name)

	return u
}

func (m *Migrator) read(ctx context.Context, name string) (definition, error) {
	var d definition

	u := newDefinition(name)
	if err := m.client.Get(ctx, client.ObjectKeyFromObject(u), u); err != nil {
		return d, fmt.Errorf("reading definition %s: %w", name, err)
	}

	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &d); err != nil {
		return d, fmt.Errorf("decoding definition %s: %w", name, err)
	}

	return d, nil
}

// outdated tells whether there may be objects in another version than the
// storage version. Those of a definition on its way out go with it.
func (d definition) outdated() bool {
	return d.DeletionTimestamp.IsZero() && len(d.others()) > 0
}

// others returns the stored versions that have to go.
func (d definition) others() []string {
	storage := d.storage()

	return slices.DeleteFunc(slices.Clone(d.Status.StoredVersions), func(name string) bool { return name == storage })
}

// storage returns the storage version, of which the API server demands exactly
// one.
func (d definition) storage() string {
	for _, v := range d.Spec.Versions {
		if v.Storage {
			return v.Name
		}
	}

	return ""
}

// kind returns the kind of the objects in a version that can be asked for. What
// is written in any version is stored in the storage version, which need not be
// served itself.
func (d definition) kind() (schema.GroupVersionKind, error) {
	var served string

	for _, v := range d.Spec.Versions {
		if v.Served && (v.Storage || served == "") {
			served = v.Name
		}
	}

	if served == "" {
		return schema.GroupVersionKind{}, fmt.Errorf(
			"definition %s serves no version, so that its objects cannot be rewritten: serve %s", d.Name, d.storage())
	}

	return schema.GroupVersionKind{Group: d.Spec.Group, Version: served, Kind: d.Spec.Names.Kind}, nil
}
