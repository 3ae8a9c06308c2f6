package builtinrules

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/builtin"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Reconciler brings the groups of ours to what they should be.
type Reconciler struct {
	client   client.Client
	groups   []alertingv2beta1.GlobalRuleGroup
	recorder events.EventRecorder
}

// New makes the controller of the given groups.
func New(groups []alertingv2beta1.GlobalRuleGroup, dependencies manager.Dependencies) *manager.Controller {
	names := make([]string, 0, len(groups))
	for i := range groups {
		names = append(names, groups[i].Name)
	}

	isOurs := predicate.NewPredicateFuncs(func(object client.Object) bool {
		return slices.Contains(names, object.GetName())
	})
	changes := predicate.Or[client.Object](
		predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{},
		predicate.AnnotationChangedPredicate{})

	return &manager.Controller{
		Reconciler: &Reconciler{client: dependencies.Client, groups: groups, recorder: dependencies.Recorder},
		Watches: []manager.Watch{
			{
				Object: definitions.Reference(Definition), Handler: handler.EnqueueRequestsFromMapFunc(all),
				Predicates: []predicate.Predicate{predicate.GenerationChangedPredicate{}},
			},
			{
				Object: &alertingv2beta1.GlobalRuleGroup{}, Handler: handler.EnqueueRequestsFromMapFunc(all),
				Predicates: []predicate.Predicate{isOurs, changes},
			},
		},
	}
}

// all is the request for all groups.
func all(context.Context, client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: Definition}}}
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	if request.Name != Definition {
		return reconcile.Result{}, nil
	}

	definition := definitions.Reference(Definition)
	if err := r.client.Get(ctx, request.NamespacedName, definition); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}

	if !definition.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil // All groups go, and none can be made.
	}

	found, err := r.gather(ctx)
	if err != nil {
		return kube.Result(err)
	}

	var errs []error

	for i := range r.groups {
		ours := &r.groups[i]

		current := found[ours.Name]
		if current != nil && kube.Paused(current) {
			continue
		}

		if err := r.apply(ctx, current, builtin.Decide(ours, current)); err != nil {
			errs = append(errs, fmt.Errorf("built-in rules %s: %w", ours.Name, err))
		}
	}

	return kube.Result(errors.Join(errs...))
}

// gather finds the groups that there are, by name.
func (r *Reconciler) gather(ctx context.Context) (map[string]*alertingv2beta1.GlobalRuleGroup, error) {
	list := &alertingv2beta1.GlobalRuleGroupList{}
	if err := r.client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("read the groups: %w", err)
	}

	found := make(map[string]*alertingv2beta1.GlobalRuleGroup, len(list.Items))
	for i := range list.Items {
		found[list.Items[i].Name] = &list.Items[i]
	}

	return found, nil
}

// apply writes what was decided. A group is created and not applied, so that one which somebody has made meanwhile
// under the same name stays theirs; and it is changed under its resourceVersion by the difference alone, for a reset
// has to take away what users have added, which an apply would leave.
func (r *Reconciler) apply(
	ctx context.Context, found *alertingv2beta1.GlobalRuleGroup, decided builtin.Decision,
) error {
	owner := kube.FieldOwner(Name)

	switch decided.Action {
	case builtin.Leave:
		return nil
	case builtin.Create:
		klog.FromContext(ctx).Info("Making built-in rules", "group", decided.Group.Name)

		// The event of one that is there after all comes next.
		return client.IgnoreAlreadyExists(r.client.Create(ctx, decided.Group, owner))
	default:
		klog.FromContext(ctx).Info("Changing built-in rules", "group", found.Name, "action", decided.Action)

		change := client.MergeFromWithOptions(found, client.MergeFromWithOptimisticLock{})
		if err := r.client.Patch(ctx, decided.Group, change, owner); err != nil {
			return err
		}
	}

	r.tell(decided)

	return nil
}

// tell tells whoever looks after the group what has become of it.
func (r *Reconciler) tell(decided builtin.Decision) {
	var note string

	switch decided.Action {
	case builtin.Update:
		note = "The rules are those of this release now; nobody had edited those of before."
	case builtin.Reset:
		note = "The rules are those of this release again."
	case builtin.Keep:
		note = "The rules have been edited and stay as they are. This release has others: set the annotation " +
			builtin.ResetAnnotation + " to \"true\" to have them instead."
	default:
		return
	}

	r.recorder.Eventf(decided.Group, nil, corev1.EventTypeNormal, string(decided.Action), "Reconcile", "%s", note)
}
