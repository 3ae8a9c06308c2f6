package workspace

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

// Reasons of the conditions of a workspace that is being deleted.
const (
	reasonOrphaning   = "Orphaning"
	reasonAnnounced   = "CascadeAnnounced"
	reasonCascading   = "Cascading"
	reasonProtected   = "ProtectedNamespaces"
	writesPerRun      = 200
	pauseBetweenSteps = 100 * time.Millisecond
)

// end lets a workspace go when its namespaces are free of it: of its label, or gone themselves. In every case they
// are first freed of the owner references that 3.x set, by which the garbage collector would delete them.
func (r *Reconciler) end(
	ctx context.Context, workspace *tenantv1beta1.Workspace, namespaces []metav1.PartialObjectMetadata,
) (reconcile.Result, error) {
	comesBack, err := r.comesBack(ctx, workspace)
	if err != nil {
		return reconcile.Result{}, err
	}

	if comesBack {
		more, err := eachOf(ctx, namespaces, r.disown)
		if more || err != nil {
			return again(more, err)
		}

		return kube.Result(r.release(ctx, workspace))
	}

	propagation, problems := tenancy.PropagationOf(workspace.Annotations, workspace.Finalizers)

	switch {
	case len(problems) > 0:
		return kube.Result(r.report(ctx, workspace, nil, kube.Report{
			State: kube.StateStalled, Reason: problems.Reason(), Message: problems.Message(),
		}))
	case len(namespaces) == 0:
		return kube.Result(r.release(ctx, workspace))
	case propagation.Cascades():
		return r.cascade(ctx, workspace, namespaces)
	default:
		return r.orphan(ctx, workspace, namespaces)
	}
}

// comesBack tells of a Workspace that goes without anybody meaning to end the workspace: its template makes it
// anew, or its whole definition goes, as when a chart is uninstalled. The namespaces keep its label then.
func (r *Reconciler) comesBack(ctx context.Context, workspace *tenantv1beta1.Workspace) (bool, error) {
	template := &metav1.PartialObjectMetadata{}
	template.SetGroupVersionKind(kind("WorkspaceTemplate"))

	err := r.client.Get(ctx, client.ObjectKey{Name: workspace.Name}, template)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("look for the template of the workspace: %w", err)
	}

	if err == nil && template.DeletionTimestamp.IsZero() {
		return true, nil
	}

	for _, resource := range []string{"workspaces", "workspacetemplates"} {
		going, err := definitions.Going(ctx, r.live, schema.GroupResource{
			Group: tenantv1beta1.GroupName, Resource: resource,
		})
		if going || err != nil {
			return going, err
		}
	}

	return false, nil
}

// orphan takes the label off the namespaces, so that they can join another workspace.
func (r *Reconciler) orphan(
	ctx context.Context, workspace *tenantv1beta1.Workspace, namespaces []metav1.PartialObjectMetadata,
) (reconcile.Result, error) {
	more, err := eachOf(ctx, namespaces, r.free)

	return again(more, errors.Join(err, r.report(ctx, workspace, nil, kube.Report{
		State: kube.StateProgressing, Reason: reasonOrphaning,
		Message: "Letting these namespaces go: " + listed(namespaces),
	})))
}

// cascade deletes the namespaces in two steps: first it says which, and only when that is seen to be written does
// it begin. As long as one of them is protected, none is deleted.
func (r *Reconciler) cascade(
	ctx context.Context, workspace *tenantv1beta1.Workspace, namespaces []metav1.PartialObjectMetadata,
) (reconcile.Result, error) {
	if obstacles := tenancy.Obstacles(members(namespaces)); len(obstacles) > 0 {
		return kube.Result(r.report(ctx, workspace, nil, kube.Report{
			State: kube.StateFailed, Reason: reasonProtected,
			Message: fmt.Sprintf("No namespace is deleted while these are protected: %s. Take the label %s off them, "+
				"move them to another workspace, or set the annotation %s to Orphan.", tenancy.Listed(obstacles),
				tenantv1beta1.ProtectedLabel, tenantv1beta1.DeletionPropagationAnnotation),
		}))
	}

	if !isAnnounced(workspace) {
		return kube.Result(r.report(ctx, workspace, nil, kube.Report{
			State: kube.StateProgressing, Reason: reasonAnnounced,
			Message: fmt.Sprintf("About to delete %d namespaces: %s", len(namespaces), listed(namespaces)),
		}))
	}

	if err := r.confirm(ctx, workspace); err != nil {
		return kube.Result(err)
	}

	more, err := eachOf(ctx, namespaces, r.deleteNamespace)

	return again(more, errors.Join(err, r.report(ctx, workspace, nil, kube.Report{
		State: kube.StateProgressing, Reason: reasonCascading,
		Message: fmt.Sprintf("Waiting for %d namespaces to go: %s", len(namespaces), listed(namespaces)),
	})))
}

