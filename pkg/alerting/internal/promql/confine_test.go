package promql

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql/parser"
)

// samples is how many random expressions a property is tried on.
const samples = 4000

func language(tb testing.TB, functions ...string) *Language {
	tb.Helper()

	if functions == nil {
		functions = StableFunctions()
	}

	made, err := NewLanguage(functions)
	if err != nil {
		tb.Fatal(err)
	}

	return made
}

func enforce(tb testing.TB, reject bool, matchers ...Matcher) *Enforcement {
	tb.Helper()

	made, err := NewEnforcement(matchers, reject)
	if err != nil {
		tb.Fatal(err)
	}

	return made
}

// tenants are what the properties are tried with.
func tenants() [][]Matcher {
	return [][]Matcher{
		{OneOf("namespace", "mine")},
		{OneOf("namespace", "mine", "also.mine"), OneOf("cluster", "host")},
		{{Label: "namespace", Operator: NotRegexp, Value: "kube-.*"}, {Label: "job", Operator: NotEqual, Value: "secret"}},
	}
}

// TestConfineProperties tries what must hold for every expression on random ones.
func TestConfineProperties(t *testing.T) {
	t.Parallel()

	l := language(t)
	g := newGenerator(1)
	counts := map[string]int{}

	for i := range samples {
		text, matchers := g.expr(), tenants()[i%len(tenants())]
		enforcement := enforce(t, false, matchers...)

		written, err := l.parse(text)
		if err != nil {
			t.Fatalf("the generator wrote %s, which is no PromQL: %v", text, err)
		}

		for part, count := range parts(written) {
			counts[part] += count
		}

		confined, err := l.Confine(text, enforcement)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}

		checkConfined(t, l, text, confined, enforcement, matchers)
	}

	for _, node := range []parser.Node{
		&parser.AggregateExpr{}, &parser.BinaryExpr{}, &parser.Call{}, &parser.MatrixSelector{},
		&parser.NumberLiteral{}, &parser.ParenExpr{}, &parser.StringLiteral{}, &parser.SubqueryExpr{},
		&parser.UnaryExpr{}, &parser.VectorSelector{},
	} {
		if count := counts[fmt.Sprintf("%T", node)]; count < samples/100 {
			t.Errorf("%d of %T in all expressions: the generator does not try it", count, node)
		}
	}
}

func checkConfined(
	t *testing.T, l *Language, text string, confined Confined, enforcement *Enforcement, matchers []Matcher,
) {
	t.Helper()

	root, err := l.everything.ParseExpr(confined.Text)
	if err != nil {
		t.Fatalf("%s became %s, which is no PromQL: %v", text, confined.Text, err)
	}

	if found := bare(root, matchers); len(found) > 0 {
		t.Fatalf("%s became %s, with bare selectors %q", text, confined.Text, found)
	}

	if count := len(parser.ExtractSelectors(root)); count != confined.Selectors {
		t.Errorf("%s has %d selectors, got %d", text, count, confined.Selectors)
	}

	// An evaluator prints the rule and evaluates the print.
	if printed := canonical(root); printed != confined.Text {
		t.Errorf("%s became %s, which Prometheus prints as %s", text, confined.Text, printed)
	}

	again, err := l.Confine(confined.Text, enforcement)
	if err != nil {
		t.Fatalf("%s became %s, which cannot be confined again: %v", text, confined.Text, err)
	}

	if again.Text != confined.Text || len(again.Warnings) > 0 || again.Reach != confined.Reach {
		t.Errorf("%s became %s, and confined again %s, warnings %q", text, confined.Text, again.Text, again.Warnings)
	}
}

// canonical is what Prometheus prints, without the sign of infinity: Prometheus reads another tree beside a power then,
// of the same value.
func canonical(root parser.Expr) string {
	return strings.ReplaceAll(root.String(), "+Inf", "Inf")
}

// TestConfineWithoutMatchersChangesNothing compares with Prometheus' own printer.
func TestConfineWithoutMatchersChangesNothing(t *testing.T) {
	t.Parallel()

	l, g, nothing := language(t), newGenerator(2), enforce(t, false)

	for range samples {
		text := g.expr()

		root, err := l.parse(text)
		if err != nil {
			t.Fatal(err)
		}

		confined, err := l.Confine(text, nothing)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}

		if diff := cmp.Diff(canonical(root), confined.Text); diff != "" || len(confined.Warnings) > 0 {
			t.Errorf("%s (-Prometheus +printed), warnings %q:\n%s", text, confined.Warnings, diff)
		}
	}
}

