package workspacepolicy

import (
	"context"
	"fmt"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/limits"
)

// guard has the admission policy asked about the workspaces that are full, and not at all when none is. It needs the
// policy that was just reported on, if any: the cache does not show yet what was published of it.
func (r *Reconciler) guard(ctx context.Context, published *tenantv1beta1.WorkspacePolicy) error {
	full, err := r.full(ctx, published)
	if err != nil {
		return err
	}

	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}

	err = r.client.Get(ctx, client.ObjectKey{Name: limits.Guard}, binding)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("look for the binding of the admission policy: %w", err)
	}

	if err != nil {
		binding = nil
	}

	isInstalled, err := r.isInstalled(ctx)
	if err != nil {
		return err
	}

	if len(full) == 0 || !isInstalled {
		return r.unbind(ctx, binding)
	}

	return r.bind(ctx, binding, full)
}

// bind has the admission policy asked about workspaces. Actions are a set to which others can add, and an API server
// takes none that both warns and denies: where there is another, only a new binding is as it should be.
func (r *Reconciler) bind(
	ctx context.Context, binding *admissionregistrationv1.ValidatingAdmissionPolicyBinding, full []string,
) error {
	deny := []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny}
	if binding != nil && !slices.Equal(binding.Spec.ValidationActions, deny) {
		if err := r.unbind(ctx, binding); err != nil {
			return err
		}

		binding = nil
	}

	_, err := r.applier.Apply(ctx, binding, limits.Binding(full))

	return err
}

// full returns the names of all workspaces that are full.
func (r *Reconciler) full(ctx context.Context, published *tenantv1beta1.WorkspacePolicy) ([]string, error) {
	var policies tenantv1beta1.WorkspacePolicyList
	if err := r.client.List(ctx, &policies, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list the policies: %w", err)
	}

	items := slices.Clone(policies.Items)

	for i := range items {
		if published != nil && items[i].Name == published.Name {
			items[i] = *published
		}
	}

	return limits.Full(items), nil
}

// isInstalled tells whether there is the admission policy. Without it there is nothing to put in force, and a binding
// to what is not there takes the right to read everything.
func (r *Reconciler) isInstalled(ctx context.Context) (bool, error) {
	policy := manager.MetadataOf(guardKind())

	err := r.client.Get(ctx, client.ObjectKey{Name: limits.Guard}, policy)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("look for the admission policy: %w", err)
	}

	return err == nil && policy.DeletionTimestamp.IsZero(), nil
}

func (r *Reconciler) unbind(
	ctx context.Context, binding *admissionregistrationv1.ValidatingAdmissionPolicyBinding,
) error {
	if binding == nil {
		return nil
	}

	klog.FromContext(ctx).V(1).Info("Deleting the binding of the admission policy", "binding", binding.Name)

	_, err := kube.Delete(ctx, r.client, binding)

	return err
}
