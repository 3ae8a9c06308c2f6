package rulegroup

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/evaluator"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

// maxRejected is how many rules that were left out a status lists. The message counts all.
const maxRejected = 50

func disabled() kube.Report {
	message := "The label " + alertingv2beta1.EnableLabel + ` is not "true", so the rules are not evaluated.`

	return kube.Report{
		State: kube.StateReady, Reason: reasonDisabled, Message: message,
		Conditions: []metav1.Condition{
			{Type: kube.ConditionProgrammed, Status: metav1.ConditionFalse, Reason: reasonDisabled, Message: message},
		},
	}
}

func dryRun(result rendering.Result) kube.Report {
	report := verdictOf(result)
	if report.State == kube.StateReady {
		report.Reason = reasonDryRun
		report.Message = "The rules are valid. They are not evaluated, for spec.mode is DryRun."
	}

	report.Conditions = append(report.Conditions, metav1.Condition{
		Type: kube.ConditionProgrammed, Status: metav1.ConditionFalse, Reason: reasonDryRun,
		Message: "spec.mode is DryRun; set it to Enforce to have the rules evaluated",
	})

	return report
}

func programmed(result rendering.Result, rule *monitoringv1.PrometheusRule) kube.Report {
	report := verdictOf(result)
	condition := metav1.Condition{Type: kube.ConditionProgrammed, Status: metav1.ConditionTrue, Reason: reasonApplied}

	if rule == nil {
		condition.Status, condition.Reason = metav1.ConditionFalse, reasonNoRules
		condition.Message = "There is no rule to evaluate."
	}

	report.Conditions = append(report.Conditions, condition)

	return report
}

// verdictOf says which rules were left out, and what was changed.
func verdictOf(result rendering.Result) kube.Report {
	report := kube.Report{State: kube.StateReady, Reason: reasonAccepted, Conditions: accepted(result)}

	if rejected := len(result.Rejected); rejected > 0 {
		report.State, report.Reason = kube.StateStalled, reasonRulesRejected
		report.Message = report.Conditions[0].Message
	} else {
		report.Message = strings.TrimSpace(fmt.Sprintf("%s %s", count(len(result.Rules.Rules)), warnings(result)))
	}

	return report
}

func accepted(result rendering.Result) []metav1.Condition {
	condition := metav1.Condition{
		Type: kube.ConditionAccepted, Status: metav1.ConditionTrue, Reason: reasonAccepted, Message: warnings(result),
	}

	if len(result.Rejected) > 0 {
		first := result.Rejected[0]
		place := fmt.Sprintf("spec.rules[%d]", first.Index)

		if first.Field != "" {
			place += "." + first.Field
		}

		condition.Status, condition.Reason = metav1.ConditionFalse, reasonRulesRejected
		condition.Message = fmt.Sprintf("%d of the rules are left out, the others are in force; see "+
			"status.rejectedRules. The first is %s (%s): %s", len(result.Rejected), place, first.Name, first.Message)
	}

	return []metav1.Condition{condition}
}

// warnings tells the first of what was changed.
func warnings(result rendering.Result) string {
	switch len(result.Warnings) {
	case 0:
		return ""
	case 1:
		return result.Warnings[0]
	default:
		return fmt.Sprintf("%s (and %d more)", result.Warnings[0], len(result.Warnings)-1)
	}
}

func count(rules int) string {
	if rules == 1 {
		return "1 rule is handed to the evaluator."
	}

	return fmt.Sprintf("%d rules are handed to the evaluator.", rules)
}

// verdict is the report with what came of the writing and of the evaluators.
func (o *outcome) verdict() kube.Report {
	report := o.report
	if o.healthy != nil {
		report.Conditions = append(report.Conditions, *o.healthy)
	}

	if o.failure == nil {
		return report
	}

	report.State, report.Reason, report.Message = kube.StateFailed, reasonApplyFailed, o.failure.Error()
	if stalled, isStalled := errors.AsType[*kube.StalledError](o.failure); isStalled {
		report.State, report.Reason = kube.StateStalled, stalled.Reason
	}

	report.Conditions = replace(report.Conditions, metav1.Condition{
		Type: kube.ConditionProgrammed, Status: metav1.ConditionFalse, Reason: report.Reason, Message: report.Message,
	})

	return report
}

func replace(conditions []metav1.Condition, with metav1.Condition) []metav1.Condition {
	kept := make([]metav1.Condition, 0, len(conditions)+1)

	for _, condition := range conditions {
		if condition.Type != with.Type {
			kept = append(kept, condition)
		}
	}

	return append(kept, with)
}

// writeTo writes what is no condition.
func (o *outcome) writeTo(status *alertingv2beta1.RuleGroupStatus) {
	if o.report.State == kube.StatePaused {
		return
	}

	status.RejectedRules = o.result.Rejected[:min(len(o.result.Rejected), maxRejected)]
	if len(status.RejectedRules) == 0 {
		status.RejectedRules = nil
	}

	if !o.keep && o.failure == nil {
		status.PrometheusRule = nil
		if o.rule != nil {
			status.PrometheusRule = &alertingv2beta1.ObjectReference{Namespace: o.rule.Namespace, Name: o.rule.Name}
		}

		rules := int32(min(len(o.result.Rules.Rules), math.MaxInt32))
		status.Rules = &rules
	}

	if o.observed {
		status.RulesStatus = o.statuses
		status.RulesStats = evaluator.Count(o.statuses)
		status.Firing = &status.RulesStats.Firing
	}
}

// digestOf tells statuses apart, but for the times of their conditions: those are of the clock.
func digestOf(status *alertingv2beta1.RuleGroupStatus) string {
	timeless := status.DeepCopy()
	for i := range timeless.Conditions {
		timeless.Conditions[i].LastTransitionTime = metav1.Time{}
	}

	text, _ := json.Marshal(timeless) //nolint:errchkjson // it has nothing that JSON has no form for
	digest := sha256.Sum256(text)

	return string(digest[:])
}
