package alertmanager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/settings"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/notification/alertmanagerconfig"
)

// Reconciler makes the one Alertmanager there is.
type Reconciler struct {
	settings *settings.Settings
	client   client.Client
	live     client.Reader
	applier  *kube.Applier
	recorder events.EventRecorder
	// isThere says that there are Alertmanager objects.
	isThere bool

	mutex sync.Mutex
	told  decision
}

// New makes the controller.
func New(settings *settings.Settings, dependencies manager.Dependencies) *manager.Controller {
	isThere := dependencies.Present(alertmanagerKind())
	one := handler.EnqueueRequestsFromMapFunc(all)
	inside := predicate.NewPredicateFuncs(func(object client.Object) bool {
		return object.GetNamespace() == settings.Namespace
	})

	watches := []manager.Watch{
		{
			Object: &notificationv2beta2.NotificationManager{}, Handler: one,
			Predicates: []predicate.Predicate{predicate.Or[client.Object](
				predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})},
		},
		{
			Object: manager.MetadataOf(nodeKind()), Handler: one,
			Predicates: []predicate.Predicate{
				predicate.Funcs{UpdateFunc: func(event.UpdateEvent) bool { return false }},
			},
		},
		{Object: &corev1.Secret{}, Handler: one, Predicates: []predicate.Predicate{inside}},
		{Object: &corev1.Service{}, Handler: one, Predicates: []predicate.Predicate{inside}},
		{Object: &policyv1.PodDisruptionBudget{}, Handler: one, Predicates: []predicate.Predicate{inside}},
	}

	if isThere {
		watches = append(watches, manager.Watch{
			Object: &monitoringv1.Alertmanager{}, Handler: one, Predicates: []predicate.Predicate{inside},
		})
	}

	return &manager.Controller{
		Reconciler: &Reconciler{
			settings: settings, client: dependencies.Client, live: dependencies.Live, isThere: isThere,
			applier: kube.NewApplier(dependencies.Client, kube.FieldOwner(Name)), recorder: dependencies.Recorder,
		},
		Watches: watches,
	}
}

// all is the request for the one Alertmanager.
func all(context.Context, client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: Instance}}}
}

// Reconcile implements reconcile.Reconciler. Whatever the request says, it is about the one Alertmanager.
func (r *Reconciler) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	sender, err := r.sender(ctx)
	if err != nil || sender == nil || kube.Paused(sender) {
		return kube.Result(err)
	}

	wanted, secrets := options(sender, r.settings.Namespace)

	text, err := alertmanagerconfig.Render(alertmanagerconfig.Of(wanted))
	if err != nil {
		return kube.Result(kube.Stalled("Invalid", err))
	}

	nodes := &metav1.PartialObjectMetadataList{}
	nodes.SetGroupVersionKind(nodeKind().GroupVersion().WithKind("NodeList"))

	if err := r.client.List(ctx, nodes, client.UnsafeDisableDeepCopy); err != nil {
		return kube.Result(fmt.Errorf("read the nodes: %w", err))
	}

	errs := []error{
		r.configure(ctx, sender, text),
		r.apply(ctx, &corev1.Service{}, ObjectName, service(r.settings.Namespace)),
		r.apply(ctx, &policyv1.PodDisruptionBudget{}, ObjectName, budget(r.settings.Namespace)),
	}

	if r.isThere {
		number := replicas(r.settings.Alertmanagers, len(nodes.Items))
		errs = append(errs, r.apply(ctx, &monitoringv1.Alertmanager{}, Instance,
			alertmanager(r.settings.Namespace, number, secrets)))
	}

	return kube.Result(errors.Join(errs...))
}

