package workspacepolicy

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
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/limits"
)

const (
	reasonDryRun   = "DryRun"
	reasonInForce  = "InForce"
	reasonNoLimits = "NoLimits"

	// maxFull is how many names the status has room for.
	maxFull = 10_000
)

// Reconciler reports on one WorkspacePolicy, and has the admission policy go by what all of them say.
type Reconciler struct {
	client   client.Client
	applier  *kube.Applier
	recorder events.EventRecorder
	clock    clock.PassiveClock
}

// New makes the controller. It looks at one policy at a time, for what it makes is made of all.
func New(dependencies manager.Dependencies) (*manager.Controller, error) {
	return &manager.Controller{
		Reconciler: &Reconciler{
			client:   dependencies.Client,
			applier:  kube.NewApplier(dependencies.Client, kube.FieldOwner(Name)),
			recorder: dependencies.Recorder,
			clock:    dependencies.Clock,
		},
		Watches: watches(dependencies.Client),
	}, nil
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	policy := &tenantv1beta1.WorkspacePolicy{}

	err := r.client.Get(ctx, request.NamespacedName, policy)
	if client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, err
	}

	if err != nil || !policy.DeletionTimestamp.IsZero() {
		return kube.Result(r.guard(ctx, nil))
	}

	published, err := r.publish(ctx, policy)

	return kube.Result(errors.Join(err, r.guard(ctx, published)))
}

// publish says in the status of a policy what it finds, and returns the policy with it.
func (r *Reconciler) publish(
	ctx context.Context, policy *tenantv1beta1.WorkspacePolicy,
) (*tenantv1beta1.WorkspacePolicy, error) {
	if kube.Paused(policy) {
		return r.report(ctx, policy, nil, kube.Report{State: kube.StatePaused})
	}

	if problems := limits.CheckPolicy(policy); len(problems) > 0 {
		published, err := r.report(ctx, policy, &limits.Census{}, refused(problems))

		return published, errors.Join(err, kube.Stalled(problems.Reason(), errors.New(problems.Message())))
	}

	var workspaces tenantv1beta1.WorkspaceList
	if err := r.client.List(ctx, &workspaces, client.UnsafeDisableDeepCopy); err != nil {
		return policy, fmt.Errorf("list the workspaces: %w", err)
	}

	census := limits.Count(policy, workspaces.Items)

	return r.report(ctx, policy, &census, inForce(policy, census))
}

// refused reports a policy that its author has to change.
func refused(problems tenancy.Problems) kube.Report {
	return kube.Report{
		State: kube.StateStalled, Reason: problems.Reason(), Message: problems.Message(),
		Conditions: []metav1.Condition{
			{Type: kube.ConditionAccepted, Status: metav1.ConditionFalse, Message: problems.Message()},
		},
	}
}

// inForce reports a policy that works. The message leaves out which workspaces are full: status.fullWorkspaces has
// them, and one that changes with every namespace would be no news.
func inForce(policy *tenantv1beta1.WorkspacePolicy, census limits.Census) kube.Report {
	report := kube.Report{
		State: kube.StateReady, Reason: reasonInForce,
		Conditions: []metav1.Condition{{
			Type: kube.ConditionAccepted, Status: metav1.ConditionTrue, Reason: kube.ConditionAccepted,
		}},
	}

	limit := policy.Spec.Limits.Namespaces

	switch {
	case limit == nil:
		report.Reason, report.Message = reasonNoLimits, "The policy has no limits: set spec.limits.namespaces."
	case policy.Spec.Mode == tenantv1beta1.ModeDryRun:
		report.Reason = reasonDryRun
		report.Message = fmt.Sprintf("With spec.mode Enforce, members could bring each workspace to %d namespaces; "+
			"status.fullWorkspaces lists those that have as many.", *limit)
	default:
		report.Message = fmt.Sprintf("Members may bring each workspace to %d namespaces.", *limit)
	}

	if len(census.Full) > maxFull {
		report.Message += fmt.Sprintf(" More than %d workspaces are full: those not listed in status.fullWorkspaces "+
			"are held to the limit by freezing alone.", maxFull)
	}

	return report
}

// report writes the status if it changed, and returns the policy with it. Without a census the last one stays.
func (r *Reconciler) report(
	ctx context.Context, policy *tenantv1beta1.WorkspacePolicy, census *limits.Census, report kube.Report,
) (*tenantv1beta1.WorkspacePolicy, error) {
	after := policy.DeepCopy()
	after.Status.ObservedGeneration = after.Generation

	if census != nil {
		after.Status.WorkspaceCount = new(int32(census.Selected)) //nolint:gosec // a cluster holds far fewer than 2^31
		after.Status.FullWorkspaces = census.Full[:min(maxFull, len(census.Full))]
	}

	report.SetConditions(&after.Status.Conditions, after.Generation, r.clock.Now())

	changed, err := kube.PatchStatus(ctx, r.client, policy, after)
	if err != nil {
		return after, fmt.Errorf("report on the policy: %w", err)
	}

	if changed {
		kube.Announce(r.recorder, policy, policy.Status.Conditions, report)
	}

	return after, nil
}
