package alertingpolicy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	alertingv1alpha1 "github.com/ks-core/ks-controller-manager/api/alerting/v1alpha1"
	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/policy"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/trial"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Reasons of the conditions.
const (
	reasonEnforced   = "Enforced"
	reasonDryRun     = "DryRun"
	reasonUnreadable = "Unreadable"
)

// Reconciler reports on one AlertingPolicy.
type Reconciler struct {
	client   client.Client
	counts   *counts
	recorder events.EventRecorder
	clock    clock.PassiveClock
}

// New makes the controller.
func New(dependencies manager.Dependencies) (*manager.Controller, error) {
	find := finder{dependencies.Client}
	all := handler.EnqueueRequestsFromMapFunc(find.all)

	return &manager.Controller{
		Reconciler: &Reconciler{
			client: dependencies.Client, counts: newCounts(),
			recorder: dependencies.Recorder, clock: dependencies.Clock,
		},
		Watches: []manager.Watch{
			{Object: &alertingv1alpha1.AlertingPolicy{}, Handler: &handler.EnqueueRequestForObject{}},
			{Object: &alertingv2beta1.RuleGroup{}, Handler: all, Predicates: []predicate.Predicate{
				predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{}),
			}},
			{
				Object: manager.MetadataOf(namespaceKind()), Handler: all,
				Predicates: []predicate.Predicate{predicate.LabelChangedPredicate{}},
			},
		},
	}, nil
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	object := &alertingv1alpha1.AlertingPolicy{}

	err := r.client.Get(ctx, request.NamespacedName, object)
	if client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("read the policy: %w", err)
	}

	if isGone := err != nil || !object.DeletionTimestamp.IsZero(); isGone {
		r.counts.forget(request.Name)

		return reconcile.Result{}, nil
	}

	if kube.Paused(object) {
		return kube.Result(r.report(ctx, object, object.Status, kube.Report{State: kube.StatePaused}))
	}

	namespaces, err := r.gather(ctx, object)
	if err != nil {
		return kube.Result(err)
	}

	status := object.Status
	status.Namespaces = clamp(len(namespaces))
	status.Rejected = clamp(r.rejected(object, namespaces))
	unreadable := policy.Check(object)

	return kube.Result(errors.Join(r.report(ctx, object, status, verdict(object, unreadable)), stalled(unreadable)))
}

// namespace is one that the policy is about, with its enabled groups, the oldest first.
type namespace struct {
	subject policy.Subject
	groups  []*alertingv2beta1.RuleGroup
}

// gather finds the namespaces that the policy is about.
func (r *Reconciler) gather(ctx context.Context, object *alertingv1alpha1.AlertingPolicy) ([]namespace, error) {
	all := &metav1.PartialObjectMetadataList{}
	all.SetGroupVersionKind(namespaceKind().GroupVersion().WithKind("NamespaceList"))

	groups := &alertingv2beta1.RuleGroupList{}

	err := errors.Join(
		r.client.List(ctx, all, client.UnsafeDisableDeepCopy), r.client.List(ctx, groups, client.UnsafeDisableDeepCopy))
	if err != nil {
		return nil, fmt.Errorf("read namespaces and groups: %w", err)
	}

	inside := map[string][]*alertingv2beta1.RuleGroup{}

	for i := range groups.Items {
		group := &groups.Items[i]
		if alerting.Counts(group) {
			inside[group.Namespace] = append(inside[group.Namespace], group)
		}
	}

	var found []namespace

	for i := range all.Items {
		item := &all.Items[i]
		subject := policy.SubjectOf(item.Name, item.Labels)

		if selects, _ := policy.Selects(object, subject); selects {
			slices.SortFunc(inside[item.Name], func(a, b *alertingv2beta1.RuleGroup) int { return alerting.Age(a, b) })
			found = append(found, namespace{subject, inside[item.Name]})
		}
	}

	return found, nil
}

// rejected counts what the policy leaves out. Of a group that has not changed it is known.
func (r *Reconciler) rejected(object *alertingv1alpha1.AlertingPolicy, namespaces []namespace) int {
	known, fresh, total := r.counts.known(object.Name), groupCounts{}, 0

	for _, one := range namespaces {
		sizes := make([]int, 0, len(one.groups))

		for _, group := range one.groups {
			key := client.ObjectKeyFromObject(group)
			count := counted{version: versionOf(object) + " " + versionOf(group)}

			if before := known[key]; before.version == count.version {
				count = before
			} else {
				count.rules = trial.Rules(object, one.subject, rendering.OfNamespace(group))
			}

			fresh[key] = count
			total += count.rules

			sizes = append(sizes, len(group.Spec.Rules))
		}

		total += trial.Shares(object, sizes)
	}

	r.counts.keep(object.Name, fresh)

	return total
}

// versionOf tells apart the states of an object.
func versionOf(object client.Object) string {
	return fmt.Sprintf("%s/%d", object.GetUID(), object.GetGeneration())
}

func clamp(number int) int32 {
	return int32(min(number, math.MaxInt32)) //nolint:gosec // No more than that.
}

func verdict(object *alertingv1alpha1.AlertingPolicy, unreadable error) kube.Report {
	report := kube.Report{
		State: kube.StateReady, Reason: reasonEnforced, Message: "The policy is in force.",
		Conditions: []metav1.Condition{{Type: kube.ConditionAccepted, Status: metav1.ConditionTrue}},
	}

	if object.Spec.Mode == alertingv1alpha1.ModeDryRun {
		report.Reason = reasonDryRun
		report.Message = "The policy binds nobody, for spec.mode is DryRun; status.rejected counts what it would " +
			"leave out."
	}

	if unreadable != nil {
		report.State, report.Reason, report.Message = kube.StateStalled, reasonUnreadable, unreadable.Error()
		report.Conditions[0].Status, report.Conditions[0].Message = metav1.ConditionFalse, unreadable.Error()
	}

	return report
}

func stalled(unreadable error) error {
	if unreadable == nil {
		return nil
	}

	return kube.Stalled(reasonUnreadable, unreadable)
}

// report writes the status if it changed.
func (r *Reconciler) report(
	ctx context.Context, object *alertingv1alpha1.AlertingPolicy, status alertingv1alpha1.AlertingPolicyStatus,
	report kube.Report,
) error {
	after := object.DeepCopy()
	after.Status.Namespaces, after.Status.Rejected = status.Namespaces, status.Rejected
	after.Status.ObservedGeneration = object.Generation
	report.SetConditions(&after.Status.Conditions, object.Generation, r.clock.Now())

	changed, err := kube.PatchStatus(ctx, r.client, object, after)
	if err != nil {
		return fmt.Errorf("report on the policy: %w", err)
	}

	if changed {
		kube.Announce(r.recorder, object, object.Status.Conditions, report)
	}

	return nil
}

// finder looks up in the caches whom an event concerns.
type finder struct{ reader client.Reader }

func (f finder) all(ctx context.Context, _ client.Object) []reconcile.Request {
	policies := &alertingv1alpha1.AlertingPolicyList{}
	if err := f.reader.List(ctx, policies, client.UnsafeDisableDeepCopy); err != nil {
		// It is in memory: only a controller that is being stopped fails here.
		klog.FromContext(ctx).V(1).Info("Cannot look up alerting policies", "reason", err.Error())

		return nil
	}

	requests := make([]reconcile.Request, 0, len(policies.Items))
	for i := range policies.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&policies.Items[i])})
	}

	return requests
}