func isAnnounced(workspace *tenantv1beta1.Workspace) bool {
	ready := meta.FindStatusCondition(workspace.Status.Conditions, kube.ConditionReady)

	return ready != nil && (ready.Reason == reasonAnnounced || ready.Reason == reasonCascading)
}

// confirm asks the API server whether this very Workspace is still being deleted with its namespaces. The cache
// may be late, and what follows cannot be undone.
func (r *Reconciler) confirm(ctx context.Context, workspace *tenantv1beta1.Workspace) error {
	now := &tenantv1beta1.Workspace{}
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(workspace), now); err != nil {
		return fmt.Errorf("confirm the deletion of the namespaces: %w", err)
	}

	propagation, problems := tenancy.PropagationOf(now.Annotations, now.Finalizers)
	if now.UID != workspace.UID || now.DeletionTimestamp.IsZero() || len(problems) > 0 || !propagation.Cascades() {
		return fmt.Errorf("confirm the deletion of the namespaces of workspace %s: it has changed meanwhile",
			workspace.Name)
	}

	return nil
}

// eachOf does something to the first of many, and tells whether there are more.
func eachOf(
	ctx context.Context, namespaces []metav1.PartialObjectMetadata,
	do func(context.Context, *metav1.PartialObjectMetadata) (bool, error),
) (bool, error) {
	var (
		errs []error
		done int
	)

	for i := range namespaces {
		if done == writesPerRun {
			return true, errors.Join(errs...)
		}

		wrote, err := do(ctx, &namespaces[i])
		errs = append(errs, err)

		if wrote {
			done++
		}
	}

	return false, errors.Join(errs...)
}

// free takes a namespace out of the workspace. Under its resourceVersion: one that has moved on is not ours to free.
func (r *Reconciler) free(ctx context.Context, namespace *metav1.PartialObjectMetadata) (bool, error) {
	return r.patch(ctx, namespace, map[string]any{
		"labels":          map[string]any{tenantv1beta1.WorkspaceLabel: nil},
		"ownerReferences": tenancy.ForeignOwners(namespace.OwnerReferences),
	})
}

func (r *Reconciler) disown(ctx context.Context, namespace *metav1.PartialObjectMetadata) (bool, error) {
	kept := tenancy.ForeignOwners(namespace.OwnerReferences)
	if len(kept) == len(namespace.OwnerReferences) {
		return false, nil
	}

	return r.patch(ctx, namespace, map[string]any{"ownerReferences": kept})
}

func (r *Reconciler) patch(
	ctx context.Context, namespace *metav1.PartialObjectMetadata, changes map[string]any,
) (bool, error) {
	err := kube.PatchMetadata(ctx, r.client, namespace, changes)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("let namespace %s go: %w", namespace.Name, err)
	}

	return true, nil
}

// deleteNamespace deletes what the cache shows and nothing else: a namespace that was moved or protected since has
// another version.
func (r *Reconciler) deleteNamespace(ctx context.Context, namespace *metav1.PartialObjectMetadata) (bool, error) {
	return kube.DeleteUnchanged(ctx, r.client, namespace)
}

// release takes our finalizer off, and those that KubeSphere left.
func (r *Reconciler) release(ctx context.Context, workspace *tenantv1beta1.Workspace) error {
	_, err := kube.RemoveFinalizers(ctx, r.client, workspace,
		tenantv1beta1.CascadingDeletionFinalizer,
		tenantv1beta1.LegacyWorkspaceFinalizer,
		tenantv1beta1.LegacyOrphanFinalizer)
	if err != nil {
		return fmt.Errorf("release the workspace: %w", err)
	}

	return nil
}

// again has the rest of many done in the next run.
func again(more bool, err error) (reconcile.Result, error) {
	if err == nil && more {
		return reconcile.Result{RequeueAfter: pauseBetweenSteps}, nil
	}

	return kube.Result(err)
}

func members(namespaces []metav1.PartialObjectMetadata) []tenancy.Member {
	all := make([]tenancy.Member, 0, len(namespaces))

	for i := range namespaces {
		all = append(all, tenancy.Member{
			Name:      namespaces[i].Name,
			Protected: namespaces[i].Labels[tenantv1beta1.ProtectedLabel] == "true",
		})
	}

	return all
}

func listed(namespaces []metav1.PartialObjectMetadata) string {
	names := make([]string, 0, len(namespaces))
	for i := range namespaces {
		names = append(names, namespaces[i].Name)
	}

	return tenancy.Listed(names)
}
