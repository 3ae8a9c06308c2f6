package ruletest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/ruletest"
)

// down is a group with one rule, and its test.
func down() (ruletest.Group, ruletest.Test) {
	group := ruletest.Group{Name: "g", Rules: []ruletest.Rule{{
		Alert: "Down", Expr: "up == 0", For: time.Minute, Labels: map[string]string{"severity": "page"},
		Annotations: map[string]string{"summary": "{{ $labels.job }} is down"},
	}}}
	test := ruletest.Test{
		Name:   "a job goes down",
		Series: []ruletest.Series{{Series: `up{job="a"}`, Values: "1 0 0 0"}},
		Alerts: []ruletest.AlertTest{{At: 2 * time.Minute, Alert: "Down", Expect: []ruletest.Alert{{
			Labels:      map[string]string{"severity": "page", "job": "a"},
			Annotations: map[string]string{"summary": "a is down"},
		}}}},
		Exprs: []ruletest.ExprTest{{
			Expr: "sum(up)", At: time.Minute, Expect: []ruletest.Sample{{Labels: "{}", Value: "0"}},
		}},
	}

	return group, test
}

func run(t *testing.T, group ruletest.Group, limits ruletest.Limits, tests ...ruletest.Test) []ruletest.Failure {
	t.Helper()

	failures, err := ruletest.Run(t.Context(), group, tests, limits)
	if err != nil {
		t.Fatal(err)
	}

	return failures
}

func TestPasses(t *testing.T) {
	t.Parallel()

	group, test := down()
	if failures := run(t, group, ruletest.Limits{}, test, test); len(failures) > 0 {
		t.Errorf("failures %+v", failures)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()

	group, test := down()
	test.Alerts[0].Expect[0].Labels = map[string]string{"job": "a"}
	test.Exprs[0].Expect = nil
	_, good := down()

	want := []ruletest.Failure{{
		Test: test.Name, Field: "tests[1].alerts[0]",
		Message: `missing: {alertname="Down", job="a"} with annotations {summary="a is down"}; ` +
			`unexpected: {alertname="Down", job="a", severity="page"} with annotations {summary="a is down"}`,
	}, {
		Test: test.Name, Field: "tests[1].exprs[0]", Message: "unexpected: {} 0",
	}}

	for range 3 {
		if diff := cmp.Diff(want, run(t, group, ruletest.Limits{}, good, test)); diff != "" {
			t.Fatalf("failures (-want +got):\n%s", diff)
		}
	}
}

// badCase changes a good test or its group into a bad one.
type badCase struct {
	name   string
	change func(group *ruletest.Group, test *ruletest.Test)
	field  string
	says   string
}

func badCases() []badCase {
	type (
		group = ruletest.Group
		test  = ruletest.Test
	)

	return []badCase{
		{"a rule that cannot be read", func(g *group, _ *test) { g.Rules[0].Expr = "sum(" }, "rules[0]", "parse error"},
		{"a rule without a name", func(g *group, _ *test) { g.Rules[0].Alert = "" }, "rules[0]", "'record' or 'alert'"},
		{"a bad label", func(g *group, _ *test) { g.Rules[0].Labels = map[string]string{"__name__": "x"} }, "rules[0]", "label name"},
		{"a bad template", func(g *group, _ *test) { g.Rules[0].Labels["a"] = "{{" }, "rules[0]", `label "a"`},
		{"a negative for", func(g *group, _ *test) { g.Rules[0].For = -1 }, "rules[0].for", "negative"},
		{"a negative interval", func(g *group, _ *test) { g.Interval = -1 }, "interval", "negative"},
		{"a negative limit", func(g *group, _ *test) { g.Limit = -1 }, "limit", "negative"},
		{"an offset of nanoseconds", func(g *group, _ *test) { g.QueryOffset = 1 }, "queryOffset", "milliseconds"},
		{"a series that cannot be read", func(_ *group, t *test) { t.Series[0].Series = "up{" }, "tests[0].series[0]", "parse error"},
		{"a series with values", func(_ *group, t *test) { t.Series[0].Series = "up 1x1000000000" }, "tests[0].series[0]", "values stand apart"},
		{"values that cannot be read", func(_ *group, t *test) { t.Series[0].Values = "1 two" }, "tests[0].series[0]", "parse error"},
		{"very many values", func(_ *group, t *test) { t.Series[0].Values = "0+1x1000000000" }, "tests[0].series[0]", "over the budget"},
		{"more values than numbers", func(_ *group, t *test) { t.Series[0].Values = "_x" + strings.Repeat("9", 400) }, "tests[0].series[0]", "over the budget"},
		{"very many histograms", func(_ *group, t *test) { t.Series[0].Values = "{{buckets:[1 2 3 4 5 6 7 8]}}x900000" }, "tests[0].series[0]", "over the budget"},
		{"an alert before the beginning", func(_ *group, t *test) { t.Alerts[0].At = -time.Second }, "tests[0].alerts[0].at", "negative"},
		{"an alert at the end of days", func(_ *group, t *test) { t.Alerts[0].At = 200 * 365 * 24 * time.Hour }, "tests[0].alerts[0].at", "hundred years"},
		{"an alert after very long", func(_ *group, t *test) { t.Alerts[0].At = 99 * 365 * 24 * time.Hour }, "tests[0]", "evaluations"},
		{"an alert without a name", func(_ *group, t *test) { t.Alerts[0].Alert = "" }, "tests[0].alerts[0].alert", "name"},
		{"an expression before the beginning", func(_ *group, t *test) { t.Exprs[0].At = -time.Second }, "tests[0].exprs[0].at", "negative"},
		{"an expression that cannot be read", func(_ *group, t *test) { t.Exprs[0].Expr = "sum(" }, "tests[0].exprs[0]", "parse error"},
		{"a value that cannot be read", func(_ *group, t *test) { t.Exprs[0].Expect[0].Value = "one" }, "tests[0].exprs[0].expect[0].value", "number"},
		{"many values for one", func(_ *group, t *test) { t.Exprs[0].Expect[0].Value = "{{}}x1000000000" }, "tests[0].exprs[0].expect[0].value", "braces"},
		{"labels that cannot be read", func(_ *group, t *test) { t.Exprs[0].Expect[0].Labels = "{" }, "tests[0].exprs[0].expect[0].labels", "parse error"},
		{"a step of nothing", func(_ *group, t *test) { t.Interval = -time.Minute }, "tests[0].interval", "negative"},
		{"an error of a rule", func(g *group, _ *test) { g.Limit, g.Rules[0].Expr = 1, "vector(1) or up" }, "tests[0]", "exceed the group's limit"},
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()

	for _, test := range badCases() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			group, bad := down()
			test.change(&group, &bad)

			failures := run(t, group, ruletest.Limits{}, bad)
			if len(failures) == 0 {
				t.Fatal("nothing failed")
			}

			if failures[0].Field != test.field || !strings.Contains(failures[0].Message, test.says) {
				t.Errorf("failure %+v, want %s: ...%s...", failures[0], test.field, test.says)
			}
		})
	}
}

