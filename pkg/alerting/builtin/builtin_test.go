package builtin_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/builtin"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/policy"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/ruletest"
)

var update = flag.Bool("update", false, "write the golden files anew") //nolint:gochecknoglobals // A flag.

// always is the alert that fires whatever there is.
const always = "Watchdog"

func groups(tb testing.TB) []alertingv2beta1.GlobalRuleGroup {
	tb.Helper()

	found, err := builtin.Groups()
	if err != nil {
		tb.Fatal(err)
	}

	return found
}

func surroundings() rendering.Surroundings {
	bounds, _ := policy.Resolve(nil, policy.Subject{})

	return rendering.Surroundings{Bounds: bounds, Allowance: bounds.RulesPerGroup}
}

// run renders a group, which must be without fault, and runs its tests.
func run(tb testing.TB, group *alertingv2beta1.GlobalRuleGroup) []ruletest.Failure {
	tb.Helper()

	input := rendering.OfGlobal(group)

	result, err := rendering.Render(input, surroundings())
	if err != nil {
		tb.Fatal(err)
	}

	if len(result.Rejected) > 0 || len(result.Warnings) > 0 {
		tb.Fatalf("rejected %+v, warnings %q", result.Rejected, result.Warnings)
	}

	failures, err := rendering.Test(tb.Context(), input, result)
	if err != nil {
		tb.Fatal(err)
	}

	return failures
}

// What is made in a cluster is all in force there, and does what its tests say.
func TestGroupsPassTheirTests(t *testing.T) {
	for _, group := range groups(t) {
		t.Run(group.Name, func(t *testing.T) {
			for _, failure := range run(t, &group) {
				t.Errorf("%s (%s): %s", failure.Test, failure.Field, failure.Message)
			}
		})
	}
}

// A group stands in the file of its name, enabled, in the form of KubeSphere 3.4, with no more rules than that takes.
func TestGroupsHaveTheForm(t *testing.T) {
	found := groups(t)
	names, alerts := map[string]bool{}, map[string]bool{}

	for _, group := range found {
		if _, err := os.Stat("rules/" + group.Name + ".yaml"); err != nil || names[group.Name] {
			t.Errorf("%s: %v", group.Name, err)
		}

		names[group.Name] = true

		want := map[string]string{alertingv2beta1.BuiltinLabel: "true", alertingv2beta1.EnableLabel: "true"}
		if diff := cmp.Diff(want, group.Labels); diff != "" {
			t.Errorf("%s: %s", group.Name, diff)
		}

		if group.APIVersion != "alerting.kubesphere.io/v2beta1" || group.Kind != "GlobalRuleGroup" {
			t.Errorf("%s is a %s of %s", group.Name, group.Kind, group.APIVersion)
		}

		if len(group.Spec.Rules) > policy.MaxRulesPerGroup {
			t.Errorf("%s has %d rules", group.Name, len(group.Spec.Rules))
		}

		for _, rule := range group.Spec.Rules {
			checkForm(t, rule.Rule)

			if alerts[rule.Alert] {
				t.Errorf("%s is there twice", rule.Alert)
			}

			alerts[rule.Alert] = true
		}
	}

	if !slices.IsSortedFunc(found, func(a, b alertingv2beta1.GlobalRuleGroup) int {
		return strings.Compare(a.Name, b.Name)
	}) {
		t.Error("the groups are not sorted")
	}
}

func checkForm(t *testing.T, rule alertingv2beta1.Rule) {
	t.Helper()

	if !regexp.MustCompile(`^[A-Z][A-Za-z]+$`).MatchString(rule.Alert) || rule.Disable {
		t.Errorf("%q is no alert, or disabled", rule.Alert)
	}

	severities := []string{"warning", "error", "critical"}
	if !slices.Contains(severities, rule.Severity) && rule.Alert != always {
		t.Errorf("%s has the severity %q", rule.Alert, rule.Severity)
	}

	for _, name := range []string{"summary", "description"} {
		if rule.Annotations[name] == "" {
			t.Errorf("%s has no %s", rule.Alert, name)
		}
	}

	// Of these kube-state-metrics alone has series.
	if regexp.MustCompile(`\bkube_[a-z]`).MatchString(string(rule.Expr)) {
		t.Errorf("%s rests on kube-state-metrics: %s", rule.Alert, rule.Expr)
	}
}

// Each alert has a test in which it fires and one in which it does not. That these look at the rule and not past it is
// shown by rules that are wrong in one way each: all must be found out.
func TestTestsFindWrongRules(t *testing.T) {
	count := 0

	for _, group := range groups(t) {
		for _, rule := range group.Spec.Rules {
			t.Run(rule.Alert, func(t *testing.T) {
				alone := about(&group, rule)
				if failures := run(t, alone); len(failures) > 0 {
					t.Fatalf("the right rule fails: %+v", failures)
				}

				for name, wrong := range wrongs(rule.Rule) {
					broken := alone.DeepCopy()
					broken.Spec.Rules[0].Rule = wrong

					if len(run(t, broken)) == 0 {
						t.Errorf("nothing finds out a rule that %s", name)
					}
				}
			})

			count++
		}
	}

	if count < 60 {
		t.Errorf("there are %d alerts", count)
	}
}

