package ruletest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/alertstate"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/internal/promql/evaluation"
)

// TestCorpus checks that this package finds of each document what is written there.
func TestCorpus(t *testing.T) {
	t.Parallel()

	for _, document := range corpus(t) {
		t.Run(document.Name, func(t *testing.T) {
			t.Parallel()

			group, tests := document.ours()

			failures, err := Run(t.Context(), group, tests, Limits{})
			if err != nil {
				t.Fatal(err)
			}

			if passed := len(failures) == 0; passed != document.Pass {
				t.Errorf("passes: %v, want %v\n%s", passed, document.Pass, list(failures))
			}
		})
	}
}

func list(failures []Failure) string {
	lines := make([]string, 0, len(failures))
	for _, failure := range failures {
		lines = append(lines, failure.Field+": "+failure.Message)
	}

	return strings.Join(lines, "\n")
}

// TestCorpusOfPromtool checks that promtool finds the same.
func TestCorpusOfPromtool(t *testing.T) {
	t.Parallel()

	documents := corpus(t)
	for i, passed := range verdicts(t, documents) {
		if passed != documents[i].Pass {
			t.Errorf("%s: promtool passes it: %v\n%s", documents[i].Name, passed, runPromtool(t, documents[i]))
		}
	}
}

// TestSaboteursAreCaught runs the corpus with state machines that do one thing wrong.
func TestSaboteursAreCaught(t *testing.T) {
	t.Parallel()

	for _, wrong := range []string{"pending survives a gap", "nothing is kept", "fires at once", "resolved is kept"} {
		machines := func(rule alertstate.Rule) machine {
			if wrong == "fires at once" {
				rule.For = 0
			}

			return &saboteur{machine: newMachine(rule), wrong: wrong}
		}

		var caught []string

		for _, document := range corpus(t) {
			group, tests := document.ours()

			failures, err := runWith(t.Context(), group, tests, Limits{}, machines)
			if err != nil {
				t.Fatal(err)
			}

			if (len(failures) == 0) != document.Pass {
				caught = append(caught, document.Name)
			}
		}

		if len(caught) == 0 {
			t.Errorf("nobody noticed: %s", wrong)
		}
	}
}

// saboteur is a state machine with a wrong transition.
type saboteur struct {
	machine

	wrong string
}

func (s *saboteur) Step(at time.Time, found map[string]alert) {
	found = maps.Clone(found)

	for _, active := range s.Active() {
		_, there := found[active.Key]
		if there {
			continue
		}

		switch {
		case s.wrong == "pending survives a gap" && active.State == alertstate.Pending:
			found[active.Key] = active.Value
		case s.wrong == "resolved is kept" && active.State == alertstate.Firing && active.KeptSince.IsZero():
			found[active.Key] = active.Value
		case s.wrong == "nothing is kept":
			s.machine = newMachine(alertstate.Rule{})
		}
	}

	s.machine.Step(at, found)
}

// observe fills in what a run of the test sees, so that the test passes.
func observe(ctx context.Context, group Group, test Test) (Test, error) {
	group, _ = defaults(group, Limits{})
	run := newRun(group, test, "", evaluation.NewBudget(1_000_000, 1_000_000_000))
	run.load()

	if len(run.failures) > 0 {
		return Test{}, errors.New(list(run.failures))
	}

	if err := run.prepare(); err != nil {
		return Test{}, err
	}

	test.Alerts = slices.Clone(test.Alerts)

	for at := time.Duration(0); at <= run.end(); at += group.Interval {
		if err := run.step(ctx, at); err != nil {
			return Test{}, err
		}

		for i := range test.Alerts {
			if test.Alerts[i].At >= at && test.Alerts[i].At < at+group.Interval {
				test.Alerts[i].Expect = run.seen(test.Alerts[i].Alert)
			}
		}
	}

	test.Exprs = nil

	for _, expr := range run.test.Exprs {
		samples, err := run.evaluate(ctx, expr)
		if err != nil {
			return Test{}, err
		}

		for _, sample := range samples {
			expr.Expect = append(expr.Expect, Sample{Labels: sample.Labels.String(), Value: sample.Value.String()})
		}

		if !slices.ContainsFunc(expr.Expect, func(sample Sample) bool { return !writable(sample.Value) }) {
			test.Exprs = append(test.Exprs, expr)
		}
	}

	return test, nil
}

