package scope_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/scope"
)

// mine is the policy of a tenant with one namespace.
func mine() scope.Policy {
	return scope.Policy{Enforced: []scope.Matcher{scope.OneOf("namespace", "mine")}}
}

func scopeOf(tb testing.TB, policy scope.Policy) *scope.Scope {
	tb.Helper()

	made, err := scope.New(policy)
	if err != nil {
		tb.Fatal(err)
	}

	return made
}

// refusalOf returns the error of the package that err is.
func refusalOf(tb testing.TB, err error) *scope.Error {
	tb.Helper()

	var refusal *scope.Error
	if !errors.As(err, &refusal) {
		tb.Fatalf("got %v, want an error of scope", err)
	}

	return refusal
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()

	for name, policy := range map[string]scope.Policy{
		"conflict":  {Conflict: "Merge"},
		"templates": {Templates: "Loud"},
		"function":  {Functions: []string{"nothing"}},
		"feature":   {Functions: []string{"limitk"}},
		"info":      {Functions: []string{"info"}, Enforced: mine().Enforced},
		"enforced":  {Enforced: []scope.Matcher{scope.OneOf("namespace")}},
	} {
		if _, err := scope.New(policy); err == nil {
			t.Errorf("%s: %+v was taken", name, policy)
		}
	}
}

// gaveWay is the warning for namespace="other".
const gaveWay = `namespace="other" is outside of what this rule may see and gives way to namespace="mine"`

