package scale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/test/scale/audit"
)

const mergePatch = types.MergePatchType

// prometheusRuleName is what KubeSphere 3.4 would find the rules of a group by, with the group.
func prometheusRuleName(group client.ObjectKey) string {
	return "alertrules-ns-" + group.Namespace + "." + group.Name
}

// setRule gives the last rule of the numbered group another query, which has the mark.
func setRule(ctx context.Context, admin client.Client, i int, size Size, mark string) error {
	group := &alertingv2beta1.RuleGroup{}
	if err := admin.Get(ctx, groupKey(i, size), group); err != nil {
		return err
	}

	rules := group.Spec.Rules
	rules[len(rules)-1].Expr = alertingv2beta1.Expression(fmt.Sprintf(`rate(errors_total{job=%q}[5m]) > 0`, mark))

	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"rules": rules}})
	if err != nil {
		return fmt.Errorf("encode rules: %w", err)
	}

	return admin.Patch(ctx, group, client.RawPatch(mergePatch, patch), fieldOwner)
}

// hasRule wants the mark in the last rule of what was made of the numbered group.
func hasRule(ctx context.Context, reader client.Reader, i int, size Size, mark string) error {
	key := client.ObjectKey{Namespace: monitoring, Name: prometheusRuleName(groupKey(i, size))}

	made := &monitoringv1.PrometheusRule{}
	if err := reader.Get(ctx, key, made); err != nil {
		return err
	}

	rules := made.Spec.Groups[len(made.Spec.Groups)-1].Rules
	if query := rules[len(rules)-1].Expr.String(); len(rules) != size.Rules || !strings.Contains(query, mark) {
		return fmt.Errorf("%s has %d rules, the last of which asks for %s; want %d and %s",
			key, len(rules), query, size.Rules, mark)
	}

	return nil
}

// prepareRule changes a rule; effective when the evaluator can have it.
func prepareRule(_ context.Context, admin client.WithWatch, size Size, number int) (Prepared, error) {
	group, mark := number%size.Groups, fmt.Sprintf("edited-%d", number)

	return Prepared{
		Make: func(ctx context.Context) error { return setRule(ctx, admin, group, size, mark) },
		Await: func(ctx context.Context) error {
			return wait.PollUntilContextCancel(ctx, reviewPeriod, true, func(ctx context.Context) (bool, error) {
				return hasRule(ctx, admin, group, size, mark) == nil, nil
			})
		},
	}, nil
}

// The one change is of a group in the middle.
const changed = "changed-once"

func changedGroup(size Size) int { return size.Groups / 2 } //nolint:mnd // the middle

func changeOneRule(ctx context.Context, admin client.Client, size Size) error {
	return setRule(ctx, admin, changedGroup(size), size, changed)
}

func oneRuleChanged(ctx context.Context, admin client.Client, size Size) error {
	return errors.Join(
		hasRule(ctx, admin, changedGroup(size), size, changed), alertingConverged(ctx, admin, size))
}

func concernsOneGroup(call audit.Call, size Size) bool {
	key := groupKey(changedGroup(size), size)

	switch call.Resource {
	case "prometheusrules":
		return call.Namespace == monitoring && call.Name == prometheusRuleName(key)
	case "rulegroups":
		return call.Namespace == key.Namespace && call.Name == key.Name
	default:
		return false
	}
}

// alertingConverged wants every rule of every group handed over, and every group to say so of what it is now.
func alertingConverged(ctx context.Context, reader client.Reader, size Size) error {
	groups, made := &alertingv2beta1.RuleGroupList{}, &monitoringv1.PrometheusRuleList{}
	if err := errors.Join(reader.List(ctx, groups), reader.List(ctx, made, madeBy("rule-group"))); err != nil {
		return err
	}

	ready, rules := 0, 0

	for _, group := range groups.Items {
		condition := meta.FindStatusCondition(group.Status.Conditions, kube.ConditionReady)
		if condition != nil && condition.Status == "True" && condition.ObservedGeneration == group.Generation {
			ready++
		}
	}

	for _, object := range made.Items {
		for _, group := range object.Spec.Groups {
			rules += len(group.Rules)
		}
	}

	if ready != size.Groups || rules != size.Groups*size.Rules {
		return fmt.Errorf("%d of %d groups are ready, %d of %d rules handed over",
			ready, size.Groups, rules, size.Groups*size.Rules)
	}

	return nil
}
