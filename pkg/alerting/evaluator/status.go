package evaluator

import (
	"cmp"
	"math"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
)

// Wanted is a rule of a group as its author wrote it.
type Wanted struct {
	Name     string // of the alert, or of what is recorded
	ID       string // rule_id; empty for a rule that records
	Disabled bool
	Rejected bool
}

// Statuses says of each rule of a group what the evaluators know, in the group's order. A rejected rule has no state.
func (s State) Statuses(level, namespace, group string, rules []Wanted) []alertingv2beta1.RuleStatus {
	alerts := s[GroupKey{Level: level, Namespace: namespace, Group: group}]
	records := s[GroupKey{Namespace: namespace, Group: group}]

	var statuses []alertingv2beta1.RuleStatus

	for _, rule := range rules {
		switch {
		case rule.Rejected:
		case rule.Disabled:
			statuses = append(statuses, alertingv2beta1.RuleStatus{
				Name: rule.Name, RuleID: rule.ID,
				State: alertingv2beta1.StateDisabled, Health: alertingv2beta1.HealthUnknown,
			})
		case rule.ID != "":
			statuses = append(statuses, status(rule, alerts, rule.ID))
		default:
			statuses = append(statuses, status(rule, records, rule.Name))
		}
	}

	return statuses
}

func status(rule Wanted, known []Rule, id string) alertingv2beta1.RuleStatus {
	status := alertingv2beta1.RuleStatus{
		Name: rule.Name, RuleID: rule.ID,
		State: alertingv2beta1.StateInactive, Health: alertingv2beta1.HealthUnknown,
	}

	at := slices.IndexFunc(known, func(one Rule) bool { return one.ID == id })
	if at < 0 {
		return status
	}

	found := known[at]
	status.State, status.Health, status.LastError = found.State, found.Health, found.LastError
	status.ActiveAlerts = int32(min(found.Active, math.MaxInt32)) //nolint:gosec // No more than that.

	if !found.Since.IsZero() {
		since := metav1.NewTime(found.Since.Truncate(time.Second))
		status.ActiveSince = &since
	}

	return status
}

// Count adds the states up, as KubeSphere 3.4's rulesStats has them.
func Count(statuses []alertingv2beta1.RuleStatus) *alertingv2beta1.RulesStats {
	var stats alertingv2beta1.RulesStats

	for _, status := range statuses {
		switch status.State {
		case alertingv2beta1.StateFiring:
			stats.Firing++
		case alertingv2beta1.StatePending:
			stats.Pending++
		case alertingv2beta1.StateDisabled:
			stats.Disabled++
		default:
			stats.Inactive++
		}
	}

	return &stats
}

// Sick returns the first rule that cannot be evaluated, and the first that no evaluator has loaded.
func Sick(statuses []alertingv2beta1.RuleStatus) (failing, missing *alertingv2beta1.RuleStatus) {
	for i := range statuses {
		switch status := &statuses[i]; {
		case status.State == alertingv2beta1.StateDisabled:
		case status.Health == alertingv2beta1.HealthErr:
			failing = cmp.Or(failing, status)
		case status.Health == alertingv2beta1.HealthUnknown:
			missing = cmp.Or(missing, status)
		}
	}

	return failing, missing
}