func TestExpr(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name   string
		policy func(*scope.Policy)
		text   string
		want   scope.Expression
		reason string
	}{
		{
			name: "confined", text: `sum(rate(http_requests_total{namespace="other"}[5m]))`,
			want: scope.Expression{
				Text:      `sum(rate(http_requests_total{namespace="mine"}[5m]))`,
				Warnings:  []string{gaveWay},
				Selectors: 1, MaxRange: 5 * time.Minute,
			},
		},
		{name: "conflict", policy: func(p *scope.Policy) { p.Conflict = scope.Reject }, text: `up{namespace="other"}`, reason: scope.ReasonForbiddenSelector},
		{name: "function", policy: func(p *scope.Policy) { p.Functions = []string{"rate"} }, text: `abs(up)`, reason: scope.ReasonFunctionNotAllowed},
		{name: "no function", policy: func(p *scope.Policy) { p.Functions = []string{} }, text: `abs(up)`, reason: scope.ReasonFunctionNotAllowed},
		{name: "range", policy: func(p *scope.Policy) { p.MaxRange = time.Hour }, text: `rate(up[30m]) + up offset 2h`, reason: scope.ReasonRangeTooLong},
		{name: "fixed time", policy: func(p *scope.Policy) { p.MaxRange = time.Hour }, text: `up @ 1700000000`, reason: scope.ReasonRangeTooLong},
		{name: "range inside", policy: func(p *scope.Policy) { p.MaxRange = time.Hour }, text: `rate(up[30m:] @ end())`, want: scope.Expression{Text: `rate(up{namespace="mine"}[30m:] @ end())`, Selectors: 1, MaxRange: 30 * time.Minute}},
		{name: "selectors", policy: func(p *scope.Policy) { p.MaxSelectors = 2 }, text: `up + up + up`, reason: scope.ReasonTooManySelectors},
		{name: "selectors inside", policy: func(p *scope.Policy) { p.MaxSelectors = 2 }, text: `up + up`, want: scope.Expression{Text: `up{namespace="mine"} + up{namespace="mine"}`, Selectors: 2}},
		{name: "syntax", text: `up{`, reason: scope.ReasonSyntax},
		{name: "template", text: `up{a="{{ $labels.a }}"}`, want: scope.Expression{Text: `up{a="{{ $labels.a }}",namespace="mine"}`, Selectors: 1}},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			policy := mine()
			if test.policy != nil {
				test.policy(&policy)
			}

			got, err := scopeOf(t, policy).Expr(test.text)
			if test.reason != "" {
				if refusal := refusalOf(t, err); refusal.Reason != test.reason || refusal.Field != "expr" {
					t.Errorf("got %+v, want %s of expr", refusal, test.reason)
				}

				return
			}

			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTemplate(t *testing.T) {
	t.Parallel()

	tests := []struct{ name, text, want string }{
		{"text", `CPU {is} high`, `CPU {is} high`},
		{"no query", `{{ $labels.pod }} has {{ $value | humanize }}`, `{{ $labels.pod }} has {{ $value | humanize }}`},
		{"query", `{{ query "up" }}`, `{{ query "up{namespace=\"mine\"}" }}`},
		{"raw", "{{- query `up{a=\"b\"}` -}} x", "{{- query `up{a=\"b\",namespace=\"mine\"}` -}} x"},
		{"raw that cannot hold it", "{{ query `up{a=\"\\x60\"}` }}", "{{ query \"up{a=\\\"`\\\",namespace=\\\"mine\\\"}\" }}"},
		{"piped", `{{ "up" | query | first | value }}`, `{{ "up{namespace=\"mine\"}" | query | first | value }}`},
		{"parentheses", `{{ query (("up")) }}`, `{{ query (("up{namespace=\"mine\"}")) }}`},
		{"parentheses, piped", `{{ ("up") | query }}`, `{{ ("up{namespace=\"mine\"}") | query }}`},
		{"inside", `{{ (query "up" | first).Labels.pod }}`, `{{ (query "up{namespace=\"mine\"}" | first).Labels.pod }}`},
		{"loop", `{{ range query "up" }}{{ .Labels.pod }}{{ end }}`, `{{ range query "up{namespace=\"mine\"}" }}{{ .Labels.pod }}{{ end }}`},
		{"loops", `{{ range $i, $s := query "up" | sortByLabel "pod" }}{{ range $k, $v := $s.Labels }}{{ $k }}{{ end }}{{ else }}none{{ end }}`, `{{ range $i, $s := query "up{namespace=\"mine\"}" | sortByLabel "pod" }}{{ range $k, $v := $s.Labels }}{{ $k }}{{ end }}{{ else }}none{{ end }}`},
		{"with and dot", `{{ with query "up" }}{{ range . }}{{ .Value }}{{ end }}{{ end }}`, `{{ with query "up{namespace=\"mine\"}" }}{{ range . }}{{ .Value }}{{ end }}{{ end }}`},
		{"variable", `{{ $r := query "up" }}{{ range $r }}x{{ end }}`, `{{ $r := query "up{namespace=\"mine\"}" }}{{ range $r }}x{{ end }}`},
		{"labels", `{{ range $k, $v := $labels }}{{ $k }}={{ $v }} {{ end }}`, `{{ range $k, $v := $labels }}{{ $k }}={{ $v }} {{ end }}`},
		{"if, else", `{{ if query "a" }}{{ query "b" }}{{ else if query "c" }}{{ query "d" }}{{ end }}`, `{{ if query "a{namespace=\"mine\"}" }}{{ query "b{namespace=\"mine\"}" }}{{ else if query "c{namespace=\"mine\"}" }}{{ query "d{namespace=\"mine\"}" }}{{ end }}`},
		{"inner first", `{{ printf "%v %v" (query "a") (query "b") }}`, `{{ printf "%v %v" (query "a{namespace=\"mine\"}") (query "b{namespace=\"mine\"}") }}`},
		{"comment", `{{/* query $x */}}{{ query "up" }}`, `{{/* query $x */}}{{ query "up{namespace=\"mine\"}" }}`},
		{"text that looks like it", `query "up" {{ "query \"up\"" }}`, `query "up" {{ "query \"up\"" }}`},
		{"umlauts", `ü {{ query "up{a=\"ü\"}" }} ü`, `ü {{ query "up{a=\"ü\",namespace=\"mine\"}" }} ü`},
		{"assigned in a loop", `{{ $found := false }}{{ range query "up" }}{{ $found = true }}{{ end }}{{ $found }}`, `{{ $found := false }}{{ range query "up{namespace=\"mine\"}" }}{{ $found = true }}{{ end }}{{ $found }}`},
		{"built", `{{ $name := printf "%s/%s" $labels.namespace $labels.pod }}{{ printf "https://g:3000/d?%-40.2f&n=%s" $value $name }}`, `{{ $name := printf "%s/%s" $labels.namespace $labels.pod }}{{ printf "https://g:3000/d?%-40.2f&n=%s" $value $name }}`},
		{"break", `{{ range query "up" }}{{ break }}{{ end }}`, `{{ range query "up{namespace=\"mine\"}" }}{{ break }}{{ end }}`},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			got, warnings, err := scopeOf(t, mine()).Template(test.text)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(test.want, got); diff != "" || len(warnings) > 0 {
				t.Errorf("warnings %q (-want +got):\n%s", warnings, diff)
			}
		})
	}
}

