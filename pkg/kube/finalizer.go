package kube

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// AddFinalizer puts the finalizer name on obj and says whether it had to. An
// object that is being deleted is left alone: the API server accepts no new
// finalizers there.
//
// Only metadata.finalizers is sent, under obj's resourceVersion, so that fields
// the Go type of obj does not know survive and a concurrent change is a
// conflict, not a loss. On success obj is what the server answered.
func AddFinalizer(ctx context.Context, c client.Writer, obj client.Object, name string) (bool, error) {
	if !obj.GetDeletionTimestamp().IsZero() || slices.Contains(obj.GetFinalizers(), name) {
		return false, nil
	}

	finalizers := append(slices.Clone(obj.GetFinalizers()), name)
	if err := patchFinalizers(ctx, c, obj, finalizers); err != nil {
		return false, fmt.Errorf("adding finalizer %s to %s: %w", name, describe(obj), err)
	}

	return true, nil
}

// RemoveFinalizers takes the finalizers names off obj and says whether it had
// to. An object that is gone needs nothing. See AddFinalizer for what is sent.
func RemoveFinalizers(ctx context.Context, c client.Writer, obj client.Object, names ...string) (bool, error) {
	ours := func(name string) bool { return slices.Contains(names, name) }
	if !slices.ContainsFunc(obj.GetFinalizers(), ours) {
		return false, nil
	}

	finalizers := slices.DeleteFunc(slices.Clone(obj.GetFinalizers()), ours)

	err := patchFinalizers(ctx, c, obj, finalizers)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("removing finalizers %v from %s: %w", names, describe(obj), err)
	}

	return err == nil, nil
}

func patchFinalizers(ctx context.Context, c client.Writer, obj client.Object, finalizers []string) error {
	return PatchMetadata(ctx, c, obj, map[string]any{"finalizers": finalizers})
}
