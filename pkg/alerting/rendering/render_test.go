package rendering_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/policy"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
)

var update = flag.Bool("update", false, "write the golden files anew") //nolint:gochecknoglobals // A flag.

func target() rendering.Target {
	return rendering.Target{
		Namespace:   "kubesphere-monitoring-system",
		Prometheus:  map[string]string{"prometheus": "k8s", "role": "alert-rules"},
		ThanosRuler: map[string]string{"thanos-ruler": "kubesphere", "role": "alert-rules"},
	}
}

func unlimited() rendering.Surroundings {
	bounds, _ := policy.Resolve(nil, policy.Subject{Namespace: "shop"})

	return rendering.Surroundings{Bounds: bounds, Allowance: bounds.RulesPerGroup}
}

// group reads a manifest of any of the three kinds.
func group(t *testing.T, text []byte) rendering.Group {
	t.Helper()

	kind := &metav1.TypeMeta{}
	if err := yaml.Unmarshal(text, kind); err != nil {
		t.Fatal(err)
	}

	switch kind.Kind {
	case "RuleGroup":
		return rendering.OfNamespace(parse[alertingv2beta1.RuleGroup](t, text))
	case "ClusterRuleGroup":
		return rendering.OfCluster(parse[alertingv2beta1.ClusterRuleGroup](t, text))
	default:
		return rendering.OfGlobal(parse[alertingv2beta1.GlobalRuleGroup](t, text))
	}
}

func parse[T any](t *testing.T, text []byte) *T {
	t.Helper()

	object := new(T)
	if err := yaml.UnmarshalStrict(text, object); err != nil {
		t.Fatal(err)
	}

	return object
}

// What is rendered of a group is what is in the golden file beside it: objects, what was left out, and warnings.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no groups: %v", err)
	}

	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".in.yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file) //nolint:gosec // One of testdata.
			if err != nil {
				t.Fatal(err)
			}

			around := unlimited()
			if strings.Contains(file, "cluster-name") {
				around.Cluster = "east"
			}

			input := group(t, text)

			result, err := rendering.Render(input, around)
			if err != nil {
				t.Fatal(err)
			}

			got, err := yaml.Marshal(map[string]any{
				"object": rendering.Object(input, result, target()), "rejected": result.Rejected,
				"warnings": result.Warnings,
			})
			if err != nil {
				t.Fatal(err)
			}

			compare(t, strings.Replace(file, ".in.", ".out.", 1), got)
		})
	}
}

func compare(t *testing.T, file string, got []byte) {
	t.Helper()

	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	want, err := os.ReadFile(file) //nolint:gosec // One of testdata.
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: -update writes it anew: %s", file, diff)
	}
}

func simple(change func(*alertingv2beta1.RuleGroup)) rendering.Group {
	made := &alertingv2beta1.RuleGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	made.Spec.Rules = []alertingv2beta1.NamespaceRule{
		{Rule: alertingv2beta1.Rule{Alert: "Down", Expr: "up == 0", For: "5m"}},
		{Rule: alertingv2beta1.Rule{Alert: "Slow", Expr: "latency > 1"}},
		{Rule: alertingv2beta1.Rule{Alert: "Down", Expr: "up{job=\"b\"} == 0", For: "5m"}},
	}

	if change != nil {
		change(made)
	}

	return rendering.OfNamespace(made)
}

func ids(t *testing.T, group rendering.Group) []string {
	t.Helper()

	result, err := rendering.Render(group, unlimited())
	if err != nil {
		t.Fatal(err)
	}

	return result.IDs
}

