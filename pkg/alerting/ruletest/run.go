package ruletest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/alertstate"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/internal/promql/evaluation"
)

// run is one test under way.
type run struct {
	group     Group
	test      Test
	field     string
	budget    *evaluation.Budget
	evaluator *evaluation.Evaluator
	machines  func(alertstate.Rule) machine
	rules     []rule
	failures  []Failure
}

func newRun(group Group, test Test, field string, budget *evaluation.Budget) *run {
	return &run{
		group: group, test: test, field: field, budget: budget,
		evaluator: evaluation.New(group.Interval, budget), machines: newMachine,
	}
}

// note keeps a failure at a field below the test.
func (r *run) note(below string, err error) {
	if err != nil {
		r.fail(below, explain(err))
	}
}

func (r *run) fail(below, message string) {
	r.failures = append(r.failures, Failure{Test: r.test.Name, Field: r.field + below, Message: shorten(message)})
}

// all runs the test: first what can be wrong with it, then step by step, then its expressions. It ends at the
// first step that fails, for what follows would only be its consequence.
func (r *run) all(ctx context.Context) {
	r.checkTest()

	if len(r.failures) > 0 {
		return
	}

	r.load()

	if len(r.failures) > 0 {
		return
	}

	if err := r.prepare(); err != nil {
		r.note("", err)

		return
	}

	for at := time.Duration(0); at <= r.end(); at += r.group.Interval {
		if err := r.step(ctx, at); err != nil {
			r.note("", err)

			return
		}

		r.compareAlerts(at)
	}

	r.compareExprs(ctx)
}

// end is the last time that the test looks at.
func (r *run) end() time.Duration {
	end := time.Duration(0)
	for _, alert := range r.test.Alerts {
		end = max(end, alert.At)
	}

	for _, expr := range r.test.Exprs {
		end = max(end, expr.At)
	}

	return end
}

func (r *run) load() {
	interval := r.test.Interval
	if interval == 0 {
		interval = r.group.Interval
	}

	for i, series := range r.test.Series {
		r.note(fmt.Sprintf(".series[%d]", i), r.evaluator.Load(series.Series, series.Values, interval))
	}
}

// prepare reads the rules, and counts before the first step whether the last one can be reached.
func (r *run) prepare() error {
	steps := int64(r.end()/r.group.Interval) + 1
	if needed := steps * int64(len(r.group.Rules)); needed > int64(r.budget.Left()) {
		return fmt.Errorf("%w: %d steps to %v are %d evaluations, and %d are left", evaluation.ErrBudget,
			steps, r.end(), needed, r.budget.Left())
	}

	for i, text := range r.group.Rules {
		rule, err := r.newRule(text)
		if err != nil {
			return ruleError(i, text, err)
		}

		r.rules = append(r.rules, rule)
	}

	return nil
}

func ruleError(i int, text Rule, err error) error {
	return fmt.Errorf("rules[%d] (%s): %w", i, text.Alert+text.Record, err)
}

// step evaluates all rules at one time.
func (r *run) step(ctx context.Context, at time.Duration) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}

	if err := r.evaluator.Advance(instant(at)); err != nil {
		return fmt.Errorf("series at %v: %w", at, err)
	}

	for i, rule := range r.rules {
		if err := rule.step(ctx, instant(at)); err != nil {
			return ruleError(i, r.group.Rules[i], fmt.Errorf("at %v: %w", at, err))
		}
	}

	return nil
}

// compareAlerts compares what fires now with the tests whose time lies between this step and the next.
func (r *run) compareAlerts(at time.Duration) {
	for i, test := range r.test.Alerts {
		if test.At < at || test.At >= at+r.group.Interval {
			continue
		}

		var got, want []string

		for _, rule := range r.rules {
			got = append(got, rule.firing(test.Alert)...)
		}

		for _, alert := range test.Expect {
			want = append(want, describeExpected(test.Alert, alert))
		}

		r.compare(fmt.Sprintf(".alerts[%d]", i), want, got)
	}
}

// compareExprs evaluates the expressions of the test.
func (r *run) compareExprs(ctx context.Context) {
	for i, test := range r.test.Exprs {
		field := fmt.Sprintf(".exprs[%d]", i)

		samples, err := r.evaluate(ctx, test)
		if err != nil {
			r.note(field, err)

			continue
		}

		want, ok := r.expected(field, test.Expect)
		if !ok {
			continue
		}

		got := make([]string, 0, len(samples))
		for _, sample := range samples {
			got = append(got, describeSample(sample.Labels, sample.Value))
		}

		r.compare(field, want, got)
	}
}

func (r *run) evaluate(ctx context.Context, test ExprTest) ([]evaluation.Sample, error) {
	expression, err := r.evaluator.Compile(test.Expr)
	if err != nil {
		return nil, err
	}

	return r.evaluator.Instant(ctx, expression, instant(test.At))
}

// expected reads the samples that a test expects.
func (r *run) expected(field string, samples []Sample) ([]string, bool) {
	var (
		want []string
		ok   = true
	)

	for i, sample := range samples {
		below := fmt.Sprintf("%s.expect[%d]", field, i)

		set, err := evaluation.ParseLabels(sample.Labels)
		if err != nil {
			r.note(below+".labels", err)

			ok = false
		}

		value, err := evaluation.ParseValue(sample.Value)
		if err != nil {
			r.note(below+".value", err)

			ok = false
		}

		want = append(want, describeSample(set, value))
	}

	return want, ok
}

// compare says which of two lists' elements are in one of them only. The order does not count.
func (r *run) compare(field string, want, got []string) {
	missing, unexpected := without(want, got), without(got, want)
	if len(missing)+len(unexpected) > 0 {
		r.fail(field, difference(missing, unexpected))
	}
}

// without returns the elements of a that b does not have, or has less often, sorted.
func without(a, b []string) []string {
	count := map[string]int{}
	for _, element := range b {
		count[element]++
	}

	var rest []string

	for _, element := range slices.Sorted(slices.Values(a)) {
		count[element]--

		if count[element] < 0 {
			rest = append(rest, element)
		}
	}

	return rest
}

// instant returns the time that a duration of a test stands for.
func instant(at time.Duration) time.Time { return time.Unix(0, 0).UTC().Add(at) }
