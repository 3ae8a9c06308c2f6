package scope_test

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/template"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/scope"
)

// checkQuery fails if a selector of the expression lacks namespace="mine".
func checkQuery(t *testing.T, written, text string) {
	t.Helper()

	root, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		t.Fatalf("%q became %q, which is no PromQL: %v", written, text, err)
	}

	for _, selector := range parser.ExtractSelectors(root) {
		if !slices.ContainsFunc(selector, func(m *labels.Matcher) bool { return m.String() == `namespace="mine"` }) {
			t.Errorf("%q became %q, with the selector %v", written, text, selector)
		}
	}
}

func FuzzExpr(f *testing.F) {
	for _, text := range []string{
		`up`, `topk(scalar(count(up)), up)`, `{"a b", namespace=~"x"} offset 5m @ start()`, `-up{namespace="a"} ^ 2`,
		"rate(up[5m:1m] @ 10)[1h:]", `label_replace(up, "a", "$1", 'b', "c{9}")`, `a / on (b) group_left ("c d") e # f`,
		`quantile by (le) (0.9, {__name__=~".+"})`, `1 + Inf - 0x1f`, `info(up, {a="b"})`, `up{a=~"x{1000}"}`,
		`sum without (a) (x) or vector(1) unless on() y`, `absent({job="a"} > bool 1)`,
	} {
		f.Add(text)
	}

	s := scopeOf(f, mine())

	f.Fuzz(func(t *testing.T, text string) {
		got, err := s.Expr(text)
		if err != nil {
			if refusal := refusalOf(t, err); refusal.Reason == "" || refusal.Message == "" || got.Text != "" {
				t.Errorf("%q: %q, %+v", text, got.Text, refusal)
			}

			return
		}

		checkQuery(t, text, got.Text)
	})
}

func FuzzTemplate(f *testing.F) {
	for _, text := range []string{
		`{{ query "up" }}`, `{{ "up" | query | first | value | humanize }}`, "{{- query (`up`) -}}",
		`{{ $labels.a }} {{ $value }}`, `{{ call query "up" }}`, `{{ (query "up" | first).Value }}`,
		`{{ range $i, $e := query "up" | sortByLabel "a" }}{{ .Labels.a }}{{ else }}{{ break }}{{ end }}`,
		`{{ with query "up" }}{{ . | first | label "a" }}{{ end }}`,
		`{{ define "a" }}{{ end }}{{ template "a" }}`, `{{ if and (query "a") (query "b") }}{{ else }}{{ end }}`,
		`{{/* query "a" */}}{{ printf "%q" (print "x") }}`,
		`{{ $a := query "up" }}{{ $a = query "b" }}{{ range $a }}{{ end }}`,
	} {
		f.Add(text)
	}

	s := scopeOf(f, mine())

	f.Fuzz(func(t *testing.T, text string) {
		got, _, err := s.Template(text)
		if err != nil {
			if refusal := refusalOf(t, err); refusal.Reason == "" || refusal.Message == "" || got != "" {
				t.Errorf("%q: %q, %+v", text, got, refusal)
			}

			return
		}

		checkTemplate(t, text, got)
	})
}

// checkTemplate runs a confined template as Prometheus does, once with series and once without, and looks at what it
// queries.
func checkTemplate(t *testing.T, written, confined string) {
	t.Helper()

	if !strings.Contains(confined, "{{") {
		if confined != written {
			t.Errorf("%q became %q", written, confined)
		}

		return
	}

	sample := promql.Sample{Metric: labels.FromStrings("namespace", "mine", "a", "b"), F: 1}

	for _, vector := range []promql.Vector{nil, {sample, sample}} {
		expander := template.NewTemplateExpander(t.Context(), prelude+confined, "x",
			template.AlertTemplateData(sample.Metric.Map(), nil, "", sample), 0,
			func(_ context.Context, query string, _ time.Time) (promql.Vector, error) {
				checkQuery(t, written, query)

				return vector, nil
			}, &url.URL{}, nil)

		if err := expander.ParseTest(); err != nil {
			t.Fatalf("%q became %q, which is no template: %v", written, confined, err)
		}

		output, _ := expander.Expand() // many templates fail when they run
		if len(output) > 8<<20 {
			t.Errorf("%q writes %d bytes", written, len(output))
		}
	}
}

// prelude is what Prometheus puts before each template of a rule.
const prelude = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}" +
	"{{$externalURL := .ExternalURL}}{{$value := .Value}}"

// known returns the functions of Prometheus' templates and of Go's.
func known(t *testing.T) map[string]bool {
	t.Helper()

	collected := collector{}
	template.RegisterFeatures(collected)

	for name := range strings.FieldsSeq(
		"and call html index slice js len not or print printf println urlquery eq ge gt le lt ne") {
		collected[name] = true
	}

	return collected
}

// collector collects the names of functions.
type collector map[string]bool

func (c collector) Enable(_, name string)            { c[name] = true }
func (collector) Disable(string, string)             {}
func (c collector) Set(_, name string, enabled bool) { c[name] = enabled }
func (collector) Get() map[string]map[string]bool    { return nil }

// TestTemplateFunctions compares the list of functions with Prometheus' own: what is new there is looked at, and added
// or left out on purpose.
func TestTemplateFunctions(t *testing.T) {
	t.Parallel()

	s := scopeOf(t, scope.Policy{Templates: scope.Free})

	for name := range known(t) {
		if _, _, err := s.Template("{{ " + name + " }}"); err != nil {
			t.Errorf("%s is a function of Prometheus' templates: %v", name, err)
		}
	}
}
