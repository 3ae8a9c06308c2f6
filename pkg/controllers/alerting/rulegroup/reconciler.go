package rulegroup

import (
	"context"
	"errors"
	"fmt"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

const (
	// lookPeriod is how often the states of a group's rules are looked at.
	lookPeriod = 30 * time.Second

	// settlePeriod is how long after a write it is looked at again: a definition that drops a field of it makes no
	// event when the object stays as it was.
	settlePeriod = 10 * time.Second
)

// Reconciler makes the PrometheusRule of one group.
type Reconciler struct {
	kind       kind
	settings   *Settings
	client     client.Client
	applier    *kube.Applier
	rules      stores.Digests
	evaluators *evaluators
	memory     *memory
	recorder   events.EventRecorder
	clock      clock.PassiveClock
}

func newController(
	kind kind, settings *Settings, evaluators *evaluators, dependencies manager.Dependencies,
) (*manager.Controller, error) {
	rules, err := dependencies.Digests(ruleKind())
	if err != nil {
		return nil, fmt.Errorf("find the store of PrometheusRules: %w", err)
	}

	return &manager.Controller{
		Reconciler: &Reconciler{
			kind: kind, settings: settings, client: dependencies.Client,
			applier: kube.NewApplier(dependencies.Client, kube.FieldOwner(kind.name())),
			rules:   rules, evaluators: evaluators, memory: newMemory(),
			recorder: dependencies.Recorder, clock: dependencies.Clock,
		},
		Watches:     kind.watches(dependencies.Client),
		Indexes:     kind.indexes(),
		Concurrency: concurrency,
	}, nil
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	object := r.kind.object()

	err := r.client.Get(ctx, request.NamespacedName, object)
	if client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("read the group: %w", err)
	}

	if err != nil || !object.GetDeletionTimestamp().IsZero() {
		r.memory.forget(request.NamespacedName)

		return kube.Result(r.remove(ctx, r.ruleKey(request.NamespacedName)))
	}

	if kube.Paused(object) {
		return kube.Result(r.report(ctx, object, outcome{report: kube.Report{State: kube.StatePaused}}))
	}

	found, err := r.gather(ctx, object)
	if err != nil {
		return kube.Result(err)
	}

	decided := r.decide(ctx, found)
	wrote, err := r.apply(ctx, decided)
	decided.failure = errors.Join(decided.failure, err)
	wait := r.observe(ctx, object, found, &decided)

	if wrote {
		wait = settlePeriod
	}

	if err := errors.Join(decided.failure, r.report(ctx, object, decided), decided.stalled); err != nil {
		return kube.Result(err)
	}

	return reconcile.Result{RequeueAfter: wait}, nil
}

// ruleKey is where the PrometheusRule of a group is.
func (r *Reconciler) ruleKey(group client.ObjectKey) client.ObjectKey {
	return client.ObjectKey{
		Namespace: r.settings.Namespace, Name: rendering.ObjectName(r.kind.level, group.Namespace, group.Name),
	}
}

// apply brings the PrometheusRule to what it should be: written only where it differs, gone where there is none.
func (r *Reconciler) apply(ctx context.Context, decided outcome) (bool, error) {
	switch {
	case decided.keep:
		return false, nil
	case decided.rule == nil:
		return false, r.remove(ctx, r.ruleKey(decided.key))
	}

	wanted := decided.rule
	digest := wanted.Annotations[ownerAnnotation] + "|" + rendering.Digest(wanted, r.settings.target())

	current, exists := r.rules.Version(client.ObjectKeyFromObject(wanted))
	if exists && current == digest {
		r.memory.settled(decided.key)

		return false, nil
	}

	if age, again := r.memory.repeats(decided.key, current, digest, r.clock.Now()); exists && again {
		if age < settlePeriod {
			return true, nil // The store has not heard of the last write yet.
		}

		return false, errPruned
	}

	if err := r.write(ctx, wanted); err != nil {
		return false, err
	}

	r.memory.wrote(decided.key, current, digest, r.clock.Now())

	return true, nil
}

// errPruned ends what would be a write without end: what is written comes back another.
var errPruned = kube.Stalled("FieldsDropped", errors.New(
	"the PrometheusRule does not keep what is written to it: the definition of prometheusrules.monitoring.coreos.com "+
		"in this cluster is older than the fields that the group uses (keepFiringFor, limit or queryOffset); update "+
		"the definition, or leave these fields out"))

func (r *Reconciler) write(ctx context.Context, wanted *monitoringv1.PrometheusRule) error {
	intent, err := intentOf(wanted)
	if err != nil {
		return err
	}

	if err := r.applier.Write(ctx, intent); err != nil {
		return fmt.Errorf("write the rules: %w", err)
	}

	return nil
}

func (r *Reconciler) remove(ctx context.Context, key client.ObjectKey) error {
	if _, exists := r.rules.Version(key); !exists {
		return nil
	}

	rule := &monitoringv1.PrometheusRule{}
	rule.Namespace, rule.Name = key.Namespace, key.Name

	if _, err := kube.Delete(ctx, r.client, rule); err != nil {
		return fmt.Errorf("remove the rules: %w", err)
	}

	return nil
}

// report writes the status if it changed.
func (r *Reconciler) report(ctx context.Context, object client.Object, decided outcome) error {
	after, isObject := object.DeepCopyObject().(client.Object)
	if !isObject {
		return fmt.Errorf("%w: %T", errNoObject, object)
	}

	report := decided.verdict()
	status := r.kind.status(after)
	before := r.kind.status(object).Conditions

	decided.writeTo(status)
	status.ObservedGeneration = object.GetGeneration()
	report.SetConditions(&status.Conditions, object.GetGeneration(), r.clock.Now())

	key, version, said := client.ObjectKeyFromObject(object), object.GetResourceVersion(), digestOf(status)
	if r.memory.repeatsReport(key, version, said) {
		return nil
	}

	changed, err := kube.PatchStatus(ctx, r.client, object, after)
	if err != nil {
		return fmt.Errorf("report on the group: %w", err)
	}

	if changed {
		r.memory.reported(key, version, said, r.clock.Now())
		kube.Announce(r.recorder, object, before, report)
	}

	return nil
}

var errNoObject = errors.New("the copy of an object is none")
