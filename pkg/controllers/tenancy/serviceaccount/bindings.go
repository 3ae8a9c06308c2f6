package serviceaccount

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/projection"
)

func bindingFor(account client.ObjectKey, name, role string) *rbacv1.RoleBinding {
	return projection.NewRoleBinding(
		projection.Identity{
			Namespace: account.Namespace, Name: name, Component: Name,
			Ref: iamv1beta1.ServiceAccountLabel, Source: account.Name,
		},
		"Role", role,
		[]rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: account.Namespace, Name: account.Name}})
}

// isGiven tells whether the binding is known to be as it should be. One that only looks like it does not count:
// somebody may have made it so that it is put right.
func (r *Reconciler) isGiven(wanted *rbacv1.RoleBinding) bool {
	known, exists := r.bindings.Version(client.ObjectKeyFromObject(wanted))

	return exists && known == digestOf(wanted)
}

// give makes the binding.
func (r *Reconciler) give(ctx context.Context, wanted *rbacv1.RoleBinding) error {
	if r.isGiven(wanted) {
		return nil
	}

	key := client.ObjectKeyFromObject(wanted)
	_, exists := r.bindings.Version(key)

	current, err := r.read(ctx, key, exists)
	if err != nil {
		return err
	}

	values, err := runtime.DefaultUnstructuredConverter.ToUnstructured(wanted)
	if err != nil {
		return fmt.Errorf("convert the binding: %w", err)
	}

	unstructured.RemoveNestedField(values, "metadata", "creationTimestamp")

	intent := client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: values})

	_, err = r.applier.ApplyReplacing(ctx, current, intent, "roleRef")
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return nil // Everything in it goes.
	}

	if err != nil {
		return fmt.Errorf("give a ServiceAccount its role: %w", err)
	}

	return nil
}

// read returns nil for what is not there, and does not look where nothing is known to be.
func (r *Reconciler) read(ctx context.Context, key client.ObjectKey, exists bool) (*rbacv1.RoleBinding, error) {
	if !exists {
		return nil, nil //nolint:nilnil // Absence is an answer.
	}

	binding := &rbacv1.RoleBinding{}

	err := r.live.Get(ctx, key, binding)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // Absence is an answer.
	}

	if err != nil {
		return nil, fmt.Errorf("read the binding %s: %w", key, err)
	}

	return binding, nil
}

// removeAll takes the bindings away that this controller made for an account, but the one of the given name.
func (r *Reconciler) removeAll(ctx context.Context, account client.ObjectKey, but string) error {
	var errs []error

	for _, name := range r.bindingsOf(account, projection.Ours) {
		if name == but {
			continue
		}

		errs = append(errs, r.remove(ctx, client.ObjectKey{Namespace: account.Namespace, Name: name},
			func(binding *rbacv1.RoleBinding) bool {
				return projection.DigestOf(binding, iamv1beta1.ServiceAccountLabel).OwnerOf() == projection.Ours
			}))
	}

	return errors.Join(errs...)
}

// removeLegacy takes the bindings away that KubeSphere made for an account: those that give nothing to anybody else.
func (r *Reconciler) removeLegacy(ctx context.Context, account client.ObjectKey) error {
	var errs []error

	for _, name := range r.bindingsOf(account, projection.Legacy) {
		errs = append(errs, r.remove(ctx, client.ObjectKey{Namespace: account.Namespace, Name: name},
			func(binding *rbacv1.RoleBinding) bool {
				return len(binding.Subjects) == 1 && binding.Subjects[0].Kind == rbacv1.ServiceAccountKind &&
					binding.Subjects[0].Name == account.Name && binding.Subjects[0].Namespace == account.Namespace
			}))
	}

	return errors.Join(errs...)
}

// bindingsOf returns the names of the bindings for an account, sorted. KubeSphere generated names that begin with
// that of the account.
func (r *Reconciler) bindingsOf(account client.ObjectKey, owner projection.Owner) []string {
	label := projection.LabelValue(account.Name) + "/"
	known := r.bindings.InNamespace(account.Namespace)

	return slices.DeleteFunc(slices.Sorted(maps.Keys(known)), func(name string) bool {
		digest, isFor := strings.CutPrefix(known[name], label)
		if !isFor || projection.Digest(digest).OwnerOf() != owner {
			return true
		}

		return owner == projection.Legacy && !strings.HasPrefix(name, account.Name+"-")
	})
}

// remove deletes a binding of which the API server says that it is what is meant.
func (r *Reconciler) remove(ctx context.Context, key client.ObjectKey, isMeant func(*rbacv1.RoleBinding) bool) error {
	binding, err := r.read(ctx, key, true)
	if err != nil || binding == nil || !isMeant(binding) {
		return err
	}

	if _, err := kube.Delete(ctx, r.client, binding); err != nil {
		return fmt.Errorf("take a role away: %w", err)
	}

	return nil
}

// annotate writes why an account does not have its role; an empty message removes what was written.
func (r *Reconciler) annotate(ctx context.Context, account *corev1.ServiceAccount, message string) error {
	var value any
	if message != "" {
		value = message
	}

	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": account.ResourceVersion,
		"annotations":     map[string]any{projection.RefusedAnnotation: value},
	}})
	if err != nil {
		return fmt.Errorf("encode the patch: %w", err)
	}

	err = r.client.Patch(ctx, account.DeepCopy(), client.RawPatch(types.MergePatchType, patch))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("tell why the role is not given: %w", err)
	}

	return nil
}