func TestTemplateWarns(t *testing.T) {
	t.Parallel()

	got, warnings, err := scopeOf(t, mine()).Template(`{{ query "up{namespace='other'}" }}`)
	if err != nil {
		t.Fatal(err)
	}

	if want := `{{ query "up{namespace=\"mine\"}" }}`; got != want || len(warnings) != 1 {
		t.Errorf("got %s, want %s; warnings %q", got, want, warnings)
	}
}

func TestTemplateRefuses(t *testing.T) {
	t.Parallel()

	doubling := `{{ $a := "12345678" }}` + strings.Repeat(`{{ $a = print $a $a }}`, 40)

	tests := []struct {
		name, text, reason string
		line, column       int
	}{
		{"computed", "text\n{{ query (print \"up\") }}", scope.ReasonQueryNotConstant, 2, 4},
		{"printf", `{{ query (printf "up{namespace=%q}" "other") }}`, scope.ReasonQueryNotConstant, 1, 4},
		{"variable", `{{ $q := "up" }}{{ query $q }}`, scope.ReasonQueryNotConstant, 1, 20},
		{"field", `{{ query .Labels.q }}`, scope.ReasonQueryNotConstant, 1, 4},
		{"dot", `{{ with "up" }}{{ query . }}{{ end }}`, scope.ReasonQueryNotConstant, 1, 19},
		{"computed, piped", `{{ print "up" | query }}`, scope.ReasonQueryNotConstant, 1, 17},
		{"piped twice", `{{ "up" | toUpper | query }}`, scope.ReasonQueryNotConstant, 1, 21},
		{"declared inside", `{{ query ($x := "up") }}`, scope.ReasonQueryNotConstant, 1, 4},
		{"no argument", `{{ query }}`, scope.ReasonQueryNotConstant, 1, 4},
		{"two arguments", `{{ query "up" "down" }}`, scope.ReasonQueryNotConstant, 1, 4},
		{"argument and pipe", `{{ "up" | query "down" }}`, scope.ReasonQueryNotConstant, 1, 11},
		{"function value", `{{ call query "up" }}`, scope.ReasonQueryNotConstant, 1, 9},
		{"function value with a field", `{{ print query.X }}`, scope.ReasonQueryNotConstant, 1, 10},
		{"in if", `{{ if query .X }}{{ end }}`, scope.ReasonQueryNotConstant, 1, 7},
		{"in else", `{{ if true }}{{ else }}{{ query .X }}{{ end }}`, scope.ReasonQueryNotConstant, 1, 27},
		{"in else of with", `{{ with true }}{{ else }}{{ query .X }}{{ end }}`, scope.ReasonQueryNotConstant, 1, 29},
		{"in a loop", `{{ range query "up" }}{{ query .X }}{{ end }}`, scope.ReasonQueryNotConstant, 1, 26},
		{"in else of a loop", `{{ range query "up" }}{{ else }}{{ query .X }}{{ end }}`, scope.ReasonQueryNotConstant, 1, 36},
		{"in a declaration", `{{ $x := query .X }}`, scope.ReasonQueryNotConstant, 1, 10},
		{"in an argument", `{{ print (query .X | first) }}`, scope.ReasonQueryNotConstant, 1, 11},
		{"in a chain", `{{ (query .X | first).Value }}`, scope.ReasonQueryNotConstant, 1, 5},
		{"define", `{{ define "x" }}{{ query .X }}{{ end }}`, scope.ReasonTemplateNotAllowed, 0, 0},
		{"block", `{{ block "x" . }}{{ end }}`, scope.ReasonTemplateNotAllowed, 0, 0},
		{"template", `{{ template "x" query }}`, scope.ReasonTemplateNotAllowed, 1, 13},
		{"tmpl", `{{ tmpl "x" . }}`, scope.ReasonTemplateNotAllowed, 1, 4},
		{"bad query", "\n {{ query \"up{\" }}", scope.ReasonSyntax, 2, 11},
		{"forbidden selector", `{{ query "up{namespace='other'}" }}`, scope.ReasonForbiddenSelector, 1, 10},
		{"unterminated", "a\n{{ query \"up\"", scope.ReasonSyntax, 2, 0},
		{"unterminated if", "{{ if true }}", scope.ReasonSyntax, 1, 0},
		{"unknown function", "{{ foo }}", scope.ReasonSyntax, 1, 0},
		{"unknown variable", "{{ $foo }}", scope.ReasonSyntax, 1, 0},
		{"itself", `{{ define "value" }}{{ template "value" }}{{ end }}`, scope.ReasonSyntax, 1, 0},
		{"loop over a number", `{{ range 1000000000 }}{{ end }}`, scope.ReasonTemplateNotAllowed, 1, 10},
		{"loop over a variable", `{{ $n := 1000000000 }}{{ range $n }}{{ end }}`, scope.ReasonTemplateNotAllowed, 1, 32},
		{"loop over what a variable becomes", `{{ $n := query "up" }}{{ range query "up" }}{{ range $n }}{{ end }}{{ $n = 1000000000 }}{{ end }}`, scope.ReasonTemplateNotAllowed, 1, 54},
		{"loop over labels that are none", `{{ $labels = 1000000000 }}{{ range $labels }}{{ end }}`, scope.ReasonTemplateNotAllowed, 1, 36},
		{"loop over a copy", `{{ $n := 1000000000 }}{{ $m := $n }}{{ range $m }}{{ end }}`, scope.ReasonTemplateNotAllowed, 1, 46},
		{"loop over the dot", `{{ with 1000000000 }}{{ range . }}{{ end }}{{ end }}`, scope.ReasonTemplateNotAllowed, 1, 31},
		{"loop over a length", `{{ range len "x" }}{{ end }}`, scope.ReasonTemplateNotAllowed, 1, 10},
		{"loops", `{{ range query "a" }}{{ range query "b" }}{{ range query "c" }}{{ end }}{{ end }}{{ end }}`, scope.ReasonTooComplex, 1, 52},
		{"doubling", doubling, scope.ReasonTooComplex, 1, 268},
		{"doubling by with", strings.Repeat(`{{ with print . . . . . . . . }}`, 20) + strings.Repeat(`{{ end }}`, 20), scope.ReasonTooComplex, 1, 137},
		{"growing in a loop", `{{ $a := "x" }}{{ range query "up" }}{{ $a = print $a $a }}{{ end }}`, scope.ReasonTooComplex, 1, 41},
		{"growing in a loop by with", `{{ $a := "x" }}{{ range query "up" }}{{ with print $a $a }}{{ $a = . }}{{ end }}{{ end }}`, scope.ReasonTooComplex, 1, 63},
		{"replacing", `{{ reReplaceAll "." (reReplaceAll "." (print $labels $labels $labels) $labels.a) (print $labels $labels $labels) }}`, scope.ReasonTooComplex, 1, 4},
		{"wide", `{{ printf "%1000000d" 1 }}`, scope.ReasonTooComplex, 1, 4},
		{"wide by an operand", `{{ printf "%*d" 1000000 1 }}`, scope.ReasonTooComplex, 1, 4},
		{"computed format", `{{ printf $labels.format 1 }}`, scope.ReasonTooComplex, 1, 4},
		{"bytes", "{{ \"\xff\" }}", scope.ReasonNotUTF8, 0, 0},
		{"bytes in text", "\xff", scope.ReasonNotUTF8, 0, 0},
		{"long text", strings.Repeat("x", 64<<10+1), scope.ReasonTooLong, 0, 0},
		{"long", `{{ 1 }}` + strings.Repeat("x", 16<<10), scope.ReasonTooLong, 0, 0},
		{"deep", "{{ " + strings.Repeat("(", 16000) + " }}", scope.ReasonSyntax, 1, 0},
	}

	policy := mine()
	policy.Conflict = scope.Reject
	s := scopeOf(t, policy)

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			got, _, err := s.Template(test.text)
			if err == nil {
				t.Fatalf("got %s, want %s", got, test.reason)
			}

			refusal := refusalOf(t, err)
			want := scope.Error{
				Field: "template", Reason: test.reason, Message: refusal.Message, Line: test.line, Column: test.column,
			}

			if diff := cmp.Diff(want, *refusal); diff != "" || got != "" {
				t.Errorf("%s, %q (-want +got):\n%s", refusal.Message, got, diff)
			}
		})
	}
}

