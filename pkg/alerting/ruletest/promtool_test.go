package ruletest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// document is a rules file and a test file of promtool in one.
//
//nolint:tagliatelle // promtool's names
type document struct {
	Name     string   `json:"name"`
	Pass     bool     `json:"pass"`
	Interval duration `json:"evaluation_interval,omitempty"`

	Groups []documentGroup `json:"groups"`
	Tests  []documentTest  `json:"tests"`
}

//nolint:tagliatelle // promtool's names
type documentGroup struct {
	Name        string         `json:"name"`
	QueryOffset duration       `json:"query_offset,omitempty"`
	Limit       int            `json:"limit,omitempty"`
	Rules       []documentRule `json:"rules"`
}

//nolint:tagliatelle // promtool's names
type documentRule struct {
	Alert         string            `json:"alert,omitempty"`
	Record        string            `json:"record,omitempty"`
	Expr          string            `json:"expr"`
	For           duration          `json:"for,omitempty"`
	KeepFiringFor duration          `json:"keep_firing_for,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

//nolint:tagliatelle // promtool's names
type documentTest struct {
	Interval duration         `json:"interval,omitempty"`
	Series   []documentSeries `json:"input_series"`
	Alerts   []documentAlert  `json:"alert_rule_test,omitempty"`
	Exprs    []documentExpr   `json:"promql_expr_test,omitempty"`
}

type documentSeries struct {
	Series string `json:"series"`
	Values string `json:"values"`
}

//nolint:tagliatelle // promtool's names
type documentAlert struct {
	At     duration           `json:"eval_time"`
	Alert  string             `json:"alertname"`
	Expect []documentExpected `json:"exp_alerts,omitempty"`
}

//nolint:tagliatelle // promtool's names
type documentExpected struct {
	Labels      map[string]string `json:"exp_labels,omitempty"`
	Annotations map[string]string `json:"exp_annotations,omitempty"`
}

//nolint:tagliatelle // promtool's names
type documentExpr struct {
	Expr   string           `json:"expr"`
	At     duration         `json:"eval_time"`
	Expect []documentSample `json:"exp_samples,omitempty"`
}

type documentSample struct {
	Labels    string          `json:"labels"`
	Value     json.RawMessage `json:"value,omitempty"`
	Histogram string          `json:"histogram,omitempty"`
}

// duration is written as promtool reads it.
type duration time.Duration

func (d *duration) UnmarshalJSON(text []byte) error {
	parsed, err := time.ParseDuration(strings.Trim(string(text), `"`))
	*d = duration(parsed)

	return err
}

func (d duration) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `"%dms"`, time.Duration(d).Milliseconds()), nil
}

// ours returns what this package is given for a document.
func (d document) ours() (Group, []Test) {
	from := d.Groups[0]
	group := Group{
		Name: from.Name, Interval: time.Duration(d.Interval),
		QueryOffset: time.Duration(from.QueryOffset), Limit: from.Limit,
	}

	for _, rule := range from.Rules {
		group.Rules = append(group.Rules, Rule{
			Alert: rule.Alert, Record: rule.Record, Expr: rule.Expr,
			For: time.Duration(rule.For), KeepFiringFor: time.Duration(rule.KeepFiringFor),
			Labels: rule.Labels, Annotations: rule.Annotations,
		})
	}

	tests := make([]Test, 0, len(d.Tests))
	for _, test := range d.Tests {
		tests = append(tests, test.ours())
	}

	return group, tests
}

func (d documentTest) ours() Test {
	test := Test{Interval: time.Duration(d.Interval)}
	for _, series := range d.Series {
		test.Series = append(test.Series, Series(series))
	}

	for _, from := range d.Alerts {
		alert := AlertTest{At: time.Duration(from.At), Alert: from.Alert}
		for _, expect := range from.Expect {
			alert.Expect = append(alert.Expect, Alert(expect))
		}

		test.Alerts = append(test.Alerts, alert)
	}

	for _, from := range d.Exprs {
		expr := ExprTest{Expr: from.Expr, At: time.Duration(from.At)}

		for _, expect := range from.Expect {
			value := string(expect.Value)
			if expect.Histogram != "" {
				value = expect.Histogram
			}

			expr.Expect = append(expr.Expect, Sample{Labels: expect.Labels, Value: value})
		}

		test.Exprs = append(test.Exprs, expr)
	}

	return test
}

