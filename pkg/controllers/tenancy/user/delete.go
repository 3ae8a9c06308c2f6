package user

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/user/traces"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

// nextBatch is how long the caches have to see what the last batch removed.
const nextBatch = 100 * time.Millisecond

// delete lets a user go when nothing names it any more. Where all users go because their definition does, nobody means
// to take rights away, and what names them stays.
func (r *Reconciler) delete(
	ctx context.Context, user *iamv1beta1.User, patch *accounts.Patch,
) (reconcile.Result, error) {
	users := schema.GroupResource{Group: iamv1beta1.GroupName, Resource: "users"}

	going, err := definitions.Going(ctx, r.live, users)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("delete user %s: %w", user.Name, err)
	}

	if going {
		return kube.Result(r.release(ctx, user, patch))
	}

	found, err := r.find(ctx, user.Name)
	if err != nil {
		return reconcile.Result{}, err
	}

	if len(found) > 0 {
		more, err := traces.Remove(ctx, r.client, found)
		err = errors.Join(err,
			r.write(ctx, user, patch, accounts.DeletingStatus(user.Status, traces.Awaited(found))))

		return again(more, err)
	}

	if !slices.Contains(user.Finalizers, iamv1beta1.UserFinalizer) {
		return kube.Result(r.release(ctx, user, patch)) // Others hold it; our part is done.
	}

	if err := r.removeUnwatched(ctx, user.Name); err != nil {
		return kube.Result(errors.Join(err, r.write(ctx, user, patch, user.Status)))
	}

	return kube.Result(r.release(ctx, user, patch))
}

// again is the result of a run that may have to be followed by another.
func again(needed bool, err error) (reconcile.Result, error) {
	if needed && err == nil {
		return reconcile.Result{RequeueAfter: nextBatch}, nil
	}

	return kube.Result(err)
}

func (r *Reconciler) release(ctx context.Context, user *iamv1beta1.User, patch *accounts.Patch) error {
	patch.RemoveFinalizer(iamv1beta1.UserFinalizer)

	return r.write(ctx, user, patch, user.Status)
}

// find finds all that names a user and is kept in memory.
func (r *Reconciler) find(ctx context.Context, user string) ([]traces.Trace, error) {
	found, errBindings := traces.Bindings(ctx, r.client, accounts.UserHolder(user))
	memberships, errMemberships := r.memberships(ctx, user)
	records, errRecords := r.records(ctx, user)

	found = append(found, memberships...)
	for i := range records {
		found = append(found, traces.Trace{Kind: "LoginRecord", Object: &records[i]})
	}

	return found, errors.Join(errBindings, errMemberships, errRecords)
}

func (r *Reconciler) memberships(ctx context.Context, user string) ([]traces.Trace, error) {
	bindings := &iamv1beta1.GroupBindingList{}
	if err := r.client.List(ctx, bindings, client.MatchingFields{memberIndex: user}); err != nil {
		return nil, fmt.Errorf("list the group bindings of the user: %w", err)
	}

	found := make([]traces.Trace, 0, len(bindings.Items))

	for i := range bindings.Items {
		patch, err := accounts.WithoutUser(&bindings.Items[i], user)
		if err != nil {
			return nil, err
		}

		found = append(found, traces.Trace{Kind: "GroupBinding", Object: &bindings.Items[i], Patch: patch})
	}

	return found, nil
}

// removeUnwatched removes by name what is not kept in memory. That the API server has accepted it is enough: these go
// at once, and whatever might hold one is not for the user to wait for.
func (r *Reconciler) removeUnwatched(ctx context.Context, user string) error {
	kubeconfig := accounts.KubeconfigName(user)
	objects := []client.Object{
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: accounts.ControlsNamespace, Name: kubeconfig}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: accounts.SystemNamespace, Name: kubeconfig}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
			Namespace: accounts.SystemNamespace, Name: accounts.ServiceAccountName(user),
		}},
	}

	for _, object := range objects {
		if _, err := kube.Delete(ctx, r.client, object); err != nil {
			return fmt.Errorf("clean up after user %s: %w", user, err)
		}
	}

	return nil
}