// TestBounds gives rules and tests that never end, or take all memory, and sees them end.
func TestBounds(t *testing.T) {
	t.Parallel()

	double := "{{$a := printf \"%s\" \"xxxxxxxx\"}}" + strings.Repeat("{{$a = print $a $a}}", 60) + "{{$a}}"
	nested := "{{$a := args 1}}" + strings.Repeat("{{$a = args $a $a}}", 60) + "{{$a}}"

	var chain strings.Builder
	for i := range 60 {
		fmt.Fprintf(&chain, `{{define "t%d"}}{{template "t%d" .}}{{template "t%d" .}}{{end}}`, i, i+1, i+1)
	}

	chain.WriteString(`{{define "t60"}}{{end}}{{template "t0" .}}`)

	grow := `label_replace(x, "a", "$1$1$1$1", "a", "(.*)")`
	for range 30 {
		grow = `label_replace(` + grow + `, "a", "$1$1$1$1", "a", "(.*)")`
	}

	const (
		budget = "over the budget"
		text   = "have at most 65536 bytes"
		regexp = "regular expression repeats too much"
	)

	for _, test := range []struct{ name, expr, template, says string }{
		{"a loop", "x", "{{range 1000000000}}{{end}}", budget},
		{"a loop in a loop", "x", "{{range 100000}}{{range 100000}}{{end}}{{end}}", budget},
		{"a loop that prints", "x", "{{range 1000000000}}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{{end}}", budget},
		{"doubling a text", "x", double, text},
		{"doubling a map", "x", nested, text},
		{"a wide format", "x", `{{range 1000}}{{printf "%9999d%9999d%9999d" 1 2 3}}{{end}}`, text},
		{"a width from an argument", "x", `{{printf "%*d" 1000000 1}}`, "widths in formats"},
		{"a very wide format", "x", `{{printf "%999999d" 1}}`, "widths in formats"},
		{"replacing nothing by much", "x", `{{$a := printf "%2000s" "x"}}{{reReplaceAll "" $a $a}}`, text},
		{"a regular expression that repeats", "x", `{{match "` + strings.Repeat("(x{1000})", 100) + `" "x"}}`, regexp},
		{"templates that call two", "x", chain.String(), budget},
		{"a template that calls itself", "x", `{{define "t"}}{{template "t"}}{{end}}{{template "t"}}`, "calls itself"},
		{"a query in a loop", "x", `{{range 100000}}{{$q := query "x"}}{{end}}`, budget},
		{"a wide sub-query", "max_over_time(sum_over_time(sum_over_time(x[1h:1s])[1h:1s])[1h:1s])", "", "shorter ranges"},
		{"labels that grow at once", grow, "", "bytes of labels"},
		{"labels that grow from step to step", "", "", "labels"},
		{"a selector that repeats", `x{a=~"` + strings.Repeat("(y{1000})", 100) + `"}`, "", regexp},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			rule := ruletest.Rule{Alert: "A", Expr: test.expr, Annotations: map[string]string{"a": test.template}}

			if test.expr == "" {
				rule = ruletest.Rule{Record: "x", Expr: `label_replace(x, "a", "$1$1", "a", "(.*)")`}
			}

			failures := run(t, ruletest.Group{Rules: []ruletest.Rule{rule}}, ruletest.Limits{}, ruletest.Test{
				Series: []ruletest.Series{{Series: `x{a="yyyyyyyyyy"}`, Values: "1x100"}},
				Alerts: []ruletest.AlertTest{{At: time.Hour, Alert: "A"}},
			})

			if len(failures) == 0 || !strings.Contains(failures[0].Message, test.says) {
				t.Errorf("failures %+v, want ...%s...", failures, test.says)
			}
		})
	}
}