func TestTemplatePolicies(t *testing.T) {
	t.Parallel()

	mute, free := mine(), mine()
	mute.Templates, free.Templates = scope.Mute, scope.Free

	for _, text := range []string{
		`{{ query "up" }}`, `{{ "up" | query }}`, `{{ query .X }}`,
		`{{ if true }}{{ range query "up" }}{{ end }}{{ end }}`,
	} {
		if _, _, err := scopeOf(t, mute).Template(text); refusalOf(t, err).Reason != scope.ReasonQueryNotAllowed {
			t.Errorf("mute: %s: %v", text, err)
		}

		if got, warnings, err := scopeOf(t, free).Template(text); got != text || len(warnings) > 0 || err != nil {
			t.Errorf("free: %s became %s, %q, %v", text, got, warnings, err)
		}
	}

	_, _, err := scopeOf(t, mute).Template(`{{ call query }}`)
	if refusalOf(t, err).Reason != scope.ReasonQueryNotAllowed {
		t.Errorf("mute, as a value: %v", err)
	}

	if got, _, err := scopeOf(t, mute).Template(`{{ $value }}`); got != `{{ $value }}` || err != nil {
		t.Errorf("mute, without a query: %s, %v", got, err)
	}

	for _, text := range []string{`{{ foo }}`, `{{ tmpl "x" . }}`, `{{ if }}`} {
		if _, _, err := scopeOf(t, free).Template(text); refusalOf(t, err).Reason != scope.ReasonSyntax {
			t.Errorf("free: %s: %v", text, err)
		}
	}
}