func (r *run) seen(name string) []Alert {
	var seen []Alert

	for _, rule := range r.rules {
		alerting, is := rule.(*alertingRule)
		if !is || alerting.name != name {
			continue
		}

		for _, active := range alerting.machine.Active() {
			if active.State == alertstate.Firing {
				value := active.Value
				seen = append(seen, Alert{Labels: value.labels.Map(), Annotations: value.annotations.Map()})
			}
		}
	}

	return seen
}

// pick returns one of some texts.
func pick(random *rand.Rand, texts ...string) string { return texts[random.IntN(len(texts))] }

func seconds(random *rand.Rand, choices ...int) time.Duration {
	return time.Duration(choices[random.IntN(len(choices))]) * time.Second
}

func randomMetric(random *rand.Rand) string { return pick(random, "m0", "m1", "m2", "r0", "r1", "r2") }

func randomExpr(random *rand.Rand) string {
	form := pick(random,
		"%s", "%s > 1", "%s == 0", "%s < 2", "sum(%s)", "sum by (i) (%s)", "rate(%s[3m])", "increase(%s[5m])",
		"max_over_time(%s[4m])", "%s offset 2m", "absent(%s)", "count_over_time(%s[5m:])", "%s and on (i) %s",
		"%s unless %s", "ALERTS", `ALERTS{alertstate="firing"}`, `ALERTS{alertname="A"}`, "ALERTS_FOR_STATE", "%s or %s",
		`label_replace(%s, "j", "$1", "i", "(.*)")`, "avg by (i) (%s)", "%s * 2", "-%s", "changes(%s[6m])", "%s @ 120",
		"last_over_time(%s[10m])", "histogram_count(h)", "h", "sum(rate(h[3m]))", "time()", "vector(1)", "%s / on (i) %s",
		"min_over_time(sum(%s)[4m:1m])", "present_over_time(%s[2m])", "count(%s) > 1", "deriv(%s[5m])", "%s > bool 1",
		"timestamp(%s)", "%s + on (i) group_left %s", `{i="1"}`, "scalar(%s)",
	)

	arguments := make([]any, strings.Count(form, "%s"))
	for i := range arguments {
		arguments[i] = randomMetric(random)
	}

	return fmt.Sprintf(form, arguments...)
}

func randomSeries(random *rand.Rand) []Series {
	var all []Series

	for _, name := range []string{"m0", "m1", "m2"} {
		for i := range 1 + random.IntN(2) {
			values := make([]string, 0, 8)
			for range 2 + random.IntN(6) {
				values = append(values, pick(random,
					"0", "1", "2", "3", "_", "_x2", "stale", "1+1x3", "3-1x3", "0x4", "2x2", "1.5", "-1", "0.1+0.1x4"))
			}

			all = append(all, Series{Series: fmt.Sprintf(`%s{i="%d"}`, name, i+1), Values: strings.Join(values, " ")})
		}
	}

	if random.IntN(3) == 0 {
		one := `{{schema:0 sum:5 count:4 buckets:[1 2 1]}}`
		all = append(all, Series{Series: "h", Values: pick(random, one+"x5", one+"+"+one+"x9", one+" stale "+one+"x3")})
	}

	return all
}

func randomRule(random *rand.Rand) Rule {
	if random.IntN(2) == 0 {
		rule := Rule{Record: pick(random, "r0", "r1", "r2"), Expr: randomExpr(random)}
		if random.IntN(4) == 0 {
			rule.Labels = map[string]string{"extra": "yes"}
		}

		return rule
	}

	rule := Rule{
		Alert: pick(random, "A", "B", "C"), Expr: randomExpr(random),
		For: seconds(random, 0, 0, 30, 60, 90, 120, 300), KeepFiringFor: seconds(random, 0, 0, 60, 120, 200),
		Labels: map[string]string{}, Annotations: map[string]string{},
	}

	if random.IntN(2) == 0 {
		name := pick(random, "severity", "i", "alertstate")
		rule.Labels[name] = pick(random,
			"page", "{{ $labels.i }}", "{{ $value }}", `{{ if gt $value 1.0 }}high{{ end }}`)
	}

	rule.Annotations["text"] = pick(random, "plain", "{{ $labels.i }} is {{ $value | humanize }}",
		`{{ range query "m0" | sortByLabel "i" }}{{ .Labels.i }}={{ .Value }},{{ end }}`,
		"{{ $labels }}", "{{ .Value | toTime }}")

	return rule
}

