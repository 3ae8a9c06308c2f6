package rulemigration

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/migration"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Packed takes away the PrometheusRules that KubeSphere 3.4 packed groups into. The groups are still there, and each
// has a PrometheusRule of its own by now.
type Packed struct {
	mover
}

func newPacked(settings *Settings, dependencies manager.Dependencies) *manager.Controller {
	return &manager.Controller{
		Reconciler: &Packed{mover: newMover(settings, dependencies)},
		Watches:    packedWatches(dependencies.Client, settings),
	}
}

// Reconcile implements reconcile.Reconciler.
func (p *Packed) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	old := &monitoringv1.PrometheusRule{}

	found, err := find(ctx, p.client, request.NamespacedName, old)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("read the rules: %w", err)
	}

	if !found || !old.DeletionTimestamp.IsZero() || kube.Paused(old) || isOurs(old) {
		return reconcile.Result{}, nil
	}

	packed, isPacked := migration.ReadPacked(old, p.settings.Rules.Namespace)
	if !isPacked {
		return reconcile.Result{}, nil
	}

	all, err := p.look(ctx, old, packed)
	if err != nil {
		return kube.Result(err)
	}

	wait, err := p.settle(ctx, old, all)
	if err != nil {
		return kube.Result(err)
	}

	return reconcile.Result{RequeueAfter: wait}, nil
}

// packedRemedy is what helps a packed object that has to stay.
const packedRemedy = "Its rules of before are evaluated until then. Correct the group, or delete it."

// settle takes the object away, or those of its groups that nothing keeps.
func (p *Packed) settle(ctx context.Context, old *monitoringv1.PrometheusRule, all heirs) (time.Duration, error) {
	blocked := all.blocked()
	if err := p.tell(ctx, old, blocked, packedRemedy); err != nil {
		return 0, err
	}

	if len(blocked) > 0 {
		return p.shrink(ctx, old, all)
	}

	return p.move(ctx, old, all)
}

// shrink leaves in an object what is blocked or awaited, so that one bad group does not keep the rules of others: they
// would be evaluated as they were, also when their authors have changed or deleted them since.
func (p *Packed) shrink(ctx context.Context, old *monitoringv1.PrometheusRule, all heirs) (time.Duration, error) {
	var (
		kept []monitoringv1.RuleGroup
		next time.Duration
	)

	for i, one := range all {
		wait, err := p.keeps(ctx, old, i, one)
		if err != nil {
			return 0, err
		}

		if wait == 0 {
			continue
		}

		kept = append(kept, old.Spec.Groups[i])

		if wait > 0 && (next == 0 || wait < next) {
			next = wait
		}
	}

	if len(kept) == len(old.Spec.Groups) {
		return next, nil
	}

	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": old.ResourceVersion},
		"spec":     map[string]any{"groups": kept},
	})
	if err != nil {
		return 0, fmt.Errorf("write the groups that stay: %w", err)
	}

	if err := p.client.Patch(ctx, old, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return 0, fmt.Errorf("take out the groups that were taken over: %w", err)
	}

	return next, nil
}

// always is how long a group is kept that only an event can free.
const always time.Duration = -1

// keeps says how long a group of an object has to stay in it; zero: it may go.
func (p *Packed) keeps(
	ctx context.Context, old *monitoringv1.PrometheusRule, index int, one heir,
) (time.Duration, error) {
	if one.blocked != "" || one.waiting != "" {
		return always, nil
	}

	return p.ripens(ctx, one, migration.Longest(old.Spec.Groups[index:index+1]))
}

// isOurs tells what we make from what KubeSphere 3.4 made.
func isOurs(rule *monitoringv1.PrometheusRule) bool {
	return rule.Labels[alerting.ManagedByLabel] == alerting.ManagedBy
}

// look judges the groups that are in a packed object, in their order. One that is gone, or switched off, needs nothing:
// KubeSphere 3.4 would have taken its rules out as well. It is only given the time to come: a backup may bring the
// object back before the groups.
func (p *Packed) look(ctx context.Context, old *monitoringv1.PrometheusRule, packed migration.Packed) (heirs, error) {
	none := heir{verdict: verdict{since: old.CreationTimestamp.Time}}
	all := make(heirs, 0, len(packed.Groups))

	for _, name := range packed.Groups {
		group := emptyGroup(packed.Level)

		found, err := find(ctx, p.client, client.ObjectKey{Namespace: packed.Namespace, Name: name}, group)
		if err != nil {
			return nil, fmt.Errorf("read group %s: %w", name, err)
		}

		if !found || !alerting.Enabled(group) || !group.GetDeletionTimestamp().IsZero() || isIdle(group) {
			all = append(all, none)

			continue
		}

		all = append(all, heir{verdict: judge(group), group: group})
	}

	return all, nil
}

// isIdle tells whether a group is not to be evaluated by the will of its author.
func isIdle(group client.Object) bool {
	about := contentOf(group)

	return about.rules == 0 || about.head.Mode == alertingv2beta1.ModeDryRun
}
