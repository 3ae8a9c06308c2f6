package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// PatchMetadata merges changes into the metadata of obj, under its resourceVersion:
// what somebody has changed meanwhile is a conflict, and no other field is sent. On
// success obj is what the server answered.
func PatchMetadata(ctx context.Context, c client.Writer, obj client.Object, changes map[string]any) error {
	changes = maps.Clone(changes)
	changes["resourceVersion"] = obj.GetResourceVersion()

	patch, err := json.Marshal(map[string]any{"metadata": changes})
	if err != nil {
		return fmt.Errorf("encoding the patch: %w", err)
	}

	return c.Patch(ctx, obj, client.RawPatch(types.MergePatchType, patch))
}

// Find reads an object of the cluster and returns it, filled in, or the zero value
// where there is none.
func Find[T client.Object](ctx context.Context, reader client.Reader, name string, into T) (T, error) {
	var none T

	err := reader.Get(ctx, client.ObjectKey{Name: name}, into)
	if err == nil {
		return into, nil
	}

	if err = client.IgnoreNotFound(err); err != nil {
		err = fmt.Errorf("read %T %s: %w", into, name, err)
	}

	return none, err
}