// theirs returns what promtool is given for a group and a test.
func theirs(group Group, test Test) document {
	to := documentGroup{Name: group.Name, QueryOffset: duration(group.QueryOffset), Limit: group.Limit}
	for _, rule := range group.Rules {
		to.Rules = append(to.Rules, documentRule{
			Alert: rule.Alert, Record: rule.Record, Expr: rule.Expr,
			For: duration(rule.For), KeepFiringFor: duration(rule.KeepFiringFor),
			Labels: rule.Labels, Annotations: rule.Annotations,
		})
	}

	written := documentTest{Interval: duration(test.Interval)}
	for _, series := range test.Series {
		written.Series = append(written.Series, documentSeries(series))
	}

	for _, from := range test.Alerts {
		alert := documentAlert{At: duration(from.At), Alert: from.Alert}
		for _, expect := range from.Expect {
			alert.Expect = append(alert.Expect, documentExpected(expect))
		}

		written.Alerts = append(written.Alerts, alert)
	}

	for _, from := range test.Exprs {
		expr := documentExpr{Expr: from.Expr, At: duration(from.At)}
		for _, expect := range from.Expect {
			expr.Expect = append(expr.Expect, theirSample(expect))
		}

		written.Exprs = append(written.Exprs, expr)
	}

	return document{Interval: duration(group.Interval), Groups: []documentGroup{to}, Tests: []documentTest{written}}
}

func theirSample(sample Sample) documentSample {
	if strings.HasPrefix(sample.Value, "{{") {
		return documentSample{Labels: sample.Labels, Histogram: sample.Value}
	}

	return documentSample{Labels: sample.Labels, Value: json.RawMessage(sample.Value)}
}

// writable says whether a value can be written into a file of promtool's and be found equal again.
func writable(value string) bool {
	number, err := strconv.ParseFloat(value, 64)

	return err != nil || !math.IsNaN(number) && !math.IsInf(number, 0)
}

// corpus returns the documents of the corpus.
func corpus(t *testing.T) []document {
	t.Helper()

	text, err := os.ReadFile(filepath.Join("testdata", "corpus.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	var documents []document

	for part := range bytes.SplitSeq(text, []byte("\n---\n")) {
		var document document
		if err := yaml.UnmarshalStrict(part, &document); err != nil {
			t.Fatalf("%v in\n%s", err, part)
		}

		documents = append(documents, document)
	}

	return documents
}

// promtool returns the program to compare with. Nothing is compared where it is not built.
func promtool(t *testing.T) string {
	t.Helper()

	if path := os.Getenv("KS_PROMTOOL"); path != "" {
		return path
	}

	cache := os.Getenv("KS_CACHE_DIR")

	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}

		cache = filepath.Join(home, ".cache", "ks-controller-manager")
	}

	path := filepath.Join(cache, "engines", "bin", "promtool")
	if _, err := os.Stat(path); err != nil { //nolint:gosec // a path of the developer's own
		t.Skipf("NOT COMPARED with promtool, which is neither in KS_PROMTOOL nor at %s", path)
	}

	return path
}

// verdicts lets promtool run a document after the other and returns which of them pass.
func verdicts(t *testing.T, documents []document) []bool {
	t.Helper()

	passed := make([]bool, len(documents))
	for i, part := range strings.Split(runPromtool(t, documents...), "Processing test file: ")[1:] {
		passed[i] = strings.Contains(part, "SUCCESS")
	}

	return passed
}

// runPromtool returns what promtool says to some documents. Where a test fails, so does the program: what it
// prints says which.
func runPromtool(t *testing.T, documents ...document) string {
	t.Helper()

	program, dir := promtool(t), t.TempDir()
	arguments := []string{"test", "rules"}

	for i, document := range documents {
		name := fmt.Sprintf("%04d", i)
		write(t, filepath.Join(dir, name+".rules.yaml"), map[string]any{"groups": document.Groups})
		write(t, filepath.Join(dir, name+".yaml"), map[string]any{
			"rule_files": []string{name + ".rules.yaml"}, "evaluation_interval": document.interval(), "tests": document.Tests,
		})

		arguments = append(arguments, name+".yaml")
	}

	//nolint:gosec // the program is the one to compare with
	command := exec.CommandContext(t.Context(), program, arguments...)
	command.Dir = dir

	var out, failures bytes.Buffer

	command.Stdout, command.Stderr = &out, &failures

	if err := command.Run(); out.Len() == 0 {
		t.Fatalf("promtool says nothing: %v", err)
	}

	if len(documents) == 1 {
		return out.String() + failures.String()
	}

	return out.String()
}

func (d document) interval() duration {
	if d.Interval == 0 {
		return duration(DefaultInterval)
	}

	return d.Interval
}

func write(t *testing.T, path string, content any) {
	t.Helper()

	text, err := yaml.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
