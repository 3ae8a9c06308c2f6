package rulemigration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/migration"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Custom makes groups of the rules that KubeSphere 3.3 keeps in a PrometheusRule.
type Custom struct {
	mover

	applier *kube.Applier
}

func newCustom(settings *Settings, dependencies manager.Dependencies) *manager.Controller {
	return &manager.Controller{
		Reconciler: &Custom{
			mover:   newMover(settings, dependencies),
			applier: kube.NewApplier(dependencies.Client, kube.FieldOwner(customName)),
		},
		Watches: customWatches(),
	}
}

// Reconcile implements reconcile.Reconciler.
func (c *Custom) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	old := &monitoringv1.PrometheusRule{}

	found, err := find(ctx, c.client, request.NamespacedName, old)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("read the rules: %w", err)
	}

	_, isCustom := old.Labels[migration.LevelLabel]
	if !found || !isCustom || !old.DeletionTimestamp.IsZero() || kube.Paused(old) {
		return reconcile.Result{}, nil
	}

	wanted := migration.Custom(old, c.settings.target())
	groups := groupsOf(wanted)

	all, err := c.bring(ctx, groups)
	for _, finding := range migration.Blocking(wanted.Findings) {
		all = append(all, heir{verdict: verdict{blocked: finding.String()}})
	}

	if err == nil && all.waiting() == "" {
		err = c.removeStrays(ctx, old, groups)
	}

	if err != nil {
		return kube.Result(err)
	}

	blocked := all.blocked()
	if err := c.tell(ctx, old, blocked, customRemedy); err != nil || len(blocked) > 0 {
		return kube.Result(err)
	}

	wait, err := c.move(ctx, old, all)
	if err != nil {
		return kube.Result(err)
	}

	return reconcile.Result{RequeueAfter: wait}, nil
}

// customRemedy is what helps a PrometheusRule whose rules cannot be taken over: as long as it is there, it is what
// groups are written from.
const customRemedy = "Until then it is evaluated as before. Correct it here, from where the groups are written, or " +
	"delete it to go on with the groups as they are."

func groupsOf(result migration.Result) []client.Object {
	groups := make([]client.Object, 0, len(result.RuleGroups)+len(result.ClusterRuleGroups))
	for _, group := range result.RuleGroups {
		groups = append(groups, group)
	}

	for _, group := range result.ClusterRuleGroups {
		groups = append(groups, group)
	}

	return groups
}

// bring makes the groups what they should be, each whatever becomes of the others, and says how far each is.
func (c *Custom) bring(ctx context.Context, groups []client.Object) (heirs, error) {
	var (
		all      heirs
		failures []error
	)

	for _, group := range groups {
		one, err := c.bringOne(ctx, group)
		all = append(all, heir{verdict: one, group: group})
		failures = append(failures, err)
	}

	return all, errors.Join(failures...)
}

func (c *Custom) bringOne(ctx context.Context, wanted client.Object) (verdict, error) {
	current := emptyGroup(contentOf(wanted).level)

	found, err := find(ctx, c.client, client.ObjectKeyFromObject(wanted), current)
	if err != nil {
		return verdict{}, fmt.Errorf("read %s: %w", nameOf(wanted), err)
	}

	if !found {
		current = nil
	}

	if found && isOfOthers(current, wanted) {
		return verdict{blocked: nameOf(wanted) + " is there already, was not made of this object as it is, and says " +
			"something else; rename or delete one of the two"}, nil
	}

	intent, err := intentOf(wanted)
	if err != nil {
		return verdict{}, err
	}

	changed, err := c.applier.Apply(ctx, current, intent)

	switch {
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err):
		return verdict{blocked: fmt.Sprintf("%s cannot be made: %s", nameOf(wanted), reasonOf(err))}, nil
	case err != nil:
		return verdict{}, fmt.Errorf("make %s: %w", nameOf(wanted), err)
	case changed || !found:
		return verdict{waiting: nameOf(wanted) + " has been written, and not been looked at yet"}, nil
	default:
		return judge(current), nil
	}
}

// isOfOthers tells whether a group was not made of the very object that it would be made of now, and would change.
// That of a restored backup has another UID, and the same to say.
func isOfOthers(current, wanted client.Object) bool {
	return current.GetAnnotations()[migration.FromAnnotation] != wanted.GetAnnotations()[migration.FromAnnotation] &&
		!saysTheSame(current, wanted)
}

// removeStrays deletes the groups that were made of this very object when it had other groups: their rules have been
// taken away, or are in another group by now.
func (c *Custom) removeStrays(ctx context.Context, old *monitoringv1.PrometheusRule, wanted []client.Object) error {
	made, err := c.madeOf(ctx, old)
	if err != nil {
		return err
	}

	kept := map[client.ObjectKey]bool{}
	for _, group := range wanted {
		kept[client.ObjectKeyFromObject(group)] = true
	}

	var failures []error

	for _, group := range made {
		if kept[client.ObjectKeyFromObject(group)] {
			continue
		}

		if _, err := kube.Delete(ctx, c.client, group); err != nil {
			failures = append(failures, fmt.Errorf("remove %s: %w", nameOf(group), err))
		}
	}

	return errors.Join(failures...)
}

// madeOf lists the groups that were made of an object, also when it was of another level.
func (c *Custom) madeOf(ctx context.Context, old *monitoringv1.PrometheusRule) ([]client.Object, error) {
	var found []client.Object

	from := migration.From(old)

	list := &alertingv2beta1.RuleGroupList{}
	if err := c.client.List(ctx, list, client.InNamespace(old.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("read the groups of the namespace: %w", err)
	}

	for i := range list.Items {
		if list.Items[i].Annotations[migration.FromAnnotation] == from {
			found = append(found, &list.Items[i])
		}
	}

	if old.Namespace != c.settings.Rules.Namespace {
		return found, nil // It cannot have made any of the cluster.
	}

	ofCluster := &alertingv2beta1.ClusterRuleGroupList{}
	if err := c.client.List(ctx, ofCluster, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("read the groups of the cluster: %w", err)
	}

	for i := range ofCluster.Items {
		if ofCluster.Items[i].Annotations[migration.FromAnnotation] == from {
			found = append(found, &ofCluster.Items[i])
		}
	}

	return found, nil
}

// intentOf is a group with nothing but what we say of it.
func intentOf(group client.Object) (runtime.ApplyConfiguration, error) {
	text, err := json.Marshal(group)
	if err != nil {
		return nil, fmt.Errorf("write a group as JSON: %w", err)
	}

	intent := &unstructured.Unstructured{}
	if err := json.Unmarshal(text, &intent.Object); err != nil {
		return nil, fmt.Errorf("read a group as JSON: %w", err)
	}

	unstructured.RemoveNestedField(intent.Object, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(intent.Object, "status")

	return client.ApplyConfigurationFromUnstructured(intent), nil
}

// reasonOf is what the API server itself says.
func reasonOf(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status().Message
	}

	return err.Error()
}
