package evaluation_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/internal/promql/evaluation"
)

func at(minutes int) time.Time {
	return time.Unix(0, 0).UTC().Add(time.Duration(minutes) * time.Minute)
}

// loaded returns an evaluator with a few series that has come to a time.
func loaded(t *testing.T, minutes int, series ...[2]string) *evaluation.Evaluator {
	t.Helper()

	evaluator := evaluation.New(time.Minute, evaluation.NewBudget(1000, 1_000_000))
	for _, one := range series {
		if err := evaluator.Load(one[0], one[1], time.Minute); err != nil {
			t.Fatal(err)
		}
	}

	if err := evaluator.Advance(at(minutes)); err != nil {
		t.Fatal(err)
	}

	return evaluator
}

// result evaluates an expression and writes its samples in the order in which they come.
func result(t *testing.T, evaluator *evaluation.Evaluator, minutes int, text string) []string {
	t.Helper()

	expression, err := evaluator.Compile(text)
	if err != nil {
		t.Fatal(err)
	}

	samples, err := evaluator.Instant(t.Context(), expression, at(minutes))
	if err != nil {
		t.Fatal(err)
	}

	var written []string
	for _, sample := range samples {
		written = append(written, sample.Labels.String()+" "+sample.Value.String())
	}

	return written
}

func TestInstant(t *testing.T) {
	t.Parallel()

	evaluator := loaded(t, 9,
		[2]string{`x{i="1"}`, "0+1x20"}, [2]string{`x{i="2"}`, "5 _x3 stale 6"},
		[2]string{"h", "{{schema:0 sum:3 count:2 buckets:[2]}}x9"})

	for _, test := range []struct {
		expr string
		at   int
		want []string
	}{
		{"x", 3, []string{`{__name__="x", i="1"} 3`, `{__name__="x", i="2"} 5`}},
		{"x", 4, []string{`{__name__="x", i="1"} 4`}},
		{"x", 15, nil},
		{"sum(x)", 9, []string{"{} 15"}},
		{`sum_over_time(x{i="1"}[3m])`, 9, []string{`{i="1"} 24`}},
		{"h", 0, []string{`{__name__="h"} {{count:2 sum:3 buckets:[2]}}`}},
		{"1 + 1", 0, []string{"{} 2"}},
		{`{i=~"1|2"}`, 3, []string{`{__name__="x", i="1"} 3`, `{__name__="x", i="2"} 5`}},
		{"nothing", 3, nil},
	} {
		var none []string
		if diff := cmp.Diff(append(none, test.want...), result(t, evaluator, test.at, test.expr)); diff != "" {
			t.Errorf("%s at %d (-want +got):\n%s", test.expr, test.at, diff)
		}
	}
}

// TestRecorded checks what is kept, what is refused and what is stale.
func TestRecorded(t *testing.T) {
	t.Parallel()

	evaluator := loaded(t, 0)
	set := evaluation.LabelsOf(map[string]string{"__name__": "r", "empty": ""})

	for _, step := range []struct {
		minutes int
		value   float64
		refused bool
	}{{1, 5, false}, {1, 5, false}, {1, 6, true}, {0, 5, true}, {2, 7, false}} {
		if err := evaluator.AppendNumber(set, step.value, at(step.minutes)); (err != nil) != step.refused {
			t.Errorf("%+v: %v", step, err)
		}
	}

	if err := evaluator.MarkStale(set, at(2)); err != nil {
		t.Errorf("what another rule has recorded counts: %v", err)
	}

	if diff := cmp.Diff([]string{`{__name__="r"} 7`}, result(t, evaluator, 3, "r")); diff != "" {
		t.Errorf("before it is stale (-want +got):\n%s", diff)
	}

	if err := evaluator.MarkStale(set, at(3)); err != nil {
		t.Fatal(err)
	}

	if got := result(t, evaluator, 3, "r"); len(got) > 0 {
		t.Errorf("after it is stale: %v", got)
	}

	if err := evaluator.AppendNumber(evaluation.LabelsOf(nil), 1, at(1)); err == nil {
		t.Error("a series without labels was kept")
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()

	set := evaluation.LabelsOf(map[string]string{"__name__": "x", "a": "1", "b": "2"})
	changed := set.Without("__name__").With(evaluation.Label{Name: "b"}, evaluation.Label{Name: "c", Value: "3"})

	if diff := cmp.Diff(map[string]string{"a": "1", "c": "3"}, changed.Map()); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}

	under := changed.Under(evaluation.LabelsOf(map[string]string{"a": "9"}))
	if diff := cmp.Diff(`{a="9", c="3"}`, under.String()); diff != "" {
		t.Errorf("under (-want +got):\n%s", diff)
	}

	if set.Key() == changed.Key() || set.Key() != set.With().Key() {
		t.Error("keys do not tell sets apart")
	}
}