// TestSaboteurIsCaught leaves the matchers out below each part of the tree in turn. The proof has to refuse every
// expression that this leaves bare, and there has to be one for every part.
func TestSaboteurIsCaught(t *testing.T) {
	t.Parallel()

	l := language(t)
	matchers := []Matcher{OneOf("namespace", "mine")}
	enforcement := enforce(t, false, matchers...)

	for _, part := range []string{
		partParameter, partAggregate, partLeft, partRight, partArgument, partRange, partSubquery, partParen, partUnary,
		partSelector,
	} {
		g := newGenerator(3)
		caught := 0

		for range samples {
			text := g.expr()

			confined, err := l.confine(text, enforcement, func(at string) bool { return at == part })
			if err != nil {
				if refusal := (*RefusalError)(nil); !errors.As(err, &refusal) || refusal.Reason != ReasonNotProven {
					t.Fatalf("%s: %v", text, err)
				}

				caught++

				continue
			}

			root, err := l.everything.ParseExpr(confined.Text)
			if err != nil {
				t.Fatal(err)
			}

			if found := bare(root, matchers); len(found) > 0 {
				t.Fatalf("skipping %s, %s became %s: not caught", part, text, confined.Text)
			}
		}

		if caught == 0 {
			t.Errorf("skipping %s was never caught", part)
		}
	}
}

// TestProofSeesChanges gives the proof confined expressions that are not those that were written.
func TestProofSeesChanges(t *testing.T) {
	t.Parallel()

	tests := []struct{ written, confined string }{
		{`up`, `up`},
		{`up`, `up{namespace="other"}`},
		{`up`, `up{namespace=~"mine"}`},
		{`up`, `up{namespace!="mine"}`},
		{`up`, `down{namespace="mine"}`},
		{`up`, `{namespace="mine"}`},
		{`up`, `up{job="a",namespace="mine"}`},
		{`up{job="a"}`, `up{namespace="mine"}`},
		{`up{namespace=~"a"}`, `up{namespace="mine"}`},
		{`up`, `up{namespace="mine"} offset 5m`},
		{`up @ 1`, `up{namespace="mine"} @ 2`},
		{`up @ 1`, `up{namespace="mine"}`},
		{`up @ start()`, `up{namespace="mine"} @ end()`},
		{`up`, `(up{namespace="mine"})`},
		{`-up`, `+up{namespace="mine"}`},
		{`up + 1`, `up{namespace="mine"} - 1`},
		{`up + 1`, `up{namespace="mine"} + 2`},
		{`up + 60`, `up{namespace="mine"} + 1m`},
		{`up > 1`, `up{namespace="mine"} > bool 1`},
		{`up / up`, `up{namespace="mine"} / up`},
		{`up / up`, `up{namespace="mine"} / on () up{namespace="mine"}`},
		{`up / on (a) up`, `up{namespace="mine"} / on (b) up{namespace="mine"}`},
		{`up / on (a) group_left up`, `up{namespace="mine"} / on (a) group_right up{namespace="mine"}`},
		{`up / on (a) group_left (b) up`, `up{namespace="mine"} / on (a) group_left (c) up{namespace="mine"}`},
		{`up or up`, `up{namespace="mine"} or up{namespace="mine"} or up{namespace="mine"}`},
		{`sum(up)`, `avg(up{namespace="mine"})`},
		{`sum by (a) (up)`, `sum by (b) (up{namespace="mine"})`},
		{`sum by (a) (up)`, `sum without (a) (up{namespace="mine"})`},
		{`topk(1, up)`, `topk(2, up{namespace="mine"})`},
		{`abs(up)`, `ceil(up{namespace="mine"})`},
		{`round(up)`, `round(up{namespace="mine"}, 1)`},
		{`rate(up[5m])`, `rate(up{namespace="mine"}[6m])`},
		{`rate(up[5m:])`, `rate(up{namespace="mine"}[5m:1m])`},
		{`rate(up[5m:] offset 1m)`, `rate(up{namespace="mine"}[5m:])`},
		{`label_replace(up, "a", "b", "c", "d")`, `label_replace(up{namespace="mine"}, "a", "b", "c", "e")`},
	}

	l := language(t)
	enforcement := enforce(t, false, OneOf("namespace", "mine"))

	for _, test := range tests {
		written, err := l.parse(test.written)
		if err != nil {
			t.Fatal(err)
		}

		confined, err := l.parse(test.confined)
		if err != nil {
			t.Fatal(err)
		}

		if prove(written, confined, enforcement) == nil {
			t.Errorf("%s is no confined form of %s, and the proof took it", test.confined, test.written)
		}
	}
}

