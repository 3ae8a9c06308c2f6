package namespaceassignment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/assignment"
)

const (
	// movesPerRun bounds what one run writes, so that other assignments have their turn.
	movesPerRun = 200

	pauseBetweenRuns = 100 * time.Millisecond

	// ownNamespaceFile holds the namespace of the pod, where the process runs in one.
	ownNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)

// Reconciler makes one NamespaceAssignment effective.
type Reconciler struct {
	client   client.Client
	recorder events.EventRecorder
	clock    clock.PassiveClock

	// own is the namespace that the manager itself runs in, which is never assigned. Empty outside of a pod.
	own string
}

// New makes the controller.
func New(dependencies manager.Dependencies) (*manager.Controller, error) {
	return &manager.Controller{
		Reconciler: &Reconciler{
			client:   dependencies.Client,
			recorder: dependencies.Recorder,
			clock:    dependencies.Clock,
			own:      ownNamespace(),
		},
		Watches: watches(dependencies.Client),
	}, nil
}

// ownNamespace is not known outside of a pod. There the process is a developer's, and the namespaces of a usual
// installation are spared by their names.
func ownNamespace() string {
	content, err := os.ReadFile(ownNamespaceFile)
	if err != nil {
		return ""
	}

	return strings.TrimSpace(string(content))
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	object := &tenantv1beta1.NamespaceAssignment{}
	if err := r.client.Get(ctx, request.NamespacedName, object); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}

	if !object.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil // The namespaces stay where they are.
	}

	if kube.Paused(object) {
		return kube.Result(r.report(ctx, object, object.Status, kube.Report{State: kube.StatePaused}))
	}

	selector, problems := assignment.Parse(&object.Spec.Selector)
	if len(problems) > 0 {
		err := r.report(ctx, object, tenantv1beta1.NamespaceAssignmentStatus{}, refused(problems))

		return kube.Result(errors.Join(err, kube.Stalled(problems.Reason(), errors.New(problems.Message()))))
	}

	found, err := r.gather(ctx, object, selector)
	if err != nil {
		return reconcile.Result{}, err
	}

	if !found.workspace {
		return kube.Result(r.report(ctx, object, tenantv1beta1.NamespaceAssignmentStatus{}, unresolved(object)))
	}

	return r.ensure(ctx, object, found)
}

// ensure moves what is to be moved, and reports.
func (r *Reconciler) ensure(
	ctx context.Context, object *tenantv1beta1.NamespaceAssignment, found snapshot,
) (reconcile.Result, error) {
	decision := assignment.Decide(found.assignment, found.all, found.namespaces)
	status := counts(decision)

	if found.assignment.DryRun {
		return kube.Result(r.report(ctx, object, status, rehearsed(object, decision)))
	}

	now := decision.Moves[:min(movesPerRun, len(decision.Moves))]

	if err := r.move(ctx, object.Spec.Workspace, found, now); err != nil {
		// A lost race is looked at again at once and is not worth a condition.
		if again, failure := kube.Result(err); failure == nil {
			return again, nil
		}

		return kube.Result(errors.Join(err, r.report(ctx, object, status, failed(err))))
	}

	result, err := kube.Result(r.report(ctx, object, status, enforced(object, decision)))
	if err == nil && len(now) < len(decision.Moves) {
		result.RequeueAfter = pauseBetweenRuns
	}

	return result, err
}

// report writes the status if it changed.
func (r *Reconciler) report(
	ctx context.Context, object *tenantv1beta1.NamespaceAssignment, status tenantv1beta1.NamespaceAssignmentStatus,
	report kube.Report,
) error {
	after := object.DeepCopy()
	status.Conditions = after.Status.Conditions
	status.ObservedGeneration = after.Generation
	after.Status = status
	report.SetConditions(&after.Status.Conditions, after.Generation, r.clock.Now())

	changed, err := kube.PatchStatus(ctx, r.client, object, after)
	if err != nil {
		return fmt.Errorf("report on the assignment: %w", err)
	}

	if changed {
		kube.Announce(r.recorder, object, object.Status.Conditions, report)
	}

	return nil
}
