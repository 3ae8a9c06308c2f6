package harness

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Live returns a backend on a real API server, through a client that has no
// cache (client.NewWithWatch). The server may have other users, as long as none
// of them makes objects of the same names: a trial sees, and removes, only what
// was made through its own client. Trials on one server must not run at the same
// time.
//
// Garbage is collected by the trial itself, so a server without controllers
// will do. A namespace that a trial made is finalized at its end: whatever
// controllers left in it stays behind, and comes back with the name.
func Live(c client.WithWatch) Backend {
	return liveBackend{client: c}
}

type liveBackend struct {
	client client.WithWatch
}

// Open implements Backend.
func (b liveBackend) Open(_ context.Context, s Subject) (client.WithWatch, error) {
	return withIndexes(b.client, s), nil
}

// Wipe implements Backend. Finalizers go first: their owners are not there any
// more. Namespaces go last.
func (liveBackend) Wipe(ctx context.Context, c client.Client, made []Ref) error {
	var errs []error

	for _, ref := range made {
		if !isNamespace(ref) {
			errs = append(errs, wipe(ctx, c, ref))
		}
	}

	for _, ref := range made {
		if isNamespace(ref) {
			errs = append(errs, wipe(ctx, c, ref))
		}
	}

	return errors.Join(errs...)
}

func isNamespace(ref Ref) bool {
	return ref.Kind == corev1.SchemeGroupVersion.WithKind("Namespace")
}

var errStillThere = errors.New("it is still there")

// wipe removes an object, in whatever state it is.
func wipe(ctx context.Context, c client.Client, ref Ref) error {
	obj := emptyOf(ref.Kind)
	obj.SetName(ref.Key.Name)
	obj.SetNamespace(ref.Key.Namespace)

	strip := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	if err := c.Patch(ctx, obj, strip); err != nil {
		return ignoreGone(ref, "taking the finalizers off", err)
	}

	uid := obj.GetUID()
	if uid == "" { // It was being deleted, and the finalizers were all that held it.
		return nil
	}

	err := c.Delete(ctx, obj, client.Preconditions{UID: &uid}, client.GracePeriodSeconds(0),
		client.PropagationPolicy(metav1.DeletePropagationBackground))
	if err != nil {
		return ignoreGone(ref, "deleting", err)
	}

	if isNamespace(ref) {
		if err := finalize(ctx, c, ref); err != nil {
			return ignoreGone(ref, "finalizing", err)
		}
	}

	err = c.Get(ctx, ref.Key, emptyOf(ref.Kind))
	if err == nil {
		return fmt.Errorf("wiping %s: %w", ref, errStillThere)
	}

	return ignoreGone(ref, "reading", err)
}

func ignoreGone(ref Ref, doing string, err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}

	return fmt.Errorf("%s %s: %w", doing, ref, err)
}

// finalize lets a deleted namespace go without what would empty it.
func finalize(ctx context.Context, c client.Client, ref Ref) error {
	namespace := &corev1.Namespace{}
	if err := c.Get(ctx, ref.Key, namespace); err != nil {
		return err
	}

	namespace.Spec.Finalizers = nil

	return c.SubResource("finalize").Update(ctx, namespace)
}
