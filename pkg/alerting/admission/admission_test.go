package admission_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/admission"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/policy"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
)

func group(change func(*alertingv2beta1.RuleGroup)) rendering.Group {
	made := &alertingv2beta1.RuleGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	made.Spec.Rules = []alertingv2beta1.NamespaceRule{{Rule: alertingv2beta1.Rule{Alert: "A", Expr: "up == 0"}}}
	change(made)

	return rendering.OfNamespace(made)
}

func add(rules ...alertingv2beta1.Rule) func(*alertingv2beta1.RuleGroup) {
	return func(group *alertingv2beta1.RuleGroup) {
		for _, rule := range rules {
			group.Spec.Rules = append(group.Spec.Rules, alertingv2beta1.NamespaceRule{Rule: rule})
		}
	}
}

func review(t *testing.T, old *rendering.Group, after rendering.Group) admission.Answer {
	t.Helper()

	bounds, _ := policy.Resolve(nil, policy.Subject{Namespace: "shop"})

	answer, err := admission.Review(t.Context(), old, after,
		rendering.Surroundings{Bounds: bounds, Allowance: bounds.RulesPerGroup})
	if err != nil {
		t.Fatal(err)
	}

	return answer
}

func TestGoodGroupsAreShownAsRendered(t *testing.T) {
	got := review(t, nil, group(func(*alertingv2beta1.RuleGroup) {}))
	if diff := cmp.Diff(admission.Answer{Rendered: []string{`A: up{namespace="shop"} == 0`}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*alertingv2beta1.RuleGroup)
		place  string
	}{
		"a query":   {add(alertingv2beta1.Rule{Alert: "B", Expr: "sum("}), "spec.rules[1].expr (B): "},
		"the group": {func(group *alertingv2beta1.RuleGroup) { group.Spec.Interval = "often" }, "spec.interval: "},
	} {
		t.Run(name, func(t *testing.T) {
			got := review(t, nil, group(test.change))
			if len(got.Refusals) != 1 || !strings.HasPrefix(got.Refusals[0], test.place) {
				t.Errorf("got %q", got.Refusals)
			}
		})
	}
}

// What was wrong already must not keep anybody from changing something else, wherever it stands now.
func TestOldMistakesAreNoObstacle(t *testing.T) {
	bad := alertingv2beta1.Rule{Alert: "B", Expr: "sum("}
	old := group(add(bad))

	got := review(t, &old, group(add(alertingv2beta1.Rule{Alert: "C", Expr: "up"}, bad)))
	if len(got.Refusals) != 0 || len(got.Warnings) != 1 {
		t.Errorf("got %+v", got)
	}

	got = review(t, &old, group(add(bad, alertingv2beta1.Rule{Alert: "D", Expr: "frobnicate(up)"})))
	if len(got.Refusals) != 1 || !strings.Contains(got.Refusals[0], "(D)") {
		t.Errorf("got %+v", got)
	}
}

// Another mistake in the group as a whole is a new one.
func TestNewMistakesOfTheGroupAreRefused(t *testing.T) {
	old := group(func(group *alertingv2beta1.RuleGroup) { group.Spec.Interval = "often" })

	same := review(t, &old, group(func(group *alertingv2beta1.RuleGroup) {
		group.Spec.Interval = "often"
		group.Spec.Labels = map[string]string{"team": "a"}
	}))
	if len(same.Refusals) != 0 || len(same.Warnings) != 1 {
		t.Errorf("the old mistake: %+v", same)
	}

	other := review(t, &old, group(func(group *alertingv2beta1.RuleGroup) { group.Spec.QueryOffset = "later" }))
	if len(other.Refusals) != 1 || !strings.HasPrefix(other.Refusals[0], "spec.queryOffset: ") {
		t.Errorf("another one: %+v", other)
	}
}

func TestFailingTestsAreNoMistake(t *testing.T) {
	got := review(t, nil, group(func(group *alertingv2beta1.RuleGroup) {
		group.Spec.Tests = []alertingv2beta1.RuleTest{{Name: "t", ExprTests: []alertingv2beta1.ExprTest{{
			Expr: "vector(1)", EvalTime: "1m", Expect: []alertingv2beta1.ExpectedSample{{Value: "2"}},
		}}}}
	}))
	if len(got.Refusals) != 0 || len(got.Warnings) == 0 {
		t.Errorf("got %+v", got)
	}
}

func BenchmarkReview(b *testing.B) {
	bounds, _ := policy.Resolve(nil, policy.Subject{Namespace: "shop"})
	around := rendering.Surroundings{Bounds: bounds, Allowance: bounds.RulesPerGroup}

	full := group(func(group *alertingv2beta1.RuleGroup) {
		for i := range 39 {
			add(alertingv2beta1.Rule{
				Alert: "Errors" + strings.Repeat("x", i), For: "5m", Severity: "warning",
				Expr: `sum by (job) (rate(http_requests_total{code=~"5.."}[5m])) / ` +
					`sum by (job) (rate(http_requests_total[5m])) > 0.05`,
				Annotations: map[string]string{"summary": "{{ $labels.job }} fails"},
			})(group)
		}
	})

	var took []time.Duration

	b.ReportAllocs()

	for b.Loop() {
		began := time.Now()

		if _, err := admission.Review(b.Context(), nil, full, around); err != nil {
			b.Fatal(err)
		}

		took = append(took, time.Since(began))
	}

	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
