package rendering

import (
	"context"
	"fmt"
	"maps"
	"time"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/ruletest"
)

// Test runs the tests of a group on its rules as their author wrote them: with the author's queries, labels and
// annotations, and without the labels and matchers that say whose rules they are. So a test says the same here as in
// promtool. Rules that were left out, and those that are disabled, are not there.
//
// Failures are fields of the spec; what cannot be read of a test is one.
func Test(ctx context.Context, group Group, result Result) ([]ruletest.Failure, error) {
	interval, _ := readDuration(group.Spec.Interval)
	offset, _ := readDuration(group.Spec.QueryOffset)

	subject := ruletest.Group{Name: group.Name, Interval: interval, QueryOffset: offset, Rules: sources(group, result)}
	if limit := result.Rules.Limit; limit != nil {
		subject.Limit = *limit
	}

	tests, failures := testsOf(group.Spec.Tests)
	if len(failures) > 0 {
		return failures, nil
	}

	found, err := ruletest.Run(ctx, subject, tests, ruletest.Limits{})
	if err != nil {
		return nil, fmt.Errorf("run the tests of the rules: %w", err)
	}

	return found, nil
}

// sources are the rules as their author wrote them.
func sources(group Group, result Result) []ruletest.Rule {
	var rules []ruletest.Rule

	for i, rule := range group.Rules {
		if result.Sources[i] == "" {
			continue
		}

		lasts, _ := readDuration(rule.For)
		keeps, _ := readDuration(rule.KeepFiringFor)

		labels := maps.Clone(group.Spec.Labels)
		if labels == nil {
			labels = map[string]string{}
		}

		maps.Copy(labels, rule.Labels)

		if rule.Severity != "" && rule.Alert != "" {
			labels[alertingv2beta1.RuleLabelSeverity] = rule.Severity
		}

		annotations := maps.Clone(rule.Annotations)
		if rule.RunbookURL != "" {
			if annotations == nil {
				annotations = map[string]string{}
			}

			annotations[annotationRunbook] = rule.RunbookURL
		}

		rules = append(rules, ruletest.Rule{
			Alert: rule.Alert, Record: rule.Record, Expr: result.Sources[i],
			For: lasts, KeepFiringFor: keeps, Labels: labels, Annotations: annotations,
		})
	}

	return rules
}

// testsOf reads the tests. What cannot be read is a failure of its field.
func testsOf(specs []alertingv2beta1.RuleTest) ([]ruletest.Test, []ruletest.Failure) {
	read := reader{}
	tests := make([]ruletest.Test, 0, len(specs))

	for i, spec := range specs {
		read.test, read.at = spec.Name, fmt.Sprintf("tests[%d]", i)
		test := ruletest.Test{Name: spec.Name, Interval: read.duration("interval", spec.Interval)}

		for _, series := range spec.InputSeries {
			test.Series = append(test.Series, ruletest.Series{Series: series.Series, Values: series.Values})
		}

		for j, alert := range spec.AlertTests {
			test.Alerts = append(test.Alerts, ruletest.AlertTest{
				At:    read.duration(fmt.Sprintf("alertTests[%d].evalTime", j), alert.EvalTime),
				Alert: alert.Alert, Expect: expectedAlerts(alert.Expect),
			})
		}

		for j, expr := range spec.ExprTests {
			test.Exprs = append(test.Exprs, ruletest.ExprTest{
				At:   read.duration(fmt.Sprintf("exprTests[%d].evalTime", j), expr.EvalTime),
				Expr: expr.Expr, Expect: expectedSamples(expr.Expect),
			})
		}

		tests = append(tests, test)
	}

	return tests, read.failures
}

// reader collects what cannot be read.
type reader struct {
	test, at string
	failures []ruletest.Failure
}

func (r *reader) duration(field, text string) time.Duration {
	duration, err := readDuration(text)
	if err != nil {
		r.failures = append(r.failures, ruletest.Failure{
			Test: r.test, Field: r.at + "." + field, Message: err.Error(),
		})
	}

	return duration
}

func expectedAlerts(specs []alertingv2beta1.ExpectedAlert) []ruletest.Alert {
	alerts := make([]ruletest.Alert, 0, len(specs))
	for _, spec := range specs {
		alerts = append(alerts, ruletest.Alert{Labels: spec.Labels, Annotations: spec.Annotations})
	}

	return alerts
}

func expectedSamples(specs []alertingv2beta1.ExpectedSample) []ruletest.Sample {
	samples := make([]ruletest.Sample, 0, len(specs))
	for _, spec := range specs {
		samples = append(samples, ruletest.Sample{Labels: spec.Labels, Value: spec.Value})
	}

	return samples
}
