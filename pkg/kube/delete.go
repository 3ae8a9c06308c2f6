package kube

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Delete asks for the removal of obj and says whether this call did. An object
// that is already on its way out, or gone, needs nothing. The UID is a
// precondition: what somebody has meanwhile created under the same name is not
// what the caller looked at, and stays. Such a conflict is returned.
func Delete(ctx context.Context, c client.Writer, obj client.Object, options ...client.DeleteOption) (bool, error) {
	if !obj.GetDeletionTimestamp().IsZero() {
		return false, nil
	}

	var preconditions client.Preconditions
	if uid := obj.GetUID(); uid != "" {
		preconditions.UID = &uid
	}

	return deleteWith(ctx, c, obj, append(options, preconditions)...)
}

// DeleteUnchanged is Delete for what nobody has touched since it was read: anything else is a conflict.
func DeleteUnchanged(ctx context.Context, c client.Writer, obj client.Object) (bool, error) {
	if !obj.GetDeletionTimestamp().IsZero() {
		return false, nil
	}

	uid, version := obj.GetUID(), obj.GetResourceVersion()

	return deleteWith(ctx, c, obj, client.Preconditions{UID: &uid, ResourceVersion: &version})
}

func deleteWith(
	ctx context.Context, c client.Writer, obj client.Object, options ...client.DeleteOption,
) (bool, error) {
	err := c.Delete(ctx, obj, options...)
	if apierrors.IsNotFound(err) {
		return false, nil
	}

	if err != nil {
		return false, fmt.Errorf("deleting %s: %w", describe(obj), err)
	}

	return true, nil
}

// describe names an object for messages: its kind, or its Go type where, as in
// a cache, the kind has been stripped, and its name.
func describe(obj client.Object) string {
	kind := obj.GetObjectKind().GroupVersionKind().Kind
	if kind == "" {
		kind = fmt.Sprintf("%T", obj)
	}

	return kind + " " + client.ObjectKeyFromObject(obj).String()
}