// TestBudgetIsShared checks that a test that uses everything up leaves nothing to the next one, which says so.
func TestBudgetIsShared(t *testing.T) {
	t.Parallel()

	group, test := down()
	failures := run(t, group, ruletest.Limits{Evaluations: 6}, test, test, test)

	fields := make([]string, 0, len(failures))
	for _, failure := range failures {
		fields = append(fields, failure.Field)

		if !strings.Contains(failure.Message, "over the budget") ||
			!strings.Contains(failure.Message, "split the group") {
			t.Errorf("failure %+v", failure)
		}
	}

	// The first takes three steps and an expression, which leaves two evaluations.
	if diff := cmp.Diff([]string{"tests[1]", "tests[2]"}, fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestContext(t *testing.T) {
	t.Parallel()

	group, test := down()
	ctx, cancel := context.WithCancel(t.Context())

	cancel()

	if _, err := ruletest.Run(ctx, group, []ruletest.Test{test}, ruletest.Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestNaN(t *testing.T) {
	t.Parallel()

	test := ruletest.Test{Exprs: []ruletest.ExprTest{
		{Expr: "vector(0) / 0", Expect: []ruletest.Sample{{Labels: "{}", Value: "NaN"}}},
		{Expr: "-vector(1) / 0", Expect: []ruletest.Sample{{Labels: "{}", Value: "-Inf"}}},
		{Expr: "-vector(0)", Expect: []ruletest.Sample{{Labels: "{}", Value: "0"}}},
	}}
	if failures := run(t, ruletest.Group{}, ruletest.Limits{}, test); len(failures) > 0 {
		t.Errorf("failures %+v", failures)
	}
}

// TestLongMessages checks that a message fits into a status.
func TestLongMessages(t *testing.T) {
	t.Parallel()

	_, test := down()
	test.Alerts, test.Exprs = nil, []ruletest.ExprTest{{Expr: "up"}}

	for i := range 100 {
		test.Series = append(test.Series, ruletest.Series{
			Series: fmt.Sprintf(`up{i="%d",long=%q}`, i, strings.Repeat("ü", 200)), Values: "1",
		})
	}

	failures := run(t, ruletest.Group{}, ruletest.Limits{}, test)
	if len(failures) != 1 || len(failures[0].Message) > 2100 || !strings.HasSuffix(failures[0].Message, "...") {
		t.Errorf("failures %+v", failures)
	}
}

// FuzzRun runs whatever comes twice, with little budget: it ends, and both times the same way.
func FuzzRun(f *testing.F) {
	f.Add("up == 0", "{{ $labels.job }}", `up{job="a"}`, "1 0x5", "ALERTS")
	f.Add("h", `{{ range query "h" }}{{ . }}{{ end }}`, "h", "{{schema:0 buckets:[1]}}x3", "sum(rate(h[5m]))")
	f.Add(`x[5m:1s] @ end()`, `{{ printf "%v" $value }}`, `{"x.y"}`, "_ stale -1+2x3", `label_join(x, "a", "b", "c")`)

	f.Fuzz(func(t *testing.T, expr, template, series, values, asked string) {
		group := ruletest.Group{Rules: []ruletest.Rule{
			{Alert: "A", Expr: expr, Annotations: map[string]string{"a": template}, KeepFiringFor: time.Minute},
			{Record: "r", Expr: expr},
		}}
		test := ruletest.Test{
			Series: []ruletest.Series{{Series: series, Values: values}},
			Alerts: []ruletest.AlertTest{{At: 5 * time.Minute, Alert: "A"}},
			Exprs: []ruletest.ExprTest{{
				Expr: asked, At: 5 * time.Minute, Expect: []ruletest.Sample{{Labels: series, Value: values}},
			}},
		}
		limits := ruletest.Limits{Evaluations: 50, Samples: 100_000}
		once, again := run(t, group, limits, test), run(t, group, limits, test)

		if diff := cmp.Diff(once, again); diff != "" {
			t.Errorf("two runs (-once +again):\n%s", diff)
		}
	})
}

// benchmarkGroup is a group of ten rules over ten series.
func benchmarkGroup() (ruletest.Group, ruletest.Test) {
	group, test := down()
	group.Rules = append(group.Rules, ruletest.Rule{Record: "job:up:avg", Expr: "avg by (job) (avg_over_time(up[5m]))"})

	for i := range 8 {
		group.Rules = append(group.Rules, ruletest.Rule{
			Alert: fmt.Sprintf("Slow%d", i), Expr: fmt.Sprintf("sum by (i) (rate(requests_total[5m])) > %d", i),
			For: 5 * time.Minute, Labels: map[string]string{"severity": "warning"},
			Annotations: map[string]string{"summary": "{{ $labels.i }} has {{ $value | humanize }} requests"},
		})
	}

	for i := range 10 {
		test.Series = append(test.Series, ruletest.Series{
			Series: fmt.Sprintf(`requests_total{i="%d"}`, i), Values: "0+120x150",
		})
	}

	return group, test
}

// BenchmarkRun measures what an evaluation costs in a group as users write them.
func BenchmarkRun(b *testing.B) {
	group, test := benchmarkGroup()
	test.Alerts, test.Exprs = []ruletest.AlertTest{{At: 99 * time.Minute, Alert: "Slow7"}}, nil

	b.ReportAllocs()

	evaluations := 0

	for b.Loop() {
		failures, err := ruletest.Run(b.Context(), group, []ruletest.Test{test}, ruletest.Limits{})
		if err != nil || len(failures) > 0 {
			b.Fatal(failures, err)
		}

		evaluations += 100 * len(group.Rules)
	}

	b.ReportMetric(float64(evaluations)/b.Elapsed().Seconds(), "evaluations/s")
}

// BenchmarkSmall measures the price of the smallest test.
func BenchmarkSmall(b *testing.B) {
	group, test := down()

	b.ReportAllocs()

	for b.Loop() {
		if _, err := ruletest.Run(b.Context(), group, []ruletest.Test{test}, ruletest.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBudget uses the default budget up, in the ways that are most expensive for what they pay.
func BenchmarkBudget(b *testing.B) {
	group, test := benchmarkGroup()
	test.Alerts = []ruletest.AlertTest{{At: 199 * time.Hour, Alert: "Slow7"}}

	for name, expr := range map[string]string{
		"plain":     "up",
		"range":     "sum_over_time(up[1h:1s])",
		"quantile":  "quantile_over_time(0.5, up[1h:1s])",
		"series":    `{__name__=~".+"}`,
		"relabel":   `label_replace(up, "x", "$1", "job", "(.*)")`,
		"functions": "up * " + strings.Repeat("abs(", 50) + "up" + strings.Repeat(")", 50),
		"template":  "up",
		"loop":      "up",
	} {
		b.Run(name, func(b *testing.B) {
			rule := ruletest.Rule{Alert: "A", Expr: expr}

			switch name {
			case "template":
				rule.Labels = map[string]string{"x": strings.Repeat("{{ $value | humanize }}", 20)}
			case "loop":
				loop := "{{ range 1000 }}{{ if and true (eq $value $value) }}{{ end }}{{ end }}"
				rule.Labels = map[string]string{"x": loop}
			}

			group.Rules = []ruletest.Rule{rule}
			test.Alerts[0].At = (ruletest.DefaultEvaluations - 1) * time.Minute
			test.Series[0].Values = "1x20000"

			for b.Loop() {
				if _, err := ruletest.Run(b.Context(), group, []ruletest.Test{test}, ruletest.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
