package rulefiles

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/internal/promql/evaluation"
)

// The reasons for which an object is left out.
const (
	ReasonInvalid         = "Invalid"
	ReasonInvalidName     = "InvalidName"
	ReasonInvalidDuration = "InvalidDuration"
	ReasonDuplicate       = "Duplicate"

	// ReasonRefused is for what the evaluator itself refuses.
	ReasonRefused = "RefusedByEvaluator"
)

// Refusal is why the file of an object is not written.
//
//nolint:errname // It stands in reports as well.
type Refusal struct {
	Object

	// Field is where in the object.
	Field string `json:"field,omitempty"`

	// Reason is one word, one of those above.
	Reason string `json:"reason"`

	// Message says what is wrong.
	Message string `json:"message"`

	// Digest is the file that the evaluator refused. Empty where it was not asked.
	Digest string `json:"digest,omitempty"`

	// Kept tells that the version before stays loaded.
	Kept bool `json:"kept,omitempty"`
}

// Error names the object, the field and what is wrong.
func (r *Refusal) Error() string {
	if r.Field == "" {
		return fmt.Sprintf("PrometheusRule %s: %s", r.Object, r.Message)
	}

	return fmt.Sprintf("PrometheusRule %s: %s: %s", r.Object, r.Field, r.Message)
}

func refuse(field, reason, message string) *Refusal {
	return &Refusal{Field: field, Reason: reason, Message: shorten(message)}
}

// shorten keeps messages, which quote queries, short enough for a report of many.
func shorten(text string) string {
	const (
		enough   = 512
		ellipsis = "..."
	)

	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= enough {
		return text
	}

	return strings.ToValidUTF8(text[:enough-len(ellipsis)], "") + ellipsis
}

// check returns the first thing that an evaluator would refuse.
func check(groups []monitoringv1.RuleGroup, dialect Dialect) *Refusal {
	names := map[string]int{}

	for i, group := range groups {
		field := fmt.Sprintf("spec.groups[%d]", i)

		if first, again := names[group.Name]; again {
			return refuse(field+".name", ReasonDuplicate, fmt.Sprintf(
				"%q is the name of spec.groups[%d] already; rename one of them", group.Name, first))
		}

		names[group.Name] = i

		if refusal := checkGroup(field, group, dialect); refusal != nil {
			return refusal
		}
	}

	return nil
}

func checkGroup(field string, group monitoringv1.RuleGroup, dialect Dialect) *Refusal {
	switch strategy := strings.ToLower(group.PartialResponseStrategy); {
	case group.Name == "" || !utf8.ValidString(group.Name):
		return refuse(field+".name", ReasonInvalidName, "is empty or not valid UTF-8; give the group a name")
	case dialect == ThanosRuler && !slices.Contains([]string{"", strategyAbort, strategyWarn}, strategy):
		return refuse(field+".partial_response_strategy", ReasonInvalid,
			"is neither abort nor warn; use one, or leave it out")
	}

	if refusal := cmp.Or(
		checkDuration(field+".interval", group.Interval),
		checkDuration(field+".query_offset", group.QueryOffset),
		checkLabels(field+".labels", group.Labels),
	); refusal != nil {
		return refusal
	}

	for i, rule := range group.Rules {
		if refusal := checkRule(fmt.Sprintf("%s.rules[%d]", field, i), rule); refusal != nil {
			return refusal
		}
	}

	return nil
}

// checkLabels looks at the labels of a group as an evaluator does: it does not look at those of one rule alone.
func checkLabels(field string, labels map[string]string) *Refusal {
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if !model.UTF8Validation.IsValidLabelName(name) || name == model.MetricNameLabel {
			return refuse(field, ReasonInvalidName, fmt.Sprintf("%q is no name of a label; rename it", name))
		}

		if !utf8.ValidString(labels[name]) {
			return refuse(field, ReasonInvalid, fmt.Sprintf("the value of %s is not valid UTF-8", name))
		}
	}

	return nil
}

func checkRule(field string, rule monitoringv1.Rule) *Refusal {
	text := evaluation.RuleText{
		Alert: rule.Alert, Record: rule.Record, Expr: rule.Expr.String(),
		Labels: rule.Labels, Annotations: rule.Annotations,
	}

	if refusal := cmp.Or(
		checkText(field, rule),
		checkDuration(field+".for", rule.For), checkDuration(field+".keep_firing_for", rule.KeepFiringFor),
	); refusal != nil {
		return refusal
	}

	text.For, text.KeepFiringFor = durationOf(rule.For), durationOf(rule.KeepFiringFor)

	if problems := evaluation.CheckRule(text); len(problems) > 0 {
		return refuse(field, ReasonInvalid, problems[0].Error())
	}

	return nil
}

// checkText refuses what would be written as something else.
func checkText(field string, rule monitoringv1.Rule) *Refusal {
	texts := []string{rule.Alert, rule.Record, rule.Expr.String()}
	texts = slices.AppendSeq(texts, maps.Values(rule.Annotations))
	texts = slices.AppendSeq(texts, maps.Values(rule.Labels))

	if slices.ContainsFunc(texts, func(text string) bool { return !utf8.ValidString(text) }) {
		return refuse(field, ReasonInvalid, "is not valid UTF-8; save it in that encoding")
	}

	return nil
}

func checkDuration[T ~string](field string, text *T) *Refusal {
	if text == nil || *text == "" {
		return nil
	}

	if _, err := model.ParseDuration(string(*text)); err != nil {
		return refuse(field, ReasonInvalidDuration, fmt.Sprintf(
			"%q is no duration; write it as in 30s, 5m or 1h30m", shorten(string(*text))))
	}

	return nil
}

// durationOf reads what has been checked. Nothing is zero.
func durationOf[T ~string](text *T) time.Duration {
	if text == nil || *text == "" {
		return 0
	}

	duration, _ := model.ParseDuration(string(*text))

	return time.Duration(duration)
}
