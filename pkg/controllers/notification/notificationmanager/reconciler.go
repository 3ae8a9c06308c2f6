package notificationmanager

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/settings"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/notification/rendering"
)

// Reconciler runs the service of one NotificationManager.
type Reconciler struct {
	settings *settings.Settings
	client   client.Client
	live     client.Reader
	applier  *kube.Applier
	recorder events.EventRecorder
	clock    clock.PassiveClock
}

// New makes the controller.
func New(settings *settings.Settings, dependencies manager.Dependencies) *manager.Controller {
	watches := []manager.Watch{{
		Object: &notificationv2beta2.NotificationManager{}, Handler: &handler.EnqueueRequestForObject{},
		Predicates: []predicate.Predicate{predicate.Or[client.Object](
			predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})},
	}}

	for _, one := range kinds() {
		watches = append(watches, manager.Watch{
			Object: one.object(), Handler: handler.EnqueueRequestsFromMapFunc(managerOf),
		})
	}

	return &manager.Controller{
		Reconciler: &Reconciler{
			settings: settings, client: dependencies.Client, live: dependencies.Live,
			applier:  kube.NewApplier(dependencies.Client, kube.FieldOwner(Name)),
			recorder: dependencies.Recorder, clock: dependencies.Clock,
		},
		Watches: watches,
	}
}

// managerOf is the NotificationManager that an object belongs to.
func managerOf(_ context.Context, object client.Object) []reconcile.Request {
	name := object.GetLabels()[notificationv2beta2.ManagerLabel]
	if name == "" {
		return nil
	}

	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: name}}}
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	object := &notificationv2beta2.NotificationManager{}

	err := r.client.Get(ctx, request.NamespacedName, object)
	if client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("read the NotificationManager: %w", err)
	}

	if isGone := err != nil || !object.DeletionTimestamp.IsZero(); isGone {
		return reconcile.Result{}, nil // What belongs to it goes with it.
	}

	if kube.Paused(object) {
		return kube.Result(r.report(ctx, object, object.Status, kube.Report{State: kube.StatePaused}))
	}

	found, err := r.gather(ctx, object)
	if err != nil {
		return kube.Result(err)
	}

	decided := rendering.Render(object, r.target(object, found))
	failure := r.apply(ctx, object, found, decided)
	status, report := verdict(object, found, decided, failure)

	return kube.Result(errors.Join(failure, r.report(ctx, object, status, report), stalled(decided)))
}

// target is where the service goes. What its workload selects already is kept.
func (r *Reconciler) target(
	object *notificationv2beta2.NotificationManager, found children,
) rendering.Target {
	kind := kindOf(rendering.Stateful(&object.Spec))

	return rendering.Target{
		Namespace: r.settings.Namespace, Image: r.settings.Image, Registry: r.settings.Registry,
		PullSecrets: r.settings.PullSecrets, Selector: found.selector(kind, r.settings.Namespace, object.Name),
	}
}

// report writes the status if it changed.
func (r *Reconciler) report(
	ctx context.Context, object *notificationv2beta2.NotificationManager,
	status notificationv2beta2.NotificationManagerStatus, report kube.Report,
) error {
	after := object.DeepCopy()
	after.Status.Replicas, after.Status.ReadyReplicas = status.Replicas, status.ReadyReplicas
	after.Status.Endpoint = status.Endpoint
	after.Status.ObservedGeneration = object.Generation
	report.SetConditions(&after.Status.Conditions, object.Generation, r.clock.Now())

	changed, err := kube.PatchStatus(ctx, r.client, object, after)
	if err != nil {
		return fmt.Errorf("report on the NotificationManager: %w", err)
	}

	if changed {
		kube.Announce(r.recorder, object, object.Status.Conditions, report)
	}

	return nil
}

func stalled(decided rendering.Result) error {
	for _, one := range decided.Findings {
		if one.Breaks {
			return kube.Stalled(string(one.Reason), errors.New(one.String()))
		}
	}

	return nil
}

// isOwner tells whether an object belongs to the NotificationManager, or to nobody.
func isOwner(object *notificationv2beta2.NotificationManager, child client.Object) bool {
	owner := metav1.GetControllerOf(child)

	return owner == nil || owner.UID == object.UID
}
