// Package rendering makes of a group of rules the PrometheusRule that evaluators read: queries built and confined,
// names and identities that stay, one object for each group. A rule that cannot be used is left out with its reason,
// and changes nothing for the others.
package rendering

import (
	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/builder"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/scope"
)

// Group is a RuleGroup, a ClusterRuleGroup or a GlobalRuleGroup.
type Group struct {
	Level     string // one of LevelNamespace, LevelCluster, LevelGlobal
	Namespace string // empty but at LevelNamespace
	Name      string
	Spec      alertingv2beta1.GroupSpec
	Rules     []Rule
}

// Rule is a rule of any of the three.
type Rule struct {
	alertingv2beta1.Rule

	// Build makes the query that the rule's form stands for. Nil: the rule has no form.
	Build func() (builder.Query, error)

	// Selects are the matchers that the rule itself asks for: clusterSelector and namespaceSelector.
	Selects []Selector
}

// Selector is a selector of a rule in a GlobalRuleGroup.
type Selector struct {
	Field string // of the rule
	Label string // of series
	Value *alertingv2beta1.MetricLabelSelector
}

// OfNamespace is the group of a namespace.
func OfNamespace(group *alertingv2beta1.RuleGroup) Group {
	rules := make([]Rule, 0, len(group.Spec.Rules))

	for _, rule := range group.Spec.Rules {
		converted := Rule{Rule: rule.Rule}
		if form := rule.ExprBuilder; form != nil {
			converted.Build = func() (builder.Query, error) { return builder.Namespace(form) }
		}

		rules = append(rules, converted)
	}

	return Group{
		Level: alertingv2beta1.LevelNamespace, Namespace: group.Namespace, Name: group.Name,
		Spec: group.Spec.GroupSpec, Rules: rules,
	}
}

// OfCluster is a group about one cluster.
func OfCluster(group *alertingv2beta1.ClusterRuleGroup) Group {
	rules := make([]Rule, 0, len(group.Spec.Rules))

	for _, rule := range group.Spec.Rules {
		converted := Rule{Rule: rule.Rule}
		if form := rule.ExprBuilder; form != nil {
			converted.Build = func() (builder.Query, error) { return builder.Cluster(form) }
		}

		rules = append(rules, converted)
	}

	return Group{
		Level: alertingv2beta1.LevelCluster, Name: group.Name, Spec: group.Spec.GroupSpec, Rules: rules,
	}
}

// OfGlobal is a group about several clusters.
func OfGlobal(group *alertingv2beta1.GlobalRuleGroup) Group {
	rules := make([]Rule, 0, len(group.Spec.Rules))

	for _, rule := range group.Spec.Rules {
		converted := Rule{Rule: rule.Rule, Selects: []Selector{
			{Field: "clusterSelector", Label: labelCluster, Value: rule.ClusterSelector},
			{Field: "namespaceSelector", Label: labelNamespace, Value: rule.NamespaceSelector},
		}}
		if form := rule.ExprBuilder; form != nil {
			converted.Build = func() (builder.Query, error) { return builder.Global(form) }
		}

		rules = append(rules, converted)
	}

	return Group{Level: alertingv2beta1.LevelGlobal, Name: group.Name, Spec: group.Spec.GroupSpec, Rules: rules}
}

// matchers reads the selectors of a rule.
func (r Rule) matchers() ([]scope.Matcher, *alertingv2beta1.RejectedRule) {
	var matchers []scope.Matcher

	for _, selector := range r.Selects {
		matcher, refusal := selector.matcher()
		if refusal != nil {
			return nil, refusal
		}

		if matcher != nil {
			matchers = append(matchers, *matcher)
		}
	}

	return matchers, nil
}

func (s Selector) matcher() (*scope.Matcher, *alertingv2beta1.RejectedRule) {
	if s.Value == nil {
		return nil, nil
	}

	switch values, matcher := s.Value.InValues, s.Value.Matcher; {
	case len(values) > 0:
		one := scope.OneOf(s.Label, values...)

		return &one, nil
	case matcher == nil:
		return nil, nil
	case matcher.Type == "" || matcher.Type == "=", matcher.Type == "!=", matcher.Type == "=~", matcher.Type == "!~":
		operator := scope.Equal
		if matcher.Type != "" {
			operator = scope.Operator(matcher.Type)
		}

		return &scope.Matcher{Label: s.Label, Operator: operator, Value: matcher.Value}, nil
	default:
		return nil, refuse(s.Field+".matcher.type", ReasonInvalidSelector, "is no comparison; use =, !=, =~ or !~")
	}
}
