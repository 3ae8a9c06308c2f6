// Package definitions tells which custom kinds the API server serves, now and
// whenever that changes.
//
// What counts is discovery: only what is listed there can be read. A metadata watch
// on custom resource definitions says when to ask again. It also knows what discovery
// does not tell: that a definition is on its way out, and how old its schema is.
package definitions

import (
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// RevisionAnnotation is on each of our definitions: the number of its schema. It
// grows with each change of the schema, so that a manager knows when a cluster has
// an older one than it needs. A definition without it has revision 0.
const RevisionAnnotation = "ks.kubesphere.io/schema-revision"

// Wanted is a kind that somebody wants to know about.
type Wanted struct {
	Kind schema.GroupVersionKind
	// Resource is its name in URLs, in plural.
	Resource string
}

// Name returns the name of the kind's definition.
func (w Wanted) Name() string { return w.Resource + "." + w.Kind.Group }

// Kind is what is known of a kind.
type Kind struct {
	// Served tells whether the API server serves it in its version.
	Served bool
	// HasStatus tells whether its status is a subresource.
	HasStatus bool
	// Definition is its custom resource definition; nil where it has none, as a built-in
	// kind or one of an aggregated API server.
	Definition *Definition
}

// Definition is what is known of a custom resource definition.
type Definition struct {
	Name string
	UID  types.UID
	// Generation grows with each change of the specification.
	Generation int64
	// Revision is the number of the schema, zero for definitions that are not ours.
	Revision int
	// Terminating tells that the definition was deleted and waits for its instances.
	Terminating bool
}

// Kind of the definitions themselves.
func definitionKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{
		Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition",
	}
}

// Resource is the resource of the definitions themselves.
const Resource = "customresourcedefinitions"

// Reference returns an empty object that stands for a definition's metadata.
func Reference(name string) *metav1.PartialObjectMetadata {
	definition := &metav1.PartialObjectMetadata{}
	definition.SetGroupVersionKind(definitionKind())
	definition.SetName(name)

	return definition
}

// trim keeps of a definition's metadata what a [Definition] tells. There may be
// hundreds of them, each with annotations of its own.
func trim(object client.Object) {
	kept := map[string]string{}
	if revision, found := object.GetAnnotations()[RevisionAnnotation]; found {
		kept[RevisionAnnotation] = revision
	}

	object.SetAnnotations(kept)
	object.SetLabels(nil)
	object.SetOwnerReferences(nil)
	object.SetFinalizers(nil)
}

func fromMetadata(object client.Object) *Definition {
	// What is no number is no revision of ours.
	revision, _ := strconv.Atoi(object.GetAnnotations()[RevisionAnnotation])

	return &Definition{
		Name: object.GetName(), UID: object.GetUID(), Generation: object.GetGeneration(),
		Revision: revision, Terminating: !object.GetDeletionTimestamp().IsZero(),
	}
}
