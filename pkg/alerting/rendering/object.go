package rendering

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting"
)

// Target is where PrometheusRules go, and how evaluators find them.
type Target struct {
	Namespace string

	// Prometheus are the labels that the Prometheus of the cluster selects its rules by.
	Prometheus map[string]string

	// ThanosRuler are the labels that the Thanos Ruler selects its rules by, beside rule_level.
	ThanosRuler map[string]string
}

// Object is the PrometheusRule of a group. Nil: the group has no rule to evaluate.
func Object(group Group, result Result, target Target) *monitoringv1.PrometheusRule {
	if len(result.Rules.Rules) == 0 {
		return nil
	}

	return &monitoringv1.PrometheusRule{
		TypeMeta: metav1.TypeMeta{
			APIVersion: monitoringv1.SchemeGroupVersion.String(), Kind: monitoringv1.PrometheusRuleKind,
		},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: target.Namespace, Name: ObjectName(group.Level, group.Namespace, group.Name),
			Labels:      group.labels(target),
			Annotations: map[string]string{alerting.OwnerAnnotation: group.Owner()},
		},
		Spec: monitoringv1.PrometheusRuleSpec{Groups: []monitoringv1.RuleGroup{result.Rules}},
	}
}

// Owner is how an object names the group that it was made of.
func (g Group) Owner() string {
	return alerting.Owner{Level: g.Level, Namespace: g.Namespace, Name: g.Name}.String()
}

// labels are those of KubeSphere 3.4 for Thanos Ruler. A rule for Prometheus must not have them, or both would
// evaluate it.
func (g Group) labels(target Target) map[string]string {
	labels := map[string]string{
		alerting.ManagedByLabel: alerting.ManagedBy,
		alerting.ComponentLabel: alerting.ComponentOf(g.Level),
	}

	if g.Namespace != "" {
		labels[alertingv2beta1.OwnerNamespaceLabel] = g.Namespace
	}

	selected := target.ThanosRuler
	if g.Spec.Evaluator == alertingv2beta1.EvaluatorPrometheus {
		selected = target.Prometheus
	} else {
		labels[alertingv2beta1.RuleLevelLabel] = g.Level
	}

	maps.Copy(labels, selected)

	return labels
}

// Digest tells PrometheusRules apart by what of them is ours to decide: their rules, who is to evaluate them and whose
// they are. Labels and annotations of others do not count.
func Digest(rule *monitoringv1.PrometheusRule, target Target) string {
	known := []string{
		alerting.ManagedByLabel, alerting.ComponentLabel, alertingv2beta1.OwnerNamespaceLabel,
		alertingv2beta1.RuleLevelLabel,
	}
	for name := range target.Prometheus {
		known = append(known, name)
	}

	for name := range target.ThanosRuler {
		known = append(known, name)
	}

	labels := map[string]string{}

	for _, name := range known {
		if value, set := rule.Labels[name]; set {
			labels[name] = value
		}
	}

	// Strings and numbers can always be encoded.
	text, _ := json.Marshal([]any{ //nolint:errchkjson // See above.
		labels, rule.Annotations[alerting.OwnerAnnotation], rule.Spec.Groups,
	})
	sum := sha256.Sum256(text)

	const enough = 16

	return hex.EncodeToString(sum[:enough])
}
