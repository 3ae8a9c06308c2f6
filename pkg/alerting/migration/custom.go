package migration

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
)

// LevelLabel is on each PrometheusRule that KubeSphere 3.3 keeps custom rules in, and says of which level they are.
const LevelLabel = "custom-alerting-rule-level"

// FromAnnotation is on each group that was made here, and names the PrometheusRule that it was made of; see [From].
const FromAnnotation = "alerting.kubesphere.io/migrated-from"

// maxRules is how many rules a group may have where no policy allows more, as in KubeSphere 3.4.
const maxRules = 40

// Result is what becomes of a PrometheusRule: groups of one of the two kinds.
type Result struct {
	RuleGroups        []*alertingv2beta1.RuleGroup
	ClusterRuleGroups []*alertingv2beta1.ClusterRuleGroup
	Findings          []Finding
}

// From names a PrometheusRule in the annotation of the groups that were made of it. Its UID tells it from a later one
// of its name.
func From(source *monitoringv1.PrometheusRule) string {
	return source.Namespace + "/" + source.Name + "/" + string(source.UID)
}

// ParseFrom returns the name of the PrometheusRule that an annotation names.
func ParseFrom(annotation string) (namespace, name string, ok bool) {
	parts := strings.Split(annotation, "/")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" {
		return "", "", false
	}

	return parts[0], parts[1], true
}

// Custom makes groups of the rules that KubeSphere 3.3 kept in a PrometheusRule. Rules of the cluster are taken from
// the target's namespace alone: whoever may write PrometheusRules elsewhere must not reach beyond his namespace.
func Custom(source *monitoringv1.PrometheusRule, target rendering.Target) Result {
	made := &converter{source: source, target: target, level: source.Labels[LevelLabel], seen: map[string]int{}}
	if !made.placed() {
		return made.result
	}

	for i := range source.Spec.Groups {
		made.add(&source.Spec.Groups[i])
	}

	return made.result
}

// converter collects what is made of one PrometheusRule.
type converter struct {
	source *monitoringv1.PrometheusRule
	target rendering.Target
	level  string
	seen   map[string]int // how often a group of a name has been met
	result Result
}

// placed tells whether the PrometheusRule stands where its level may.
func (c *converter) placed() bool {
	finding := Finding{Field: "metadata.labels[" + LevelLabel + "]", Blocks: true}

	switch {
	case c.level == alertingv2beta1.LevelNamespace:
		return true
	case c.level != alertingv2beta1.LevelCluster:
		finding.Message = "is neither namespace nor cluster; correct it"
	case c.source.Namespace != c.target.Namespace:
		finding.Message = "is cluster, which counts in namespace " + c.target.Namespace +
			" alone; make it namespace, or move the rules there"
	default:
		return true
	}

	c.result.Findings = append(c.result.Findings, finding)

	return false
}

// add makes one group, or several of one that has too many rules.
func (c *converter) add(group *monitoringv1.RuleGroup) {
	ordinal := c.seen[group.Name]
	c.seen[group.Name]++

	spec, common := c.head(group)
	rules := make([]alertingv2beta1.Rule, 0, len(group.Rules))

	for i := range group.Rules {
		if rule, fits := c.rule(group.Name, &group.Rules[i]); fits {
			rule.Labels = under(common, rule.Labels)
			rules = append(rules, rule)
		}
	}

	if len(rules) > maxRules {
		c.note(Finding{
			Group: group.Name, Field: "rules",
			Message: "are more than 40, and become several groups, which are evaluated beside each other",
		})
	}

	part := 0
	for few := range slices.Chunk(rules, maxRules) {
		c.put(nameOf(c.source.Name, group.Name, ordinal, part), spec, few)
		part++
	}
}

func (c *converter) note(finding Finding) { c.result.Findings = append(c.result.Findings, finding) }

