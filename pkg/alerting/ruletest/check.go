package ruletest

import (
	"errors"
	"fmt"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/internal/promql/evaluation"
)

var (
	errNegative  = errors.New("must not be negative: time begins at zero")
	errFraction  = errors.New("must be a whole number of milliseconds")
	errNoName    = errors.New("must name the alert")
	errLongTime  = errors.New("must be less than a hundred years")
	errNoCadence = errors.New("must be more than zero")
)

// longest is further than any test can look; beyond it, times in nanoseconds would overflow.
const longest = 100 * 365 * 24 * time.Hour

// checkGroup says what is wrong with the rules.
func checkGroup(group Group) []Failure {
	var failures []Failure

	note := func(field string, err error) {
		if err != nil {
			failures = append(failures, Failure{Field: field, Message: err.Error()})
		}
	}

	note("interval", checkStep(group.Interval))
	note("queryOffset", checkTime(group.QueryOffset))

	if group.Limit < 0 {
		note("limit", errNegative)
	}

	for i, rule := range group.Rules {
		field := fmt.Sprintf("rules[%d]", i)
		note(field+".for", checkTime(rule.For))
		note(field+".keepFiringFor", checkTime(rule.KeepFiringFor))

		for _, err := range evaluation.CheckRule(evaluation.RuleText(rule)) {
			note(field, err)
		}
	}

	return failures
}

// checkTest says what is wrong with the times and names of a test.
func (r *run) checkTest() {
	if r.test.Interval != 0 {
		r.note(".interval", checkStep(r.test.Interval))
	}

	for i, alert := range r.test.Alerts {
		field := fmt.Sprintf(".alerts[%d]", i)
		r.note(field+".at", checkTime(alert.At))

		if alert.Alert == "" {
			r.note(field+".alert", errNoName)
		}
	}

	for i, expr := range r.test.Exprs {
		r.note(fmt.Sprintf(".exprs[%d].at", i), checkTime(expr.At))
	}
}

func checkTime(at time.Duration) error {
	switch {
	case at < 0:
		return errNegative
	case at%time.Millisecond != 0:
		return errFraction
	case at > longest:
		return errLongTime
	default:
		return nil
	}
}

func checkStep(step time.Duration) error {
	if step == 0 {
		return errNoCadence
	}

	return checkTime(step)
}
