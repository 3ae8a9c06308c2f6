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
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/platform"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/limits"
)

// Reconciler reports on one Workspace, and ends it.
type Reconciler struct {
	client   client.Client
	live     client.Reader
	recorder events.EventRecorder
	clock    clock.PassiveClock
}

// New makes the controller.
func New(dependencies manager.Dependencies) (*manager.Controller, error) {
	return &manager.Controller{
		Reconciler: &Reconciler{
			client:   dependencies.Client,
			live:     dependencies.Live,
			recorder: dependencies.Recorder,
			clock:    dependencies.Clock,
		},
		Watches:     watches(dependencies.Client),
		Indexes:     indexes(),
		Concurrency: concurrency,
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

	namespaces := metadataList()
	if err := r.client.List(ctx, namespaces, client.MatchingFields{platform.ByWorkspace: workspace.Name}); err != nil {
		return reconcile.Result{}, fmt.Errorf("list the namespaces of the workspace: %w", err)
	}

	if !workspace.DeletionTimestamp.IsZero() {
		return r.end(ctx, workspace, namespaces.Items)
	}

	added, err := kube.AddFinalizer(ctx, r.client, workspace, tenantv1beta1.CascadingDeletionFinalizer)
	if added || err != nil {
		return kube.Result(err)
	}

	return kube.Result(r.look(ctx, workspace, namespaces.Items))
}

// look reports on a workspace that is to stay.
func (r *Reconciler) look(
	ctx context.Context, workspace *tenantv1beta1.Workspace, namespaces []metav1.PartialObjectMetadata,
) error {
	var policies tenantv1beta1.WorkspacePolicyList
	if err := r.client.List(ctx, &policies, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list the policies of workspaces: %w", err)
	}

	seen := census(workspace, namespaces, policies.Items)
	problems := tenancy.CheckWorkspace(workspace)
	err := r.report(ctx, workspace, &seen, verdict(problems, seen))

	if len(problems) > 0 {
		err = errors.Join(err, kube.Stalled(problems.Reason(), errors.New(problems.Message())))
	}

	return err
}

// counted is what is published of the namespaces of a workspace.
type counted struct {
	namespaces int32
	limit      *int32
	policy     string
	frozen     []string
}

func census(
	workspace *tenantv1beta1.Workspace, namespaces []metav1.PartialObjectMetadata,
	policies []tenantv1beta1.WorkspacePolicy,
) counted {
	seen := counted{namespaces: int32(len(namespaces))} //nolint:gosec // a cluster holds far fewer than 2^31

	seen.limit, seen.policy = limits.Strictest(workspace.Labels, policies)
	if seen.limit != nil {
		seen.frozen = limits.Surplus(limits.Of(namespaces), *seen.limit)
	}

	return seen
}

const reasonFrozen = "NamespacesFrozen"

// verdict is what the conditions say.
func verdict(problems tenancy.Problems, seen counted) kube.Report {
	if len(problems) > 0 {
		return kube.Report{
			State: kube.StateStalled, Reason: problems.Reason(), Message: problems.Message(),
			Conditions: []metav1.Condition{{
				Type: kube.ConditionAccepted, Status: metav1.ConditionFalse, Message: problems.Message(),
			}},
		}
	}

	report := kube.Report{
		State: kube.StateReady, Message: "The workspace is open to namespaces that carry its label.",
		Conditions: []metav1.Condition{{
			Type: kube.ConditionAccepted, Status: metav1.ConditionTrue, Reason: kube.ConditionAccepted,
		}},
	}

	if len(seen.frozen) > 0 {
		report.State, report.Reason = kube.StateFailed, reasonFrozen
		report.Message = fmt.Sprintf("WorkspacePolicy %s allows %d namespaces; no role of the workspace is effective "+
			"in those made beyond that: %s. Raise the limit or delete namespaces.",
			seen.policy, *seen.limit, tenancy.Listed(seen.frozen))
	}

	return report
}

// maxFrozen is how many names the status has room for.
const maxFrozen = 100

// report writes the status if it changed. Without a count the last one stays.
func (r *Reconciler) report(
	ctx context.Context, workspace *tenantv1beta1.Workspace, seen *counted, report kube.Report,
) error {
	after := workspace.DeepCopy()
	after.Status.ObservedGeneration = after.Generation

	if seen != nil {
		after.Status.NamespaceCount = &seen.namespaces
		after.Status.NamespaceLimit = seen.limit
		after.Status.FrozenNamespaces = seen.frozen[:min(maxFrozen, len(seen.frozen))]
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
