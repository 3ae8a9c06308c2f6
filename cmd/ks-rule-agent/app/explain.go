package app

import (
	"cmp"
	"maps"
	"slices"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
)

// explanation is one rule, as it was written and as it is evaluated.
type explanation struct {
	Index int    `json:"index"`
	Name  string `json:"name"`

	// State is what becomes of it: evaluated, rejected or disabled.
	State string `json:"state"`

	// Source is the query of its author, or of its form.
	Source string `json:"source,omitempty"`

	// Evaluated is the query that the evaluator gets.
	Evaluated string `json:"evaluated,omitempty"`

	// Labels are those that it gets beside its author's.
	Labels map[string]string `json:"labels,omitempty"`

	// Why tells of each difference, or why the rule is rejected.
	Why []string `json:"why,omitempty"`
}

// What becomes of a rule.
const (
	stateEvaluated = "evaluated"
	stateRejected  = "rejected"
	stateDisabled  = "disabled"
)

// explain sets the rules of a group beside what became of them.
func explain(group rendering.Group, result rendering.Result) []explanation {
	explanations := make([]explanation, 0, len(group.Rules))
	next := 0

	for i, rule := range group.Rules {
		one := explanation{Index: i, Name: cmp.Or(rule.Alert, rule.Record), State: stateDisabled}

		rejected := slices.IndexFunc(result.Rejected, func(r rejectedRule) bool { return int(r.Index) == i })

		switch {
		case rule.Disable:
		case rejected >= 0:
			one.State, one.Source = stateRejected, string(rule.Expr)
			one.Why = []string{place(result.Rejected[rejected])}
		default:
			one.compare(group, rule, result.Sources[i], result.Rules.Rules[next])
			next++
		}

		explanations = append(explanations, one)
	}

	return explanations
}

// compare fills in what differs.
func (e *explanation) compare(group rendering.Group, rule rendering.Rule, source string, made monitoringv1.Rule) {
	e.State, e.Source, e.Evaluated = stateEvaluated, source, made.Expr.String()
	e.Labels = map[string]string{}

	for _, name := range slices.Sorted(maps.Keys(made.Labels)) {
		if rule.Labels[name] != made.Labels[name] && group.Spec.Labels[name] != made.Labels[name] {
			e.Labels[name] = made.Labels[name]
		}
	}

	if rule.Build != nil {
		e.Why = append(e.Why, "the query is made of exprBuilder")
	}

	if e.Source != e.Evaluated {
		e.Why = append(e.Why, "the query is confined to the series that the group may see, and printed anew")
	}

	if len(e.Labels) > 0 {
		e.Why = append(e.Why, "the labels say whose alert it is, and which")
	}
}