func TestConfine(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name, text string
		want       Confined
	}{
		{"name", `up`, Confined{Text: `up{namespace="mine"}`, Selectors: 1}},
		{"quoted name", `{"a b"}`, Confined{Text: `{__name__="a b",namespace="mine"}`, Selectors: 1}},
		{"name of any", `{__name__=~".+"}`, Confined{Text: `{__name__=~".+",namespace="mine"}`, Selectors: 1}},
		{"own matcher", `up{job="a"}`, Confined{Text: `up{job="a",namespace="mine"}`, Selectors: 1}},
		{"the same", `up{namespace="mine",namespace="mine"}`, Confined{Text: `up{namespace="mine"}`, Selectors: 1}},
		{"other equality gives way", `up{namespace="other"} or up{"namespace"='other'}`, Confined{
			Text: `up{namespace="mine"} or up{namespace="mine"}`, Selectors: 2,
			Warnings: []string{
				`namespace="other" is outside of what this rule may see and gives way to namespace="mine"`,
			},
		}},
		{"others stay", `up{namespace!="x",namespace=~"m.*|other",namespace!~"y"}`, Confined{
			Text: `up{namespace!="x",namespace!~"y",namespace="mine",namespace=~"m.*|other"}`, Selectors: 1,
		}},
		{"parameter", `topk(scalar(up), up)`, Confined{
			Text: `topk(scalar(up{namespace="mine"}), up{namespace="mine"})`, Selectors: 2,
		}},
		{"range", `rate(up{a="b"}[5m] @ 10 offset 1m)`, Confined{
			Text:      `rate(up{a="b",namespace="mine"}[5m] @ 10.000 offset 1m)`,
			Selectors: 1, Reach: 6 * time.Minute, Fixed: true,
		}},
		{"sub-query", `max_over_time((rate(up[5m]) > 0)[1h:1m] offset 1d)`, Confined{
			Text:      `max_over_time((rate(up{namespace="mine"}[5m]) > 0)[1h:1m] offset 1d)`,
			Selectors: 1, Reach: 25*time.Hour + 5*time.Minute,
		}},
		{"the longest of two", `rate(up[5m]) + rate(up[1h] offset -5m)`, Confined{
			Text:      `rate(up{namespace="mine"}[5m]) + rate(up{namespace="mine"}[1h] offset -5m)`,
			Selectors: 2, Reach: time.Hour,
		}},
		{"comment", "up # down\n> 0", Confined{Text: `up{namespace="mine"} > 0`, Selectors: 1}},
		{"no selector", `vector(1)`, Confined{Text: `vector(1)`}},
		{"scalar", `1 + time()`, Confined{Text: `1 + time()`}},
		{"longest durations", `count_over_time(up[292y] offset 292y)`, Confined{
			Text: `count_over_time(up{namespace="mine"}[292y] offset 292y)`, Selectors: 1, Reach: 1<<63 - 1,
		}},
	}

	l := language(t)
	enforcement := enforce(t, false, OneOf("namespace", "mine"))

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			got, err := l.Confine(test.text, enforcement)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestConfineToOneOfSeveral: an equality inside of what is enforced narrows it, and stays.
func TestConfineToOneOfSeveral(t *testing.T) {
	t.Parallel()

	enforcement := enforce(t, false, OneOf("namespace", "b", "a"))

	got, err := language(t).Confine(`up{namespace="a"} or up{namespace="c"}`, enforcement)
	if err != nil {
		t.Fatal(err)
	}

	want := `up{namespace="a",namespace=~"a|b"} or up{namespace=~"a|b"}`
	if got.Text != want || len(got.Warnings) != 1 {
		t.Errorf("got %s, want %s; warnings %q", got.Text, want, got.Warnings)
	}
}

