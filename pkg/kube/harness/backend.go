package harness

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Backend is where trials take place.
type Backend interface {
	// Open returns a client that reads and writes a server directly, without a
	// cache, and understands the subject's Indexes. None of the objects of an
	// earlier trial is left there.
	Open(ctx context.Context, s Subject) (client.WithWatch, error)
	// Wipe removes the objects a trial has made, in whatever state they are, and
	// touches no others.
	Wipe(ctx context.Context, c client.Client, made []Ref) error
}

// Ref names an object.
type Ref struct {
	Kind schema.GroupVersionKind
	Key  types.NamespacedName
}

// String returns the kind and the name.
func (r Ref) String() string {
	if r.Key.Namespace == "" {
		return r.Kind.Kind + " " + r.Key.Name
	}

	return r.Kind.Kind + " " + r.Key.String()
}