// KubeSphere 3.4 drew a new rule_id whenever a group was applied, which ended every alert's "for".
func TestIdentityStays(t *testing.T) {
	want := ids(t, simple(nil))
	if want[0] == want[2] || want[0] == want[1] {
		t.Fatalf("rules share an identity: %v", want)
	}

	for name, change := range map[string]func(*alertingv2beta1.RuleGroup){
		"restored from a backup": func(group *alertingv2beta1.RuleGroup) { group.UID, group.Generation = "other", 7 },
		"expression edited":      func(group *alertingv2beta1.RuleGroup) { group.Spec.Rules[0].Expr = "up{a=\"b\"} < 1" },
		"annotation edited": func(group *alertingv2beta1.RuleGroup) {
			group.Spec.Rules[0].Annotations = map[string]string{"summary": "x"}
		},
		"for and severity edited": func(group *alertingv2beta1.RuleGroup) {
			group.Spec.Rules[0].For, group.Spec.Rules[0].Severity = "1m", "error"
		},
		"another rule at the end": func(group *alertingv2beta1.RuleGroup) {
			group.Spec.Rules = append(group.Spec.Rules, alertingv2beta1.NamespaceRule{
				Rule: alertingv2beta1.Rule{Alert: "New", Expr: "1"},
			})
		},
		"another name before": func(group *alertingv2beta1.RuleGroup) {
			group.Spec.Rules[1].Alert = "Renamed"
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := ids(t, simple(change))
			if got[0] != want[0] || got[2] != want[2] {
				t.Errorf("the identity changed: %v, was %v", got[:3], want)
			}
		})
	}

	// What KubeSphere's webhook wrote into a rule stays.
	kept := ids(t, simple(func(group *alertingv2beta1.RuleGroup) {
		group.Spec.Rules[0].Labels = map[string]string{"rule_id": "5f1c0a4e"}
	}))
	if kept[0] != "5f1c0a4e" || kept[1] != want[1] {
		t.Errorf("got %v", kept)
	}
}

// KubeSphere 3.4 dropped a whole namespace's rules for one that prometheus-operator refuses.
func TestOneBadRuleIsLeftOut(t *testing.T) {
	for name, change := range badRules() {
		t.Run(name, func(t *testing.T) {
			good, err := rendering.Render(simple(nil), unlimited())
			if err != nil {
				t.Fatal(err)
			}

			result, err := rendering.Render(simple(func(group *alertingv2beta1.RuleGroup) {
				bad := alertingv2beta1.NamespaceRule{Rule: alertingv2beta1.Rule{Alert: "Bad", Expr: "up"}}
				change(&bad)
				group.Spec.Rules = append(group.Spec.Rules, bad)
			}), unlimited())
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(good.Rules, result.Rules); diff != "" {
				t.Errorf("the others are not as without it: %s", diff)
			}

			if len(result.Rejected) != 1 || result.Rejected[0].Index != 3 || result.Rejected[0].Reason == "" ||
				result.Rejected[0].Message == "" || len(result.Rejected[0].Message) > 512 {
				t.Errorf("got %+v", result.Rejected)
			}
		})
	}
}

func badRules() map[string]func(*alertingv2beta1.NamespaceRule) {
	set := func(change func(*alertingv2beta1.Rule)) func(*alertingv2beta1.NamespaceRule) {
		return func(rule *alertingv2beta1.NamespaceRule) { change(&rule.Rule) }
	}

	return map[string]func(*alertingv2beta1.NamespaceRule){
		"no name":           set(func(r *alertingv2beta1.Rule) { r.Alert = "" }),
		"two names":         set(func(r *alertingv2beta1.Rule) { r.Record = "a:b" }),
		"no query":          set(func(r *alertingv2beta1.Rule) { r.Expr = "" }),
		"no PromQL":         set(func(r *alertingv2beta1.Rule) { r.Expr = "sum(" }),
		"unknown function":  set(func(r *alertingv2beta1.Rule) { r.Expr = "frobnicate(up)" }),
		"a string":          set(func(r *alertingv2beta1.Rule) { r.Expr = `"text"` }),
		"a range":           set(func(r *alertingv2beta1.Rule) { r.Expr = "up[5m]" }),
		"a mebibyte":        set(func(r *alertingv2beta1.Rule) { r.Expr = alertingv2beta1.Expression(strings.Repeat("1+", 1<<19) + "1") }),
		"no UTF-8":          set(func(r *alertingv2beta1.Rule) { r.Expr = "up{a=\"\xff\"}" }),
		"name not UTF-8":    set(func(r *alertingv2beta1.Rule) { r.Alert = "\xff" }),
		"for":               set(func(r *alertingv2beta1.Rule) { r.For = "5 minutes" }),
		"keepFiringFor":     set(func(r *alertingv2beta1.Rule) { r.KeepFiringFor = "x" }),
		"label name":        set(func(r *alertingv2beta1.Rule) { r.Labels = map[string]string{"a b\x00": "c"} }),
		"template":          set(func(r *alertingv2beta1.Rule) { r.Annotations = map[string]string{"a": "{{ .Value"} }),
		"template function": set(func(r *alertingv2beta1.Rule) { r.Annotations = map[string]string{"a": "{{ shell }}"} }),
		"template of itself": set(func(r *alertingv2beta1.Rule) {
			r.Annotations = map[string]string{"a": `{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}`}
		}),
		"computed query":    set(func(r *alertingv2beta1.Rule) { r.Annotations = map[string]string{"a": `{{ query .Labels.q }}`} }),
		"severity template": set(func(r *alertingv2beta1.Rule) { r.Severity = "{{ $value }}" }),
		"the same again":    set(func(r *alertingv2beta1.Rule) { r.Alert, r.Labels = "Slow", map[string]string{"rule_id": idOfSlow} }),
		"record with for": set(func(r *alertingv2beta1.Rule) {
			r.Alert, r.Record, r.For = "", "a:b", "1m"
		}),
		"record name": set(func(r *alertingv2beta1.Rule) { r.Alert, r.Record = "", "a b" }),
		"form": func(rule *alertingv2beta1.NamespaceRule) {
			rule.ExprBuilder = &alertingv2beta1.NamespaceExprBuilder{
				Workload: &alertingv2beta1.WorkloadExpr{Kind: "job"},
			}
		},
	}
}

