package groupbinding

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

const (
	// batch is how many users a run changes at most.
	batch = 200

	// nextBatch is how long the cache has to see what the last batch changed.
	nextBatch = 100 * time.Millisecond

	// maxFailures is after how many errors a run gives up.
	maxFailures = 5
)

// Reconciler gives the users that a GroupBinding names its group.
type Reconciler struct {
	client   client.Client
	live     client.Reader
	recorder events.EventRecorder
	clock    clock.PassiveClock
}

// New makes the controller.
func New(dependencies manager.Dependencies) (*manager.Controller, error) {
	reconciler := &Reconciler{
		client:   dependencies.Client,
		live:     dependencies.Live,
		recorder: dependencies.Recorder,
		clock:    dependencies.Clock,
	}

	return &manager.Controller{Reconciler: reconciler, Watches: reconciler.watches(), Indexes: indexes()}, nil
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	if request.Namespace == memberNamespace {
		_, err := r.member(ctx, request.Name, true)

		return kube.Result(err)
	}

	binding := &iamv1beta1.GroupBinding{}
	if err := r.client.Get(ctx, request.NamespacedName, binding); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}

	if kube.Paused(binding) {
		return kube.Result(r.report(ctx, binding, kube.Report{State: kube.StatePaused}))
	}

	group, err := r.groupState(ctx, binding.GroupRef.Name)
	if err != nil {
		return reconcile.Result{}, err
	}

	seen, err := r.apply(ctx, binding)
	if err == nil && len(seen.later) == 0 {
		// What the finalizer of 3.x waited for is done, and what was given is recorded with each user.
		err = r.release(ctx, binding)
	}

	if _, failure := kube.Result(err); err != nil && failure == nil {
		return kube.Result(err) // A lost race is looked at again at once and is not worth a condition.
	}

	if !binding.DeletionTimestamp.IsZero() {
		return again(seen, err)
	}

	problems := accounts.CheckGroupRef(binding.GroupRef)
	err = errors.Join(err, r.report(ctx, binding, verdict(binding, group, problems, seen, err)))

	if len(problems) > 0 {
		err = errors.Join(err, kube.Stalled(problems.Reason(), errors.New(problems.Message())))
	}

	return again(seen, err)
}

// again asks for another run where this one had too much to do.
func again(seen users, err error) (reconcile.Result, error) {
	if len(seen.later) > 0 && err == nil {
		return reconcile.Result{RequeueAfter: nextBatch}, nil
	}

	return kube.Result(err)
}

// users are those whom a binding names, less those with whom all is well.
type users struct {
	missing, paused, later []string
}

// apply gives each user of a binding the groups it should have.
func (r *Reconciler) apply(ctx context.Context, binding *iamv1beta1.GroupBinding) (users, error) {
	var (
		seen    users
		errs    []error
		written int
	)

	done := map[string]bool{}

	for _, name := range binding.Users {
		if done[name] {
			continue
		}

		done[name] = true

		result, err := r.member(ctx, name, written < batch)
		if err != nil {
			errs = append(errs, err)
		}

		if len(errs) == maxFailures {
			break
		}

		switch result {
		case outcomeMissing:
			seen.missing = append(seen.missing, name)
		case outcomePaused:
			seen.paused = append(seen.paused, name)
		case outcomeLater:
			seen.later = append(seen.later, name)
		case outcomeChanged:
			written++
		case outcomeSettled:
		}
	}

	return seen, errors.Join(errs...)
}

// release takes the finalizer off that 3.x left.
func (r *Reconciler) release(ctx context.Context, binding *iamv1beta1.GroupBinding) error {
	_, err := kube.RemoveFinalizers(ctx, r.client, binding, iamv1beta1.LegacyGroupBindingFinalizer)
	if err != nil {
		return fmt.Errorf("release the group binding: %w", err)
	}

	return nil
}

// report writes the status if it changed.
func (r *Reconciler) report(ctx context.Context, binding *iamv1beta1.GroupBinding, report kube.Report) error {
	next := binding.DeepCopy()
	next.Status.ObservedGeneration = next.Generation
	report.SetConditions(&next.Status.Conditions, next.Generation, r.clock.Now())

	changed, err := kube.PatchStatus(ctx, r.client, binding, next)
	if err != nil {
		return fmt.Errorf("report on the group binding: %w", err)
	}

	if changed {
		kube.Announce(r.recorder, binding, binding.Status.Conditions, report)
	}

	return nil
}
