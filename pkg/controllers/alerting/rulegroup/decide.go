package rulegroup

import (
	"context"
	"errors"
	"fmt"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/ruletest"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

// Reasons of the conditions.
const (
	reasonAccepted      = "Accepted"
	reasonDisabled      = "Disabled"
	reasonDryRun        = "DryRun"
	reasonInvalid       = "Invalid"
	reasonRulesRejected = "RulesRejected"
	reasonTestsFailed   = "TestsFailed"
	reasonTestsPassed   = "TestsPassed"
	reasonTooManyGroups = "TooManyGroups"
	reasonApplied       = "Applied"
	reasonApplyFailed   = "ApplyFailed"
	reasonNoRules       = "NoRules"
)

// outcome is what a run found, and what it is to do.
type outcome struct {
	key      client.ObjectKey
	rule     *monitoringv1.PrometheusRule // nil: there is to be none
	keep     bool                         // what is there stays as it is
	result   rendering.Result
	report   kube.Report
	statuses []alertingv2beta1.RuleStatus
	observed bool // the statuses are from evaluators
	healthy  *metav1.Condition
	stalled  error
	failure  error
}

// decide says what becomes of a group. Whatever is wrong with it takes nothing away that works: rules that cannot be
// rendered as a whole, or whose tests fail, leave those of before in force.
func (r *Reconciler) decide(ctx context.Context, found gathered) outcome {
	decided := outcome{key: found.key}

	if !found.enabled {
		decided.report = disabled()

		return decided
	}

	if found.surplus.Given() {
		return decided.refused(reasonTooManyGroups, fmt.Sprintf(
			"AlertingPolicy %s allows %d groups in a namespace, and the older ones are as many; delete one, or ask "+
				"for a higher limit", found.surplus.By, found.surplus.Value))
	}

	result, err := rendering.Render(found.group, found.around)
	if err != nil {
		decided.keep = true

		return decided.refused(reasonInvalid, err.Error())
	}

	decided.result = result

	if failed := r.test(ctx, found, &decided); failed {
		return decided
	}

	if found.group.Spec.Mode == alertingv2beta1.ModeDryRun {
		decided.report = dryRun(result)
		decided.report.Conditions = append(decided.report.Conditions, passed(found.group)...)

		return decided
	}

	decided.rule = rendering.Object(found.group, result, r.settings.target())
	decided.report = programmed(result, decided.rule)
	decided.report.Conditions = append(decided.report.Conditions, passed(found.group)...)

	return decided
}

// refused is the outcome of a group that cannot be used as a whole.
func (o *outcome) refused(reason, message string) outcome {
	o.report = kube.Report{
		State: kube.StateStalled, Reason: reason, Message: message,
		Conditions: []metav1.Condition{
			{Type: kube.ConditionAccepted, Status: metav1.ConditionFalse, Reason: reason, Message: message},
		},
	}
	o.stalled = kube.Stalled(reason, errors.New(message))

	if !o.keep {
		o.report.Conditions = append(o.report.Conditions, metav1.Condition{
			Type: kube.ConditionProgrammed, Status: metav1.ConditionFalse, Reason: reason, Message: message,
		})
	}

	return *o
}

// test runs the group's tests, once for each state of it. Rules whose tests fail are not put in force.
func (r *Reconciler) test(ctx context.Context, found gathered, decided *outcome) bool {
	tests := found.group.Spec.Tests
	if len(tests) == 0 {
		return false
	}

	version := fmt.Sprint(found.version, positions(decided.result.Rejected))

	failures, err := r.memory.tested(found.key, version, func() ([]ruletest.Failure, error) {
		return rendering.Test(ctx, found.group, decided.result)
	})
	if err != nil {
		decided.failure, decided.keep = err, true

		return true
	}

	if len(failures) == 0 {
		return false
	}

	message := tell(failures) + "; the rules of before stay in force until the tests pass"
	decided.keep = true
	decided.refused(reasonTestsFailed, message)
	decided.report.Conditions = append(accepted(decided.result), metav1.Condition{
		Type: alertingv2beta1.ConditionTestsPassed, Status: metav1.ConditionFalse, Reason: reasonTestsFailed,
		Message: message,
	})

	return true
}

// passed tells that the tests of a group pass, if it has any.
func passed(group rendering.Group) []metav1.Condition {
	if len(group.Spec.Tests) == 0 {
		return nil
	}

	return []metav1.Condition{{
		Type: alertingv2beta1.ConditionTestsPassed, Status: metav1.ConditionTrue, Reason: reasonTestsPassed,
	}}
}

// tell names the first failure, and how many there are.
func tell(failures []ruletest.Failure) string {
	first := fmt.Sprintf("spec.%s: %s", failures[0].Field, failures[0].Message)
	if len(failures) == 1 {
		return first
	}

	return fmt.Sprintf("%s (and %d more)", first, len(failures)-1)
}