func TestLabelsAndAnnotations(t *testing.T) {
	t.Parallel()

	policy := mine()
	policy.Enforced = append(policy.Enforced, scope.OneOf("tenant", "a"))
	s := scopeOf(t, policy)

	for _, name := range append(scope.ReservedLabels(), "tenant") {
		_, _, err := s.Label(name, "x")
		if got := refusalOf(t, err); got.Reason != scope.ReasonReservedLabel || got.Field != "labels["+name+"]" {
			t.Errorf("%s: %+v", name, got)
		}

		if _, _, err := s.Annotation(name, "x"); err != nil {
			t.Errorf("annotation %s: %v", name, err)
		}
	}

	for _, name := range []string{"", "a-b", "1a", "__name__", "__x", "ü", "a b"} {
		if _, _, err := s.Label(name, "x"); refusalOf(t, err).Reason != scope.ReasonInvalidName {
			t.Errorf("label %q: %v", name, err)
		}

		if _, _, err := s.Annotation(name, "x"); refusalOf(t, err).Reason != scope.ReasonInvalidName {
			t.Errorf("annotation %q: %v", name, err)
		}
	}

	want := `{{ query "up{namespace=\"mine\",tenant=\"a\"}" }}`

	if got, _, err := s.Label("severity", `{{ query "up" }}`); got != want || err != nil {
		t.Errorf("label: %s, %v", got, err)
	}

	if got, _, err := s.Annotation("summary", `{{ query "up" }}`); got != want || err != nil {
		t.Errorf("annotation: %s, %v", got, err)
	}

	_, _, err := s.Annotation("summary", `{{ query $value }}`)
	if refusal := refusalOf(t, err); refusal.Field != "annotations[summary]" {
		t.Errorf("got %+v, want the annotation", refusal)
	}
}

// ExampleScope shows what becomes of a rule.
func ExampleScope() {
	s, err := scope.New(scope.Policy{Enforced: []scope.Matcher{scope.OneOf("namespace", "shop", "shop-test")}})
	if err != nil {
		fmt.Println(err)

		return
	}

	expression, err := s.Expr(`sum by (pod) (rate(http_requests_total{code=~"5.."}[5m])) > 1`)
	fmt.Println(expression.Text, err)

	_, _, err = s.Annotation("summary", `{{ query (printf "up{pod=%q}" $labels.pod) }}`)

	if refusal, ok := errors.AsType[*scope.Error](err); ok {
		fmt.Println(refusal.Field, refusal.Reason)
	}

	// Output:
	// sum by (pod) (rate(http_requests_total{code=~"5..",namespace=~"shop|shop-test"}[5m])) > 1 <nil>
	// annotations[summary] QueryNotConstant
}
