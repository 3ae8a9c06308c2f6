package projector

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Reconciler brings the native object of one of KubeSphere's to what that says.
type Reconciler struct {
	kind     kind
	client   client.Client
	live     client.Reader
	natives  stores.Digests
	applier  *kube.Applier
	recorder events.EventRecorder
	clock    clock.PassiveClock

	// decide says what should be.
	decide func(context.Context, client.Object) (decision, error)

	// sweep removes native objects that belong to no single source. May be nil.
	sweep func(context.Context) error
}

// decision is what should be of a source.
type decision struct {
	// native is the native object, with its type. Nil: there is none.
	native client.Object

	// report is what there is to say once that is so.
	report kube.Report

	// stalled is not nil where only the author can help.
	stalled error
}

func newReconciler(of kind, dependencies manager.Dependencies) (*Reconciler, error) {
	natives, err := dependencies.Digests(of.nativeGVK())
	if err != nil {
		return nil, err
	}

	return &Reconciler{
		kind:     of,
		client:   dependencies.Client,
		live:     dependencies.Live,
		natives:  natives,
		applier:  kube.NewApplier(dependencies.Client, kube.FieldOwner(of.controller)),
		recorder: dependencies.Recorder,
		clock:    dependencies.Clock,
	}, nil
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	source := r.kind.newSource()

	err := r.client.Get(ctx, request.NamespacedName, source)
	if client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("read the %s: %w", r.kind.kind, err)
	}

	if err != nil {
		return kube.Result(r.forget(ctx, request.NamespacedName))
	}

	if kube.Paused(source) {
		return kube.Result(r.report(ctx, source, kube.Report{State: kube.StatePaused}))
	}

	if !source.GetDeletionTimestamp().IsZero() {
		return kube.Result(r.dismiss(ctx, source))
	}

	return kube.Result(r.ensure(ctx, source))
}

// ensure makes the native object what it should be, and reports.
func (r *Reconciler) ensure(ctx context.Context, source client.Object) error {
	if err := r.releaseLegacy(ctx, source); err != nil {
		return err
	}

	decided, err := r.decide(ctx, source)
	if err != nil {
		return err
	}

	if err := r.apply(ctx, source, decided.native); err != nil {
		return r.failed(ctx, source, err)
	}

	return errors.Join(decided.stalled, r.report(ctx, source, decided.report))
}

// failed reports what the API server refused. A lost race is looked at again at once and is not worth a condition,
// and a namespace on its way out takes everything with it.
func (r *Reconciler) failed(ctx context.Context, source client.Object, err error) error {
	if _, failure := kube.Result(err); failure == nil {
		return err
	}

	report := r.report(ctx, source, failure(err))
	if isNamespaceGoing(err) {
		return report
	}

	return errors.Join(err, report)
}

// dismiss removes the native object of a source that is being deleted, and lets the source go.
func (r *Reconciler) dismiss(ctx context.Context, source client.Object) error {
	if err := r.apply(ctx, source, nil); err != nil {
		return err
	}

	if err := r.releaseLegacy(ctx, source); err != nil {
		return err
	}

	return r.report(ctx, source, deleting())
}

// releaseLegacy takes KubeSphere's finalizer off: nobody else will, and this controller needs none.
func (r *Reconciler) releaseLegacy(ctx context.Context, source client.Object) error {
	if r.kind.legacy == "" {
		return nil
	}

	if _, err := kube.RemoveFinalizers(ctx, r.client, source, r.kind.legacy); err != nil {
		return fmt.Errorf("release the %s: %w", r.kind.kind, err)
	}

	return nil
}

// forget removes the native object of a source that is not in the cache. It asks the API server whether the source
// is gone: it may only have become another controller's.
func (r *Reconciler) forget(ctx context.Context, key client.ObjectKey) error {
	if _, exists := r.nativeOf(key); exists {
		err := r.live.Get(ctx, key, r.kind.newSource())
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("ask for the %s of a native object: %w", r.kind.kind, err)
		}

		if err == nil {
			return nil
		}

		if err := r.remove(ctx, r.kind.identity(key).Name, key.Namespace); err != nil {
			return err
		}
	}

	return r.swept(ctx)
}

func (r *Reconciler) swept(ctx context.Context) error {
	if r.sweep == nil {
		return nil
	}

	return r.sweep(ctx)
}

// report writes the status if it changed.
func (r *Reconciler) report(ctx context.Context, source client.Object, report kube.Report) error {
	after := copyOf(source)
	status, before := statusOf(after), statusOf(source)

	if status == nil || before == nil {
		return fmt.Errorf("report on a %T: it has no status", source)
	}

	status.ObservedGeneration = after.GetGeneration()
	report.SetConditions(&status.Conditions, after.GetGeneration(), r.clock.Now())

	changed, err := kube.PatchStatus(ctx, r.client, source, after)
	if err != nil {
		return fmt.Errorf("report on the %s: %w", r.kind.kind, err)
	}

	if changed {
		kube.Announce(r.recorder, source, before.Conditions, report)
	}

	return nil
}