// sender is the oldest NotificationManager that takes alerts from an Alertmanager; nil: there is none, and nothing is
// made, nor removed.
func (r *Reconciler) sender(ctx context.Context) (*notificationv2beta2.NotificationManager, error) {
	managers := &notificationv2beta2.NotificationManagerList{}
	if err := r.client.List(ctx, managers, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("read the NotificationManagers: %w", err)
	}

	var found *notificationv2beta2.NotificationManager

	for i := range managers.Items {
		one := &managers.Items[i]
		if one.Spec.Mode == notificationv2beta2.ManagerModeEngine || !one.DeletionTimestamp.IsZero() {
			continue
		}

		if found == nil || older(one, found) {
			found = one
		}
	}

	return found, nil
}

func older(a, b client.Object) bool {
	if order := a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time); order != 0 {
		return order < 0
	}

	return a.GetName() < b.GetName()
}

// configure brings the configuration to what it should be, unless it is somebody's.
func (r *Reconciler) configure(
	ctx context.Context, sender *notificationv2beta2.NotificationManager, wanted string,
) error {
	key := client.ObjectKey{Namespace: r.settings.Namespace, Name: ObjectName}
	found := &corev1.Secret{}

	err := r.client.Get(ctx, key, found)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read Secret %s: %w", key, err)
	}

	if err != nil {
		found = nil
	}

	decided := decide(found, wanted)

	switch decided {
	case leave, keep:
		r.tell(sender, decided)

		return nil
	case create:
		klog.FromContext(ctx).Info("Making the configuration of Alertmanager", "secret", key)

		// One that is there after all is somebody's; its event comes next.
		err := r.client.Create(ctx, secretOf(nil, key.Namespace, wanted), kube.FieldOwner(Name))

		return client.IgnoreAlreadyExists(err)
	case renew, reset:
	}

	klog.FromContext(ctx).Info("Changing the configuration of Alertmanager", "secret", key, "because", decided)

	change := client.MergeFromWithOptions(found, client.MergeFromWithOptimisticLock{})
	if err := r.client.Patch(ctx, secretOf(found, key.Namespace, wanted), change, kube.FieldOwner(Name)); err != nil {
		return fmt.Errorf("write Secret %s: %w", key, err)
	}

	r.tell(sender, decided)

	return nil
}

// tell tells, once for each turn of it, that the configuration is somebody's, or ours again.
func (r *Reconciler) tell(sender client.Object, decided decision) {
	r.mutex.Lock()
	turned := r.told != decided
	r.told = decided
	r.mutex.Unlock()

	if !turned {
		return
	}

	switch decided {
	case keep:
		r.recorder.Eventf(sender, nil, corev1.EventTypeNormal, "ConfigurationKept", "Reconcile", "%s",
			"Secret "+r.settings.Namespace+"/"+ObjectName+" was made or edited by somebody, and stays as it is; set "+
				"its annotation "+ResetAnnotation+" to \"true\" to have ours instead.")
	case reset:
		r.recorder.Eventf(sender, nil, corev1.EventTypeNormal, "ConfigurationReset", "Reconcile", "%s",
			"Secret "+r.settings.Namespace+"/"+ObjectName+" has our configuration of Alertmanager again.")
	case leave, create, renew:
	}
}

// apply writes an object of ours where it differs. One of the same name that somebody made stays theirs.
func (r *Reconciler) apply(
	ctx context.Context, found client.Object, name string, wanted runtime.ApplyConfiguration,
) error {
	key := client.ObjectKey{Namespace: r.settings.Namespace, Name: name}

	err := r.client.Get(ctx, key, found)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read %T %s: %w", found, key, err)
	}

	if err == nil && isOurs(found) {
		_, err := r.applier.Apply(ctx, found, wanted)

		return err
	}

	// The cache has ours alone.
	err = r.live.Get(ctx, key, found)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read %T %s: %w", found, key, err)
	}

	if err == nil && !isOurs(found) {
		return nil
	}

	_, err = r.applier.Apply(ctx, nil, wanted)

	return err
}

func isOurs(object client.Object) bool {
	return !slices.ContainsFunc([]string{managedByLabel, componentLabel}, func(key string) bool {
		return object.GetLabels()[key] != labelsOfOurs()[key]
	})
}