// idOfSlow is the derived identity of shop/web's alert Slow, which must never change: clusters have it in their alerts.
const idOfSlow = "af285e36-3cc3-5080-bc09-ea1d7da3b03b"

// What is another namespace's stays out of reach wherever a rule queries; and whose alert it is, no rule can say.
func TestTenantsAreConfined(t *testing.T) {
	result, err := rendering.Render(simple(func(group *alertingv2beta1.RuleGroup) {
		group.Spec.Labels = map[string]string{"namespace": "bank", "team": "a"}
		group.Spec.Rules = []alertingv2beta1.NamespaceRule{{Rule: alertingv2beta1.Rule{
			Alert: "A", Expr: `topk(scalar(secret{namespace="bank"}), up)`,
			Labels:      map[string]string{"rule_level": "global", "alerttype": "event", "cluster": "x"},
			Annotations: map[string]string{"leak": `{{ query "secret" | first | value }}`},
		}}}
	}), unlimited())
	if err != nil {
		t.Fatal(err)
	}

	rule := result.Rules.Rules[0]
	if want := `topk(scalar(secret{namespace="shop"}), up{namespace="shop"})`; rule.Expr.StrVal != want {
		t.Errorf("got %s, want %s", rule.Expr.StrVal, want)
	}

	if !strings.Contains(rule.Annotations["leak"], "shop") {
		t.Errorf("the template is not confined: %s", rule.Annotations["leak"])
	}

	want := map[string]string{
		"namespace": "shop", "rule_level": "namespace", "rule_group": "web", "rule_type": "custom",
		"alerttype": "metric", "rule_id": result.IDs[0], "team": "a",
	}
	if diff := cmp.Diff(want, rule.Labels); diff != "" {
		t.Error(diff)
	}

	if len(result.Warnings) < 3 {
		t.Errorf("changes went untold: %q", result.Warnings)
	}
}

func TestLimits(t *testing.T) {
	many := simple(func(group *alertingv2beta1.RuleGroup) {
		for i := range 10_000 {
			group.Spec.Rules = append(group.Spec.Rules, alertingv2beta1.NamespaceRule{
				Rule: alertingv2beta1.Rule{Alert: fmt.Sprintf("A%d", i), Expr: "up"},
			})
		}
	})

	result, err := rendering.Render(many, unlimited())
	if err != nil {
		t.Fatal(err)
	}

	if len(result.Rules.Rules) != policy.MaxRulesPerGroup || len(result.Rejected) != 10_003-policy.MaxRulesPerGroup {
		t.Errorf("%d rendered, %d rejected", len(result.Rules.Rules), len(result.Rejected))
	}

	large := simple(func(group *alertingv2beta1.RuleGroup) {
		for i := range group.Spec.Rules {
			group.Spec.Rules[i].Annotations = map[string]string{"text": strings.Repeat("x", 60<<10)}
		}

		for i := range 20 {
			rule := group.Spec.Rules[1]
			rule.Alert = fmt.Sprintf("More%d", i)
			group.Spec.Rules = append(group.Spec.Rules, rule)
		}
	})

	result, err = rendering.Render(large, unlimited())
	if err != nil {
		t.Fatal(err)
	}

	text, err := json.Marshal(result.Rules)
	if err != nil {
		t.Fatal(err)
	}

	if len(text) > 512<<10 || len(result.Rejected) == 0 || len(result.Rules.Rules) == 0 {
		t.Errorf("%d bytes, %d rejected", len(text), len(result.Rejected))
	}
}

