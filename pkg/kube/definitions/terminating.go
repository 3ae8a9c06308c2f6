package definitions

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Going tells whether the definition of a resource is being deleted, or gone
// already. It is asked before a controller deletes what depends on an object that is
// being deleted: with its definition every object of a kind goes, and nobody means
// by that to lose what they stood for. live must read from the API server, for a
// cache may not have seen it yet.
func Going(ctx context.Context, live client.Reader, resource schema.GroupResource) (bool, error) {
	definition := Reference(resource.String())

	err := live.Get(ctx, client.ObjectKeyFromObject(definition), definition)
	if apierrors.IsNotFound(err) {
		return true, nil
	}

	if err != nil {
		return false, fmt.Errorf("ask whether the definition of %s is being deleted: %w", resource, err)
	}

	return !definition.GetDeletionTimestamp().IsZero(), nil
}
