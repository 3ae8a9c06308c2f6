package kube

import (
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
)

// TransformOwned returns the transformation for the caches of children: of the
// managedFields it keeps what our field managers have applied, which is what an
// Applier compares with, and drops the rest, which is most of it.
func TransformOwned() toolscache.TransformFunc {
	return func(obj any) (any, error) {
		if object, ok := objectOf(obj); ok {
			object.SetManagedFields(keepOwned(object.GetManagedFields()))
		}

		return obj, nil
	}
}

// TransformMetadata returns the transformation for the caches of objects that
// are looked at by identity and labels only: all managedFields go, and so does
// kubectl's copy of the object in its annotation.
func TransformMetadata() toolscache.TransformFunc {
	return func(obj any) (any, error) {
		object, ok := objectOf(obj)
		if !ok {
			return obj, nil
		}

		object.SetManagedFields(nil)

		if _, found := object.GetAnnotations()[corev1.LastAppliedConfigAnnotation]; found {
			annotations := maps.Clone(object.GetAnnotations())
			delete(annotations, corev1.LastAppliedConfigAnnotation)
			object.SetAnnotations(annotations)
		}

		return obj, nil
	}
}

// objectOf returns the metadata of what a cache is about to store. A tombstone
// has none: what it holds went through here before.
func objectOf(obj any) (metav1.Object, bool) {
	if _, isTombstone := obj.(toolscache.DeletedFinalStateUnknown); isTombstone {
		return nil, false
	}

	object, err := meta.Accessor(obj)

	return object, err == nil
}

// keepOwned returns a new slice, for the old one would keep the rest in memory.
func keepOwned(entries []metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry {
	var kept []metav1.ManagedFieldsEntry

	for _, entry := range entries {
		if isApplied(entry) && strings.HasPrefix(entry.Manager, fieldOwnerPrefix) {
			kept = append(kept, entry)
		}
	}

	return kept
}