func TestValues(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		"1": "1", " 1e3 ": "1000", "NaN": "NaN", "+Inf": "+Inf", "0.1": "0.1",
		"{{schema:1 sum:2 count:3 buckets:[3]}}": "{{schema:1 count:3 sum:2 buckets:[3]}}",
	} {
		value, err := evaluation.ParseValue(text)
		if err != nil || value.String() != want {
			t.Errorf("%q is %s, want %s (%v)", text, value, want, err)
		}
	}

	for _, text := range []string{"", "one", "1 2", "{{", "{{}}x5", "{{}} {{}}", "{{nonsense}}"} {
		if value, err := evaluation.ParseValue(text); err == nil {
			t.Errorf("%q is %s", text, value)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()

	evaluator := loaded(t, 0)

	for _, text := range []string{
		"", "sum(", "nofunc(x)", "mad_over_time(x[5m])", strings.Repeat("x + ", 20_000) + "x",
		"max_over_time(sum_over_time(x[1h:1s])[1h:1s])",
		`x{a=~"` + strings.Repeat("(y{1000})", 100) + `"}`,
	} {
		if _, err := evaluator.Compile(text); err == nil {
			t.Errorf("%.60q is taken", text)
		}
	}
}

// TestBudgetEnds checks that nothing is evaluated when the budget is used up, and that the reason stays.
func TestBudgetEnds(t *testing.T) {
	t.Parallel()

	budget := evaluation.NewBudget(2, 1000)
	evaluator := evaluation.New(time.Minute, budget)

	expression, err := evaluator.Compile("vector(1)")
	if err != nil {
		t.Fatal(err)
	}

	for i := range 4 {
		_, err := evaluator.Instant(t.Context(), expression, at(0))
		if over := errors.Is(err, evaluation.ErrBudget); over != (i > 1) {
			t.Errorf("evaluation %d: %v", i, err)
		}
	}

	if !errors.Is(budget.Err(), evaluation.ErrBudget) || budget.Left() != 0 || budget.Spent().Evaluations != 2 {
		t.Errorf("%v, %d left, %+v", budget.Err(), budget.Left(), budget.Spent())
	}
}

func TestCheckRule(t *testing.T) {
	t.Parallel()

	if errs := evaluation.CheckRule(evaluation.RuleText{Alert: "A", Expr: "x"}); len(errs) > 0 {
		t.Errorf("a good rule: %v", errs)
	}

	errs := evaluation.CheckRule(evaluation.RuleText{
		Record: "r", Expr: "x", For: time.Minute, Labels: map[string]string{"__name__": "x"},
	})
	if len(errs) != 2 {
		t.Errorf("a bad rule: %v", errs)
	}

	if errs := evaluation.CheckRule(evaluation.RuleText{Alert: "A", Expr: strings.Repeat("x", 1<<20)}); len(errs) != 1 {
		t.Errorf("a long rule: %d errors", len(errs))
	}
}

// TestStoreAgreesWithModel keeps random samples and asks for the last one before random times.
func TestStoreAgreesWithModel(t *testing.T) {
	t.Parallel()

	random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // drawn from a seed, to be drawn again

	for range 200 {
		evaluator := loaded(t, 0)
		set := evaluation.LabelsOf(map[string]string{"__name__": "x"})
		model := map[int]float64{}
		now := 0

		for range 20 {
			now += 1 + random.IntN(4)
			model[now] = float64(random.IntN(100))

			if err := evaluator.AppendNumber(set, model[now], at(now)); err != nil {
				t.Fatal(err)
			}
		}

		asked := random.IntN(now + 10)

		var want []string

		for back := range 5 {
			if value, there := model[asked-back]; there {
				want = []string{fmt.Sprintf(`{__name__="x"} %g`, value)}

				break
			}
		}

		if diff := cmp.Diff(want, result(t, evaluator, asked, "x")); diff != "" {
			t.Fatalf("at %d of %v (-want +got):\n%s", asked, model, diff)
		}
	}
}

// FuzzSeries loads whatever comes: it is refused or costs at least what its samples take.
func FuzzSeries(f *testing.F) {
	f.Add(`up{job="a"}`, "1 0x5 _x3 stale 1+2x3 -1-0.5x2")
	f.Add("h", "{{schema:0 sum:5 count:4 buckets:[1 2 1]}}+{{schema:0 sum:1 count:1 buckets:[1]}}x5")
	f.Add("x", "0+1x1000000000")
	f.Add(`{"a.b", c="d"}`, "1 x5 1x 0x10 1e3x2")

	f.Fuzz(func(t *testing.T, name, values string) {
		budget := evaluation.NewBudget(10, 200_000)
		evaluator := evaluation.New(time.Minute, budget)

		if err := evaluator.Load(name, values, time.Minute); err != nil {
			return
		}

		paid := budget.Spent().Samples

		if err := evaluator.Advance(at(1 << 20)); err != nil {
			return
		}

		if kept := budget.Spent().Samples - paid; kept > paid {
			t.Errorf("%q %q: loading it cost %d, keeping it %d", name, values, paid, kept)
		}
	})
}