func TestConfineRefuses(t *testing.T) {
	t.Parallel()

	deep := strings.Repeat("(", maxNesting) + "up" + strings.Repeat(")", maxNesting)

	tests := []struct {
		name, text, reason string
		line, column       int
	}{
		{"nothing", ``, ReasonSyntax, 1, 1},
		{"half", "up{\n", ReasonSyntax, 2, 1},
		{"nonsense", `up down`, ReasonSyntax, 1, 4},
		{"unknown function", `foo(up)`, ReasonSyntax, 1, 1},
		{"experimental function", "up +\n info(up)", ReasonExperimental, 2, 2},
		{"experimental aggregation", `limitk(1, up)`, ReasonExperimental, 0, 0},
		{"fill", `up + fill(0) up`, ReasonExperimental, 0, 0},
		{"anchored", `rate(up[5m] anchored)`, ReasonExperimental, 1, 6},
		{"smoothed", `up smoothed`, ReasonExperimental, 1, 1},
		{"computed range", `rate(up[5m*2])`, ReasonExperimental, 1, 6},
		{"computed step", `rate(up[5m:1m+1m])`, ReasonExperimental, 1, 6},
		{"computed offset", `up offset (5m*2)`, ReasonExperimental, 1, 1},
		{"function that is not allowed", `1 + abs(up)`, ReasonFunctionNotAllowed, 1, 5},
		{"range", `up[5m]`, ReasonNotAVector, 0, 0},
		{"string", `"up"`, ReasonNotAVector, 0, 0},
		{"other namespace", `sum(up{namespace="other"})`, ReasonForbiddenSelector, 1, 5},
		{"other namespace in quotes", `{"up","namespace"="other"}`, ReasonForbiddenSelector, 1, 1},
		{"shorter than a millisecond", `rate(up[0.0001])`, ReasonNotProven, 0, 0},
		{"bytes", "up{a=\"\xff\"}", ReasonNotUTF8, 0, 0},
		{"escaped bytes", `up{a="\xff"}`, ReasonNotUTF8, 1, 1},
		{"escaped bytes in a name", `{"\xff"="a",b="c"}`, ReasonNotUTF8, 1, 1},
		{"escaped bytes in a grouping", `sum by ("\xff") (up)`, ReasonSyntax, 1, 9},
		{"escaped bytes in a string", `label_replace(up, "a", "\xff", "b", "c")`, ReasonNotUTF8, 1, 24},
		{"long", strings.Repeat(" ", MaxLength) + "up", ReasonTooLong, 0, 0},
		{"deep", deep, ReasonTooComplex, 1, maxNesting + 1},
		{"deeper", strings.Repeat("(", MaxLength), ReasonTooComplex, 0, 0},
		{"signs", strings.Repeat("-", 4000) + "up", ReasonTooComplex, 1, maxNesting + 1},
		{"sum of many", "1" + strings.Repeat("+1", maxTokens), ReasonTooComplex, 0, 0},
		{"powers", "1" + strings.Repeat("^1", 400), ReasonTooComplex, 1, 2*maxNesting + 1},
		{"repetitions", `up{a=~"` + strings.Repeat("a{1000}", 20) + `"}`, ReasonTooComplex, 1, 7},
		{"escaped repetitions", `up{a=~"` + strings.Repeat(`a\x7b1000}`, 20) + `"}`, ReasonTooComplex, 1, 7},
		{"single quotes", `up{a=~'` + strings.Repeat(`a{1000}`, 20) + `\'"'}`, ReasonTooComplex, 1, 7},
		{"behind a comment", "up{a=~#\n`" + strings.Repeat(`(a{30}){30}`, 20) + "`}", ReasonTooComplex, 2, 1},
		{"repeated groups", `up{a=~"((a{9}){9}){99}b{1000}{9}"}`, ReasonSyntax, 1, 4},
		{"classes", `up{a=~"` + strings.Repeat(`\\pL`, 400) + `"}`, ReasonTooComplex, 1, 7},
		{"few classes", `up{a=~"` + strings.Repeat(`\\pL`, 30) + `"}`, ReasonTooComplex, 1, 7},
		{"long expression", `up{a=~"` + strings.Repeat("a|", maxRegexp) + `"}`, ReasonTooComplex, 1, 7},
		{"in a function", `label_replace(up, "a", "$1", "b", "` + strings.Repeat("a{1000}", 20) + `")`, ReasonTooComplex, 1, 35},
		{"broken expression", `up{a=~"("}`, ReasonSyntax, 1, 4},
	}

	l := language(t, slices.DeleteFunc(StableFunctions(), func(name string) bool { return name == "abs" })...)
	enforcement := enforce(t, true, OneOf("namespace", "mine"))

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			got, err := l.Confine(test.text, enforcement)

			var refusal *RefusalError
			if !errors.As(err, &refusal) {
				t.Fatalf("got %+v, %v, want a refusal", got, err)
			}

			want := RefusalError{Reason: test.reason, Message: refusal.Message, Line: test.line, Column: test.column}
			if diff := cmp.Diff(want, *refusal); diff != "" || refusal.Message == "" {
				t.Errorf("%s (-want +got):\n%s", refusal.Message, diff)
			}
		})
	}
}

