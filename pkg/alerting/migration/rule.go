package migration

import (
	"maps"
	"slices"
	"strings"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/scope"
)

// labelNamespace is what the platform puts on whatever a rule of a namespace gives.
const labelNamespace = "namespace"

// rule makes a rule of a rule, unless no group could hold it: one such would keep the API server from taking all of
// its group.
func (c *converter) rule(group string, rule *monitoringv1.Rule) (alertingv2beta1.Rule, bool) {
	if field, message := unfit(rule); message != "" {
		c.note(Finding{
			Group: group, Rule: nameOfRule(rule), Field: field, Message: message, Blocks: true, Dropped: true,
		})

		return alertingv2beta1.Rule{}, false
	}

	made := alertingv2beta1.Rule{
		Alert: rule.Alert, Record: rule.Record, Expr: alertingv2beta1.Expression(rule.Expr.String()),
		For: text(rule.For), KeepFiringFor: text(rule.KeepFiringFor),
		Labels: maps.Clone(rule.Labels), Annotations: maps.Clone(rule.Annotations),
	}

	// A severity that is a template works as a label, and not in the field.
	if severity := made.Labels[alertingv2beta1.RuleLabelSeverity]; rule.Alert != "" && !isTemplate(severity) {
		made.Severity = severity
		delete(made.Labels, alertingv2beta1.RuleLabelSeverity)
	}

	if len(made.Labels) == 0 {
		made.Labels = nil
	}

	c.checkLabels(group, rule)

	return made, true
}

// unfit says by field why no group can hold a rule. None of these rules has ever worked.
func unfit(rule *monitoringv1.Rule) (field, message string) {
	const longest = 64

	switch {
	case (rule.Alert == "") == (rule.Record == ""):
		return "alert", "a rule needs one of alert and record; set one, or take the rule away"
	case !isDuration(text(rule.For)):
		return "for", "is no duration; write it as in 5m or 1h30m"
	case !isDuration(text(rule.KeepFiringFor)) || len(text(rule.KeepFiringFor)) > longest:
		return "keep_firing_for", "is no duration; write it as in 5m or 1h30m"
	case rule.Record != "":
		return unfitRecord(rule)
	default:
		return "", ""
	}
}

func unfitRecord(rule *monitoringv1.Rule) (field, message string) {
	const longest = 256

	switch {
	case !model.LegacyValidation.IsValidMetricName(rule.Record) || len(rule.Record) > longest:
		return "record", "is no name of a metric; use at most 256 letters, digits, _ and :"
	case rule.Expr.String() == "":
		return "expr", "is missing; set it, or take the rule away"
	case text(rule.For) != "" || text(rule.KeepFiringFor) != "":
		return "for", "is for alerts; take it away from a rule that records"
	case len(rule.Annotations) > 0:
		return "annotations", "are for alerts; take them away from a rule that records"
	default:
		return "", ""
	}
}

// checkLabels finds labels that the platform sets to something else than the rule does.
func (c *converter) checkLabels(group string, rule *monitoringv1.Rule) {
	for _, name := range reserved() {
		value, set := rule.Labels[name]
		if !set || c.stays(rule, name, value) {
			continue
		}

		c.note(Finding{
			Group: group, Rule: nameOfRule(rule), Field: "labels[" + name + "]", Blocks: true,
			Message: "is a label that the platform sets to something else; take it away, or write the group yourself",
		})
	}
}

// stays tells whether a label that the platform sets will have the value that it has.
func (c *converter) stays(rule *monitoringv1.Rule, name, value string) bool {
	if name == labelNamespace {
		return c.level == alertingv2beta1.LevelNamespace && value == c.source.Namespace
	}

	if rule.Record != "" {
		return false
	}

	switch name {
	case alertingv2beta1.RuleLabelID:
		return value != "" && !isTemplate(value)
	case alertingv2beta1.RuleLabelLevel:
		return value == c.level
	case alertingv2beta1.RuleLabelAlertType:
		return value == alertingv2beta1.AlertTypeMetric
	case alertingv2beta1.RuleLabelType:
		return value == alertingv2beta1.RuleTypeCustom
	default:
		return false
	}
}

func reserved() []string { return slices.Sorted(slices.Values(scope.ReservedLabels())) }

func isTemplate(text string) bool { return strings.Contains(text, "{{") }

// isDuration tells whether a duration is one, or is left out.
func isDuration(text string) bool {
	if text == "" {
		return true
	}

	_, err := model.ParseDuration(text)

	return err == nil
}
