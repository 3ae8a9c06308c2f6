package notificationconfig

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/settings"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

const (
	concurrency = 4

	// timeOfConditions is how exact the times of conditions are.
	timeOfConditions = time.Second
)

// Reconciler looks at one object.
type Reconciler struct {
	client   client.Client
	world    *world
	recorder events.EventRecorder
	clock    clock.PassiveClock
}

func newController(
	settings *settings.Settings, dependencies manager.Dependencies, secrets secretReader, maps *configMaps,
) *manager.Controller {
	namespace := func() string { return settings.Namespace }
	find := finder{dependencies.Client}

	return &manager.Controller{
		Reconciler: &Reconciler{
			client: dependencies.Client, recorder: dependencies.Recorder, clock: dependencies.Clock,
			world: newWorld(dependencies.Client, namespace, secrets, maps, dependencies.Clock),
		},
		Watches: find.watches(), Indexes: indexes(), Concurrency: concurrency,
	}
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	i := slices.IndexFunc(kinds(), func(one kind) bool { return one.name == request.Namespace })
	if i < 0 {
		return reconcile.Result{}, nil
	}

	object := kinds()[i].object()

	err := r.client.Get(ctx, client.ObjectKey{Name: request.Name}, object)
	if client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("read the %s: %w", request.Namespace, err)
	}

	if isGone := err != nil || !object.GetDeletionTimestamp().IsZero(); isGone {
		return reconcile.Result{}, nil
	}

	if _, isManager := object.(*notificationv2beta2.NotificationManager); kube.Paused(object) && !isManager {
		return kube.Result(r.report(ctx, object, copyOf(object), kube.Report{State: kube.StatePaused}))
	}

	platforms, err := r.world.look(ctx)
	if err != nil {
		return kube.Result(err)
	}

	look, after := &run{Reconciler: r, now: r.clock.Now(), platforms: platforms}, copyOf(object)

	found, err := look.check(ctx, after)
	if err != nil {
		return kube.Result(err)
	}

	if err := errors.Join(r.report(ctx, object, after, found.report()), found.failure()); err != nil {
		return kube.Result(err)
	}

	return reconcile.Result{RequeueAfter: look.again}, nil
}

func copyOf(object client.Object) client.Object {
	made, _ := object.DeepCopyObject().(client.Object)

	return made
}

// report writes the status if it changed. The controller that runs the service says whether a NotificationManager is
// Ready; here is said whether what it names is there.
func (r *Reconciler) report(ctx context.Context, before, after client.Object, report kube.Report) error {
	status := statusOf(after)
	if status == nil {
		return fmt.Errorf("%T has no status", after)
	}

	conditions := slices.Clone(status.Conditions)

	if _, isManager := after.(*notificationv2beta2.NotificationManager); isManager {
		r.setRefs(status, report, after.GetGeneration())
	} else {
		status.ObservedGeneration = after.GetGeneration()
		report.SetConditions(&status.Conditions, after.GetGeneration(), r.clock.Now())
	}

	changed, err := kube.PatchStatus(ctx, r.client, before, after)
	if err != nil {
		return fmt.Errorf("report on it: %w", err)
	}

	if _, isManager := after.(*notificationv2beta2.NotificationManager); changed && !isManager {
		kube.Announce(r.recorder, before, conditions, report)
	}

	return nil
}

// setRefs sets the one condition of a NotificationManager that is ours. Findings of its fields are in it as well.
func (r *Reconciler) setRefs(
	status *notificationv2beta2.CommonStatus, report kube.Report, generation int64,
) {
	made := metav1.Condition{Type: kube.ConditionResolvedRefs, Status: metav1.ConditionTrue, Reason: reasonResolved}

	for _, one := range report.Conditions {
		if one.Status == metav1.ConditionFalse || one.Message != "" {
			made.Status, made.Message = metav1.ConditionFalse, one.Message
			if made.Reason = one.Reason; made.Reason == reasonAccepted {
				made.Reason = reasonInvalid
			}
		}
	}

	made.ObservedGeneration = generation
	made.LastTransitionTime = metav1.NewTime(r.clock.Now().Truncate(timeOfConditions))

	meta.SetStatusCondition(&status.Conditions, made)
}

func statusOf(object client.Object) *notificationv2beta2.CommonStatus {
	switch object := object.(type) {
	case *notificationv2beta2.NotificationManager:
		return &object.Status.CommonStatus
	case *notificationv2beta2.Config:
		return &object.Status.CommonStatus
	case *notificationv2beta2.Receiver:
		return &object.Status.CommonStatus
	case *notificationv2beta2.Router:
		return &object.Status.CommonStatus
	case *notificationv2beta2.Silence:
		return &object.Status.CommonStatus
	case *notificationv2beta2.InhibitRule:
		return &object.Status.CommonStatus
	case *notificationv2beta2.NotificationPolicy:
		return &object.Status.CommonStatus
	default:
		return nil
	}
}