// put adds a group of the kind that the level asks for.
func (c *converter) put(name string, spec alertingv2beta1.GroupSpec, rules []alertingv2beta1.Rule) {
	meta := metav1.ObjectMeta{
		Name: name, Labels: map[string]string{alertingv2beta1.EnableLabel: "true"},
		Annotations: map[string]string{FromAnnotation: From(c.source)},
	}

	if c.level == alertingv2beta1.LevelCluster {
		group := &alertingv2beta1.ClusterRuleGroup{TypeMeta: typeOf("ClusterRuleGroup"), ObjectMeta: meta}
		group.Spec.GroupSpec = *spec.DeepCopy()

		for _, rule := range rules {
			group.Spec.Rules = append(group.Spec.Rules, alertingv2beta1.ClusterRule{Rule: rule})
		}

		c.result.ClusterRuleGroups = append(c.result.ClusterRuleGroups, group)

		return
	}

	group := &alertingv2beta1.RuleGroup{TypeMeta: typeOf("RuleGroup"), ObjectMeta: meta}
	group.Namespace = c.source.Namespace
	group.Spec.GroupSpec = *spec.DeepCopy()

	for _, rule := range rules {
		group.Spec.Rules = append(group.Spec.Rules, alertingv2beta1.NamespaceRule{Rule: rule})
	}

	c.result.RuleGroups = append(c.result.RuleGroups, group)
}

func typeOf(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: alertingv2beta1.SchemeGroupVersion.String(), Kind: kind}
}

// head reads what a group says of all its rules, and the labels that its rules have to say themselves.
func (c *converter) head(group *monitoringv1.RuleGroup) (alertingv2beta1.GroupSpec, map[string]string) {
	spec := alertingv2beta1.GroupSpec{
		Interval: text(group.Interval), QueryOffset: text(group.QueryOffset),
		PartialResponseStrategy: group.PartialResponseStrategy, Evaluator: c.evaluator(),
	}

	if !isDuration(spec.QueryOffset) {
		spec.QueryOffset = ""

		c.note(Finding{Group: group.Name, Field: "query_offset", Message: "is no duration; correct it", Blocks: true})
	}

	if group.Limit != nil && *group.Limit > 0 {
		spec.Limit = c.limit(group)
	}

	for _, name := range slices.Sorted(maps.Keys(group.Labels)) {
		if slices.Contains(reserved(), name) {
			c.note(Finding{
				Group: group.Name, Field: "labels[" + name + "]", Blocks: true,
				Message: "is a label that the platform sets; take it away, or write the group yourself",
			})
		}
	}

	if fitsGroup(group.Labels) {
		spec.Labels = maps.Clone(group.Labels)

		return spec, nil
	}

	return spec, group.Labels
}

// limit is that of the group, as far as there is one so great.
func (c *converter) limit(group *monitoringv1.RuleGroup) *int32 {
	const greatest = 100_000

	limit := int32(min(*group.Limit, math.MaxInt32)) //nolint:gosec // No more than that.
	if limit <= greatest {
		return &limit
	}

	c.note(Finding{
		Group: group.Name, Field: "limit", Blocks: true,
		Message: "is greater than a group of rules can say, which is 100000; lower it, or take it away",
	})

	return nil
}

// evaluator is the one that selects the PrometheusRule. That of KubeSphere 3.3 is Thanos Ruler, unless the labels say
// that they are for Prometheus alone.
func (c *converter) evaluator() alertingv2beta1.Evaluator {
	if selects(c.target.Prometheus, c.source.Labels) && !selects(c.target.ThanosRuler, c.source.Labels) {
		return alertingv2beta1.EvaluatorPrometheus
	}

	return ""
}

func selects(selector, labels map[string]string) bool {
	for name, value := range selector {
		if labels[name] != value {
			return false
		}
	}

	return len(selector) > 0
}

// fitsGroup tells whether the schema of groups takes the labels.
func fitsGroup(labels map[string]string) bool {
	const name, value = 128, 1024

	for label, content := range labels {
		if label == "" || len(label) > name || len(content) > value {
			return false
		}
	}

	return len(labels) <= alertingv2beta1.MaxGroupLabels
}

// under are the labels of a rule, and beneath them those of its group.
func under(common, labels map[string]string) map[string]string {
	if len(common) == 0 {
		return labels
	}

	all := maps.Clone(common)
	maps.Copy(all, labels)

	return all
}

func text[T ~string](value *T) string {
	if value == nil {
		return ""
	}

	return string(*value)
}

func nameOfRule(rule *monitoringv1.Rule) string { return cmp.Or(rule.Alert, rule.Record) }