// about is a group with one of its rules, and with what its tests say of it.
func about(group *alertingv2beta1.GlobalRuleGroup, rule alertingv2beta1.GlobalRule) *alertingv2beta1.GlobalRuleGroup {
	alone := group.DeepCopy()
	alone.Spec.Rules, alone.Spec.Tests = []alertingv2beta1.GlobalRule{*rule.DeepCopy()}, nil

	for _, test := range group.Spec.Tests {
		test.ExprTests = nil
		test.AlertTests = slices.DeleteFunc(slices.Clone(test.AlertTests), func(test alertingv2beta1.AlertTest) bool {
			return test.Alert != rule.Alert
		})

		if len(test.AlertTests) > 0 {
			alone.Spec.Tests = append(alone.Spec.Tests, test)
		}
	}

	return alone
}

// wrongs are ways in which a rule can be wrong.
func wrongs(rule alertingv2beta1.Rule) map[string]alertingv2beta1.Rule {
	changed := func(change func(*alertingv2beta1.Rule)) alertingv2beta1.Rule {
		wrong := *rule.DeepCopy()
		change(&wrong)

		return wrong
	}

	ways := map[string]alertingv2beta1.Rule{
		"never fires": changed(func(r *alertingv2beta1.Rule) { r.Expr = "vector(0) > 0" }),
		"is slow":     changed(func(r *alertingv2beta1.Rule) { r.For = longer(r.For) }),
		"is mute":     changed(func(r *alertingv2beta1.Rule) { r.Annotations = nil }),
		"is mild":     changed(func(r *alertingv2beta1.Rule) { r.Severity = "info" }),
	}

	if rule.Alert != always {
		ways["always fires"] = changed(func(r *alertingv2beta1.Rule) { r.Expr, r.For = "vector(1)", "" })
	}

	if rule.For != "" {
		ways["is hasty"] = changed(func(r *alertingv2beta1.Rule) { r.For = "" })
	}

	if text := string(rule.Expr); comparison().MatchString(text) {
		ways["has no threshold"] = changed(func(r *alertingv2beta1.Rule) {
			r.Expr = alertingv2beta1.Expression(comparison().ReplaceAllString(text, "$1 > -1e30"))
		})
	}

	return ways
}

// comparison is the last comparison with a number.
func comparison() *regexp.Regexp {
	return regexp.MustCompile(`(?s)^(.*) (==|>|<|<=) [0-9.]+[ 0-9.*]*$`)
}

// longer is a minute more.
func longer(lasts string) string {
	if lasts == "" {
		return "1m"
	}

	var minutes int

	_, _ = fmt.Sscanf(lasts, "%dm", &minutes)

	return fmt.Sprintf("%dm", minutes+1)
}

// What evaluators read of one group.
func TestGolden(t *testing.T) {
	const file = "testdata/builtin-alertmanager.yaml"

	all := groups(t)
	index := slices.IndexFunc(all, func(group alertingv2beta1.GlobalRuleGroup) bool {
		return group.Name == "builtin-alertmanager"
	})
	input := rendering.OfGlobal(&all[index])

	result, err := rendering.Render(input, surroundings())
	if err != nil {
		t.Fatal(err)
	}

	got, err := yaml.Marshal(rendering.Object(input, result, rendering.Target{
		Namespace:   "kubesphere-monitoring-system",
		ThanosRuler: map[string]string{"thanos-ruler": "kubesphere", "role": "alert-rules"},
	}))
	if err != nil {
		t.Fatal(err)
	}

	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run the test with -update if this is as it should be: %s", diff)
	}
}

// The initial configuration has the fields that KubeSphere 3.4's console sets a group back to, and is as large as an
// annotation may be.
func TestInitial(t *testing.T) {
	for _, group := range groups(t) {
		text := group.Annotations[alertingv2beta1.InitialConfigurationAnnotation]

		var back alertingv2beta1.GlobalRuleGroup
		if err := json.Unmarshal([]byte(text), &back); err != nil {
			t.Fatal(err)
		}

		want := group.DeepCopy()
		want.Annotations = nil

		if diff := cmp.Diff(*want, back); diff != "" {
			t.Errorf("%s: %s", group.Name, diff)
		}

		const most = 256 << 10
		if len(text) > most/2 || strings.Contains(text, "\n") {
			t.Errorf("%s: %d bytes", group.Name, len(text))
		}
	}
}

func BenchmarkAllTests(b *testing.B) {
	all := groups(b)

	for b.Loop() {
		for i := range all {
			if failures := run(b, &all[i]); len(failures) > 0 {
				b.Fatal(failures)
			}
		}
	}
}

func BenchmarkGroups(b *testing.B) {
	for b.Loop() {
		groups(b)
	}
}
