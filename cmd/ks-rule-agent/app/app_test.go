package app

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

const group = `
apiVersion: alerting.kubesphere.io/v2beta1
kind: RuleGroup
metadata:
  name: availability
  namespace: payments
  labels: {alerting.kubesphere.io/enable: "true"}
spec:
  rules:
  - alert: Down
    expr: up{namespace="other"} == 0
    severity: warning
  tests:
  - name: one target is down
    inputSeries:
    - {series: 'up{job="a"}', values: 1 0 0}
    exprTests:
    - {expr: count(up), evalTime: 1m, expect: [{labels: '{}', value: "1"}]}
`

const bad = `
  - alert: Bad
    expr: sum(up) by (
`

// execute runs the command and returns what it prints, and its exit code.
func execute(t *testing.T, input string, arguments ...string) (output string, code int) {
	t.Helper()

	var out, problems bytes.Buffer

	command := NewCommand("ks-rule-agent", "v1.2.3")
	command.SetArgs(arguments)
	command.SetIn(strings.NewReader(input))
	command.SetOut(&out)
	command.SetErr(&problems)

	code = report(&problems, "ks-rule-agent", command.ExecuteContext(t.Context()))

	return out.String() + problems.String(), code
}

// withBad has a rule more, which cannot be parsed.
func withBad() string {
	return strings.Replace(group, "  tests:", strings.TrimPrefix(bad, "\n")+"  tests:", 1)
}

func TestVerbs(t *testing.T) {
	policy := `
---
apiVersion: alerting.kubesphere.io/v1alpha1
kind: AlertingPolicy
metadata: {name: owners}
spec: {required: {labels: [team]}}
`
	withoutTest := strings.Replace(group, `value: "1"`, `value: "2"`, 1)

	for _, test := range []struct {
		name  string
		input string
		args  []string
		code  int
		want  []string
	}{
		{"check good", group, []string{"check"}, 0, []string{"good", "1 rules, 1 tests", "payments/availability"}},
		{"check a bad rule", withBad(), []string{"check"}, 1, []string{"rejected", "spec.rules[1].expr (Bad)"}},
		{"check a test that fails", withoutTest, []string{"check"}, 1, []string{"test fails", "spec.tests[0]"}},
		{"check by a policy", group + policy, []string{"check"}, 1, []string{"AlertingPolicy owners", "team"}},
		{"check as JSON", withBad(), []string{"check", "-o=json"}, 1, []string{`"rejected": [`, `"index": 1`}},
		{"explain", withBad(), []string{"explain"}, 1, []string{
			"rules[0] Down: evaluated", `written:    up{namespace="other"} == 0`, `evaluated:  up{namespace="payments"} == 0`,
			"label:      rule_level=namespace", "rules[1] Bad: rejected", "why:",
		}},
		{"render", group, []string{"render"}, 0, []string{"kind: PrometheusRule", `up{namespace="payments"} == 0`}},
		{"render as a table", group, []string{"render", "-o=table"}, 0, []string{"kubesphere-monitoring-system/alertrules-ns-payments.availability"}},
		{"disabled", strings.Replace(group, `"true"`, `"false"`, 1), []string{"check"}, 0, []string{"note", "not evaluated"}},
		{"a list", "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(strings.TrimSpace(group), "\n", "\n  "), []string{"check"}, 0, []string{"good"}},
		{"not YAML", "a: b: c", []string{"check"}, 1, []string{"-: read a manifest"}},
		{"unknown field", strings.Replace(group, "severity", "severty", 1), []string{"check"}, 1, []string{`unknown field "severty"`}},
		{"no namespace", strings.Replace(group, "namespace: payments", "annotations: {}", 1), []string{"check"}, 1, []string{"metadata.namespace is missing"}},
		{"nothing in it", "kind: ConfigMap\n", []string{"check"}, 2, []string{"there is no RuleGroup"}},
		{"unknown format", group, []string{"check", "-o=xml"}, 2, []string{"want table, json or yaml"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			output, code := execute(t, test.input, append(slices.Clone(test.args), "-f=-")...)
			if code != test.code {
				t.Errorf("the exit code is %d, want %d", code, test.code)
			}

			for _, want := range test.want {
				if !strings.Contains(output, want) {
					t.Errorf("%q is missing", want)
				}
			}

			if t.Failed() {
				t.Log(output)
			}
		})
	}
}

// What render prints can be applied, and JSON and YAML say the same.
func TestRenderedManifests(t *testing.T) {
	text, _ := execute(t, group, "render", "-f=-")

	var fromYAML monitoringv1.PrometheusRule
	if err := yaml.UnmarshalStrict([]byte(strings.TrimPrefix(text, "---\n")), &fromYAML); err != nil {
		t.Fatal(err)
	}

	text, _ = execute(t, group, "render", "-f=-", "-o=json")

	var list struct {
		Items []monitoringv1.PrometheusRule `json:"items"`
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list.Items) != 1 {
		t.Fatalf("%v: %s", err, text)
	}

	if list.Items[0].Name != fromYAML.Name || len(fromYAML.Spec.Groups[0].Rules) != 1 {
		t.Errorf("YAML has %+v, JSON %+v", fromYAML, list.Items[0])
	}
}

func TestUsage(t *testing.T) {
	folder := t.TempDir()
	kubeconfig := filepath.Join(folder, "kubeconfig")

	if err := os.WriteFile(kubeconfig, []byte("no kubeconfig"), 0o600); err != nil {
		t.Fatal(err)
	}

	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"version"}, 0, "ks-rule-agent v1.2.3 go"},
		{[]string{}, 2, "say what to do"},
		{[]string{"nosuch"}, 2, "unknown argument"},
		{[]string{"check"}, 2, "-f: name a file"},
		{[]string{"check", "-f=/nosuch/file"}, 2, "no such file"},
		{[]string{"check", "--nosuch"}, 2, "unknown flag"},
		{[]string{"run"}, 2, "--rule-dir: name the folder"},
		{[]string{"run", "--rule-dir=/tmp", "--evaluator=mimir"}, 2, "want prometheus or thanos-ruler"},
		{[]string{"run", "--rule-dir=/tmp", "--evaluator-url=nowhere"}, 2, "--evaluator-url"},
		{[]string{"run", "--rule-dir=/tmp", "--selector=a in"}, 2, "--selector"},
		{[]string{"run", "--rule-dir=/tmp", "--name=A_"}, 2, "--name=A_"},
		{[]string{"run", "--rule-dir=/tmp", "--resync=0s"}, 2, "--resync"},
		{[]string{"run", "--rule-dir=/tmp", "--init", "--cleanup"}, 2, "want one of them"},
		{[]string{"run", "--rule-dir=/tmp", "--kubeconfig=" + kubeconfig}, 1, "find the cluster"},
	} {
		output, code := execute(t, "", test.args...)
		if code != test.code || !strings.Contains(output, test.want) {
			t.Errorf("%v: exit code %d, want %d with %q: %s", test.args, code, test.code, test.want, output)
		}
	}
}
