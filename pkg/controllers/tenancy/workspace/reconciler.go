package workspace

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

// Reconciler reports on one Workspace.
type Reconciler struct {
	client   client.Client
	recorder events.EventRecorder
	clock    clock.PassiveClock
}

// New makes the controller.
func New(dependencies manager.Dependencies) (*manager.Controller, error) {
	return &manager.Controller{
		Reconciler: &Reconciler{
			client:   dependencies.Client,
			recorder: dependencies.Recorder,
			clock:    dependencies.Clock,
		},
		Watches: watches(),
		Indexes: indexes(),
	}, nil
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	workspace := &tenantv1beta1.Workspace{}
	if err := r.client.Get(ctx, request.NamespacedName, workspace); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}

	if kube.Paused(workspace) {
		return kube.Result(r.report(ctx, workspace, nil, kube.Report{State: kube.StatePaused}))
	}

	if !workspace.DeletionTimestamp.IsZero() {
		return kube.Result(r.release(ctx, workspace))
	}

	namespaces, err := r.countNamespaces(ctx, workspace.Name)
	if err != nil {
		return reconcile.Result{}, err
	}

	problems := tenancy.CheckWorkspace(workspace)
	err = r.report(ctx, workspace, &namespaces, verdict(problems))

	if len(problems) > 0 {
		err = errors.Join(err, kube.Stalled(problems.Reason(), errors.New(problems.Message())))
	}

	return kube.Result(err)
}

// release lets go of a Workspace that KubeSphere's finalizers would keep forever. Its namespaces stay.
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

func (r *Reconciler) countNamespaces(ctx context.Context, workspace string) (int32, error) {
	namespaces := &metav1.PartialObjectMetadataList{}
	namespaces.SetGroupVersionKind(namespaceKind())

	if err := r.client.List(ctx, namespaces, client.MatchingFields{workspaceIndex: workspace}); err != nil {
		return 0, fmt.Errorf("list the namespaces of the workspace: %w", err)
	}

	return int32(len(namespaces.Items)), nil //nolint:gosec // a cluster holds far fewer namespaces than 2^31
}

// verdict is what the conditions say.
func verdict(problems tenancy.Problems) kube.Report {
	if len(problems) > 0 {
		return kube.Report{
			State: kube.StateStalled, Reason: problems.Reason(), Message: problems.Message(),
			Conditions: []metav1.Condition{{
				Type: kube.ConditionAccepted, Status: metav1.ConditionFalse, Message: problems.Message(),
			}},
		}
	}

	return kube.Report{
		State: kube.StateReady, Message: "The workspace is open to namespaces that carry its label.",
		Conditions: []metav1.Condition{{
			Type: kube.ConditionAccepted, Status: metav1.ConditionTrue, Reason: kube.ConditionAccepted,
		}},
	}
}

// report writes the status if it changed. Without a count the last one stays.
func (r *Reconciler) report(
	ctx context.Context, workspace *tenantv1beta1.Workspace, namespaces *int32, report kube.Report,
) error {
	after := workspace.DeepCopy()
	after.Status.ObservedGeneration = after.Generation

	if namespaces != nil {
		after.Status.NamespaceCount = namespaces
	}

	report.SetConditions(&after.Status.Conditions, after.Generation, r.clock.Now())

	changed, err := kube.PatchStatus(ctx, r.client, workspace, after)
	if err != nil {
		return fmt.Errorf("report on the workspace: %w", err)
	}

	if changed {
		kube.Announce(r.recorder, workspace, workspace.Status.Conditions, report)
	}

	return nil
}
