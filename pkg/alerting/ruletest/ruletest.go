// Package ruletest runs the unit tests that a group of rules carries: what `promtool test rules` says of them,
// this says, without a file, a storage or a process.
//
// Time begins at zero and goes on by the group's interval. At each step the series of the test get their next
// samples, then the rules of the group are evaluated in their order, each seeing what the ones before it have
// recorded. Alerts are compared with what fires at the step before or at their time; expressions are evaluated
// in the end, over everything that was seen and recorded.
//
// Two things differ from promtool on purpose: an expected NaN is equal to NaN, and nothing goes on for longer
// than its Limits allow.
package ruletest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/alertstate"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/internal/promql/evaluation"
)

// Group is a group of rules.
type Group struct {
	Name string

	// Interval between two evaluations. Zero: a minute.
	Interval time.Duration

	// QueryOffset is how far before their time the rules look.
	QueryOffset time.Duration

	// Limit is how many alerts or series a rule may produce. Zero: any number.
	Limit int

	Rules []Rule
}

// Rule is an alerting or a recording rule.
type Rule struct {
	Alert, Record, Expr string
	For, KeepFiringFor  time.Duration
	Labels, Annotations map[string]string
}

// Test says what the rules make of some series.
type Test struct {
	Name string

	// Interval between two samples of a series. Zero: the interval of the group.
	Interval time.Duration

	Series []Series
	Alerts []AlertTest
	Exprs  []ExprTest
}

// Series is a series in promtool's notation: `up{job="a"}` with the values `1x5 0 _ stale`.
type Series struct{ Series, Values string }

// AlertTest says which alerts of a name fire at a time.
type AlertTest struct {
	At     time.Duration
	Alert  string
	Expect []Alert
}

// Alert is an alert that fires. The label alertname need not be given.
type Alert struct{ Labels, Annotations map[string]string }

// ExprTest says what an expression results in at a time.
type ExprTest struct {
	Expr   string
	At     time.Duration
	Expect []Sample
}

// Sample is an element of a result: labels as `up{job="a"}`, and a number or a histogram in double braces.
type Sample struct{ Labels, Value string }

// Limits bound the work of all tests of a group together.
type Limits struct {
	// Evaluations of expressions: of each rule at each step, of tested expressions, and of queries in templates.
	// Zero: DefaultEvaluations.
	Evaluations int

	// Samples that may be read; one that is kept counts as ten. Text to be parsed and templates to be expanded
	// are counted as the samples that could be read in the same time. Zero: DefaultSamples.
	Samples int
}

// What the tests of a group may do where nothing else is said: about a second of work.
const (
	DefaultEvaluations = 20_000
	DefaultSamples     = 3_000_000
)

// DefaultInterval is that of a group that has none.
const DefaultInterval = time.Minute

// Failure is one thing that is not as a test says, or that is wrong with the test or the rules.
type Failure struct {
	// Test is the name of the test, empty where something is wrong with a rule.
	Test string

	// Field names what has failed by the fields of Group and Test: tests[0].alerts[1], rules[2].
	Field string

	// Message says what is wrong and, where it is not plain, what to do.
	Message string
}

// Run runs the tests of a group and returns what has failed, in the order of the tests. The error is for
// failures of the run itself and for the end of its context.
func Run(ctx context.Context, group Group, tests []Test, limits Limits) ([]Failure, error) {
	return runWith(ctx, group, tests, limits, newMachine)
}

// runWith runs the tests with any state machine for the alerts.
func runWith(
	ctx context.Context, group Group, tests []Test, limits Limits, machines func(alertstate.Rule) machine,
) ([]Failure, error) {
	group, limits = defaults(group, limits)

	if failures := checkGroup(group); len(failures) > 0 {
		return failures, nil
	}

	var (
		failures []Failure
		budget   = evaluation.NewBudget(limits.Evaluations, limits.Samples)
	)

	for i, test := range tests {
		run := newRun(group, test, fmt.Sprintf("tests[%d]", i), budget)
		run.machines = machines
		run.all(ctx)

		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("the tests of %q were not finished: %w", group.Name, context.Cause(ctx))
		}

		failures = append(failures, run.failures...)
	}

	return failures, nil
}

func defaults(group Group, limits Limits) (Group, Limits) {
	if group.Interval == 0 {
		group.Interval = DefaultInterval
	}

	if limits.Evaluations == 0 {
		limits.Evaluations = DefaultEvaluations
	}

	if limits.Samples == 0 {
		limits.Samples = DefaultSamples
	}

	return group, limits
}

// explain says in the words of a test's author what a run could not pay for.
func explain(err error) string {
	if errors.Is(err, evaluation.ErrBudget) {
		return err.Error() + "; test at earlier times, with fewer or shorter series, or split the group"
	}

	return err.Error()
}