// TestConfineTakesOrdinaryRegexps: what people write is not taken for a bomb.
func TestConfineTakesOrdinaryRegexps(t *testing.T) {
	t.Parallel()

	names := []string{}
	for i := range 500 {
		names = append(names, fmt.Sprintf("workload-%d", i))
	}

	for _, expression := range []string{
		`[0-9]{1,3}(\\.[0-9]{1,3}){3}:[0-9]{2,5}`, `(?i)error|warn`, `[a-z]{8}-[a-z]{4}`, `\\p{Lu}.*`, `.{0,100}`,
		strings.Join(names, "|"),
	} {
		if _, err := language(t).Confine(`up{a=~"`+expression+`"}`, enforce(t, false)); err != nil {
			t.Errorf("%s: %v", expression, err)
		}
	}
}

// TestConfineBoundsWhatItPrints: few bytes with many selectors do not become many with long matchers.
func TestConfineBoundsWhatItPrints(t *testing.T) {
	t.Parallel()

	namespaces := []string{}
	for i := range 200 {
		namespaces = append(namespaces, fmt.Sprintf("namespace-%d", i))
	}

	_, err := language(t).Confine("a"+strings.Repeat("+a", 2000), enforce(t, false, OneOf("namespace", namespaces...)))

	var refusal *RefusalError
	if !errors.As(err, &refusal) || refusal.Reason != ReasonTooLong {
		t.Errorf("got %v, want %s", err, ReasonTooLong)
	}
}

func TestNewEnforcementRefuses(t *testing.T) {
	t.Parallel()

	for _, matcher := range []Matcher{
		{},
		{Label: "a-b", Value: "x"},
		{Label: "__name__", Value: "up"},
		{Label: "a"},
		{Label: "a", Value: "\xff"},
		{Label: "a", Operator: "==", Value: "x"},
		{Label: "a", Operator: Regexp, Value: "("},
		{Label: "a", Operator: Regexp, Value: "x|"},
		{Label: "a", Operator: Regexp},
		OneOf("a"), OneOf("a", ""),
		OneOf("a", "", "b"),
	} {
		if _, err := NewEnforcement([]Matcher{matcher}, false); err == nil {
			t.Errorf("%+v was taken", matcher)
		}
	}
}

func TestOneOf(t *testing.T) {
	t.Parallel()

	if diff := cmp.Diff(Matcher{"a", Equal, "b.c"}, OneOf("a", "b.c", "b.c")); diff != "" {
		t.Errorf("one (-want +got):\n%s", diff)
	}

	more := OneOf("a", "z", "kube-system", "b.c", "z")
	if diff := cmp.Diff(Matcher{"a", Regexp, `b\.c|kube-system|z`}, more); diff != "" {
		t.Errorf("more (-want +got):\n%s", diff)
	}
}

func TestNewLanguageRefuses(t *testing.T) {
	t.Parallel()

	for _, name := range []string{"", "sum", "info", "nothing", "limitk"} {
		if _, err := NewLanguage([]string{name}); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
}