// Prometheus knows a function that Thanos does not yet, and Thanos loads nothing because of it.
func TestFunctionsAreThoseOfTheEvaluator(t *testing.T) {
	for evaluator, rendered := range map[alertingv2beta1.Evaluator]int{
		"": 0, alertingv2beta1.EvaluatorThanosRuler: 0, alertingv2beta1.EvaluatorPrometheus: 1,
	} {
		t.Run(string(evaluator), func(t *testing.T) {
			result, err := rendering.Render(simple(func(group *alertingv2beta1.RuleGroup) {
				group.Spec.Evaluator = evaluator
				group.Spec.Rules = group.Spec.Rules[:1]
				group.Spec.Rules[0].Expr = "first_over_time(up[5m]) == 0"
			}), unlimited())
			if err != nil {
				t.Fatal(err)
			}

			if len(result.Rules.Rules) != rendered {
				t.Errorf("%d rendered, want %d; rejected %+v", len(result.Rules.Rules), rendered, result.Rejected)
			}
		})
	}
}

func TestGroupsThatCannotBeUsed(t *testing.T) {
	for field, change := range map[string]func(*alertingv2beta1.RuleGroup){
		"spec.interval":                  func(g *alertingv2beta1.RuleGroup) { g.Spec.Interval = "often" },
		"spec.queryOffset":               func(g *alertingv2beta1.RuleGroup) { g.Spec.QueryOffset = "-1m" },
		"spec.partial_response_strategy": func(g *alertingv2beta1.RuleGroup) { g.Spec.PartialResponseStrategy = "hope" },
	} {
		t.Run(field, func(t *testing.T) {
			_, err := rendering.Render(simple(change), unlimited())
			if err == nil || !strings.HasPrefix(err.Error(), field+": ") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestNamesOfObjects(t *testing.T) {
	long := strings.Repeat("a", 250)
	names := map[string]bool{}

	for _, group := range [][3]string{
		{"namespace", "a", "b-c"},
		{"namespace", "a-b", "c"},
		{"namespace", "a", "0"},
		{"cluster", "", "0"},
		{"global", "", "0"},
		{"namespace", "a", long},
		{"namespace", "b", long},
		{"cluster", "", long + "b"},
		{"cluster", "", long + "c"},
	} {
		name := rendering.ObjectName(group[0], group[1], group[2])
		if names[name] || len(name) > 253 {
			t.Errorf("%v: %s is taken or too long", group, name)
		}

		names[name] = true
	}
}

// A digest sees what is ours, and nothing else.
func TestDigest(t *testing.T) {
	input := simple(nil)

	result, err := rendering.Render(input, unlimited())
	if err != nil {
		t.Fatal(err)
	}

	object := rendering.Object(input, result, target())
	want := rendering.Digest(object, target())

	foreign := object.DeepCopy()
	foreign.Labels["argocd.argoproj.io/instance"] = "x"
	foreign.Annotations["note"] = "y"
	foreign.ResourceVersion = "5"

	if rendering.Digest(foreign, target()) != want {
		t.Error("what is others' changes the digest")
	}

	for name, change := range map[string]func(){
		"rule":     func() { foreign.Spec.Groups[0].Rules[0].Expr.StrVal = "up" },
		"label":    func() { foreign.Labels["role"] = "other" },
		"level":    func() { delete(foreign.Labels, "alerting.kubesphere.io/rule_level") },
		"owner":    func() { foreign.Annotations["alerting.kubesphere.io/owner"] = "x" },
		"no group": func() { foreign.Spec.Groups = nil },
	} {
		foreign = object.DeepCopy()

		change()

		if rendering.Digest(foreign, target()) == want {
			t.Errorf("%s: the digest does not see it", name)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	input := simple(func(group *alertingv2beta1.RuleGroup) {
		group.Spec.Rules = nil

		for i := range 40 {
			group.Spec.Rules = append(group.Spec.Rules, alertingv2beta1.NamespaceRule{Rule: alertingv2beta1.Rule{
				Alert: fmt.Sprintf("Errors%d", i), For: "5m", Severity: "warning",
				Expr: `sum by (job) (rate(http_requests_total{code=~"5.."}[5m])) / sum by (job) ` +
					`(rate(http_requests_total[5m])) > 0.05`,
				Annotations: map[string]string{
					"summary": "{{ $labels.job }} fails", "description": "{{ $value | humanizePercentage }} of requests fail",
				},
			}})
		}
	})

	b.ReportAllocs()

	for b.Loop() {
		if _, err := rendering.Render(input, unlimited()); err != nil {
			b.Fatal(err)
		}
	}

	b.ReportMetric(40, "rules/op")
}
