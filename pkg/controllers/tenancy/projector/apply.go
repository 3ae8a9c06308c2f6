package projector

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/projection"
)

// nativeOf returns what is known of the native object of a source.
func (r *Reconciler) nativeOf(key client.ObjectKey) (projection.Digest, bool) {
	return r.known(r.kind.identity(key).Name, key.Namespace)
}

func (r *Reconciler) known(name, namespace string) (projection.Digest, bool) {
	digest, exists := r.natives.Version(client.ObjectKey{Namespace: namespace, Name: name})

	return projection.Digest(digest), exists
}

// apply brings the native object to what is wanted, nil for none. What was made before under another name goes when
// the new one is there, so that nobody loses in between what they keep.
func (r *Reconciler) apply(ctx context.Context, source, wanted client.Object) error {
	if wanted != nil {
		if err := r.put(ctx, wanted); err != nil {
			return err
		}
	}

	if usual := r.kind.identity(client.ObjectKeyFromObject(source)); wanted == nil || wanted.GetName() != usual.Name {
		if err := r.remove(ctx, usual.Name, usual.Namespace); err != nil {
			return err
		}
	}

	return r.swept(ctx)
}

// put writes a native object that is not known to be as it is wanted. One that is there is read before: a
// binding that refers to another role has to be made anew.
func (r *Reconciler) put(ctx context.Context, wanted client.Object) error {
	digest, exists := r.known(wanted.GetName(), wanted.GetNamespace())
	if exists && digest == projection.DigestOf(wanted, r.kind.ref) {
		return nil
	}

	var current client.Object

	if exists {
		current = r.kind.newNative()

		err := r.live.Get(ctx, client.ObjectKeyFromObject(wanted), current)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("read the native object: %w", err)
		}

		if err != nil {
			current = nil
		}
	}

	intent, err := intentOf(wanted)
	if err != nil {
		return err
	}

	if _, err := r.applier.ApplyReplacing(ctx, current, intent, "roleRef"); err != nil {
		return fmt.Errorf("make the native object: %w", err)
	}

	return nil
}

// intentOf returns the object as it is applied.
func intentOf(wanted client.Object) (runtime.ApplyConfiguration, error) {
	values, err := runtime.DefaultUnstructuredConverter.ToUnstructured(wanted)
	if err != nil {
		return nil, fmt.Errorf("convert a %T: %w", wanted, err)
	}

	unstructured.RemoveNestedField(values, "metadata", "creationTimestamp")

	return client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: values}), nil
}

// remove deletes a native object if it is this project's. The API server is asked whether it is: the deletion is
// held to the object that was looked at.
func (r *Reconciler) remove(ctx context.Context, name, namespace string) error {
	if digest, exists := r.known(name, namespace); !exists || digest.OwnerOf() != projection.Ours {
		return nil
	}

	current := r.kind.newNative()

	err := r.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, current)
	if apierrors.IsNotFound(err) {
		return nil
	}

	if err != nil {
		return fmt.Errorf("read the native object that is to go: %w", err)
	}

	if projection.DigestOf(current, r.kind.ref).OwnerOf() != projection.Ours {
		return nil
	}

	if _, err := kube.Delete(ctx, r.client, current); err != nil {
		return fmt.Errorf("take the native object away: %w", err)
	}

	return nil
}

// isNamespaceGoing tells whether something was refused because its namespace is being deleted.
func isNamespaceGoing(err error) bool {
	return apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}