func randomCase(seed uint64) (Group, Test) {
	random := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // drawn from a seed, to be drawn again
	group := Group{
		Name: "g", Interval: seconds(random, 60, 60, 30, 120), QueryOffset: seconds(random, 0, 0, 0, 60, 30),
		Limit: []int{0, 0, 0, 3}[random.IntN(4)],
	}

	for range 1 + random.IntN(5) {
		group.Rules = append(group.Rules, randomRule(random))
	}

	test := Test{Interval: seconds(random, 60, 60, 30), Series: randomSeries(random)}

	for _, name := range []string{"A", "B", "C"} {
		for range 3 {
			at := time.Duration(random.IntN(90)) * 10 * time.Second
			test.Alerts = append(test.Alerts, AlertTest{Alert: name, At: at})
		}
	}

	for range 4 {
		test.Exprs = append(test.Exprs, ExprTest{
			Expr: randomExpr(random), At: time.Duration(random.IntN(90)) * 10 * time.Second,
		})
	}

	return group, test
}

// spoil changes one thing that a test expects.
func spoil(test Test, seed uint64) Test {
	random := rand.New(rand.NewPCG(seed, 3)) //nolint:gosec // drawn from a seed, to be drawn again
	test.Alerts, test.Exprs = slices.Clone(test.Alerts), slices.Clone(test.Exprs)
	alert := &test.Alerts[random.IntN(len(test.Alerts))]
	alert.Expect = slices.Clone(alert.Expect)

	if len(alert.Expect) == 0 {
		alert.Expect = []Alert{{}}
	} else {
		alert.Expect[0].Annotations = map[string]string{"text": "something else"}
	}

	return test
}

const randomCases = 300

// TestRandomAgreement runs random rules on random series: the test that expects what was seen passes, and a
// spoilt one does not; for promtool as for this package. What this package cannot evaluate, promtool cannot.
func TestRandomAgreement(t *testing.T) {
	t.Parallel()

	var (
		documents []document
		want      []bool
		broken    int
	)

	for seed := range uint64(randomCases) {
		group, test := randomCase(seed)

		seen, err := observe(t.Context(), group, test)
		if err != nil {
			broken++

			documents, want = append(documents, theirs(group, test)), append(want, false)

			continue
		}

		spoilt := spoil(seen, seed)
		documents = append(documents, theirs(group, seen), theirs(group, spoilt))
		want = append(want, true, false)

		expectVerdict(t, seed, group, seen, true)
		expectVerdict(t, seed, group, spoilt, false)
	}

	if broken > randomCases/2 {
		t.Errorf("%d of %d random cases cannot be evaluated: too few are left", broken, randomCases)
	}

	t.Run("promtool", func(t *testing.T) {
		t.Parallel()
		compareVerdicts(t, documents, want)
	})
}

func expectVerdict(t *testing.T, seed uint64, group Group, test Test, pass bool) {
	t.Helper()

	failures, err := Run(t.Context(), group, []Test{test}, Limits{})
	if err != nil {
		t.Fatal(err)
	}

	if (len(failures) == 0) != pass {
		t.Errorf("seed %d: passes: %v\n%s", seed, !pass, list(failures))
	}
}

func compareVerdicts(t *testing.T, documents []document, want []bool) {
	t.Helper()

	for i, passed := range verdicts(t, documents) {
		if passed != want[i] {
			text, err := yaml.Marshal(documents[i])
			t.Errorf("promtool passes it: %v\n%s\n%s%v", passed, runPromtool(t, documents[i]), text, err)
		}
	}
}
