package trial_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	alertingv1alpha1 "github.com/ks-core/ks-controller-manager/api/alerting/v1alpha1"
	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/policy"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/trial"
)

func TestRules(t *testing.T) {
	group := &alertingv2beta1.RuleGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	group.Spec.Rules = []alertingv2beta1.NamespaceRule{
		{Rule: alertingv2beta1.Rule{Alert: "Broken", Expr: "sum("}},
		{Rule: alertingv2beta1.Rule{Alert: "A", Expr: "rate(x[2d]) > 1"}},
		{Rule: alertingv2beta1.Rule{Alert: "B", Expr: "up == 0", Labels: map[string]string{"team": "a"}}},
	}

	for name, test := range map[string]struct {
		spec alertingv1alpha1.AlertingPolicySpec
		want int
	}{
		"nothing": {want: 0},
		"a range": {
			spec: alertingv1alpha1.AlertingPolicySpec{Limits: alertingv1alpha1.PolicyLimits{MaxRange: "1d"}}, want: 1,
		},
		"on trial": {
			spec: alertingv1alpha1.AlertingPolicySpec{
				Mode: alertingv1alpha1.ModeDryRun, Limits: alertingv1alpha1.PolicyLimits{MaxRange: "1d"},
			}, want: 1,
		},
		"a label": {
			spec: alertingv1alpha1.AlertingPolicySpec{
				Required: alertingv1alpha1.PolicyRequired{Labels: []string{"team"}},
			}, want: 1,
		},
		"a number": {
			spec: alertingv1alpha1.AlertingPolicySpec{
				Limits: alertingv1alpha1.PolicyLimits{RulesPerGroup: new(int32(1))},
			},
			want: 1,
		},
		"somebody else's": {
			spec: alertingv1alpha1.AlertingPolicySpec{
				Selector: alertingv1alpha1.PolicySelector{Workspaces: []string{"other"}},
				Limits:   alertingv1alpha1.PolicyLimits{RulesPerGroup: new(int32(0))},
			}, want: 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			made := &alertingv1alpha1.AlertingPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: test.spec}

			got := trial.Rules(made, policy.Subject{Namespace: "shop"}, rendering.OfNamespace(group))
			if got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

func TestShares(t *testing.T) {
	for name, test := range map[string]struct {
		limits alertingv1alpha1.PolicyLimits
		want   int
	}{
		"no limit":       {want: 0},
		"groups":         {limits: alertingv1alpha1.PolicyLimits{GroupsPerNamespace: new(int32(2))}, want: 4},
		"rules":          {limits: alertingv1alpha1.PolicyLimits{RulesPerNamespace: new(int32(6))}, want: 6},
		"both":           {limits: alertingv1alpha1.PolicyLimits{GroupsPerNamespace: new(int32(2)), RulesPerNamespace: new(int32(6))}, want: 6},
		"not even one":   {limits: alertingv1alpha1.PolicyLimits{GroupsPerNamespace: new(int32(0))}, want: 12},
		"room is enough": {limits: alertingv1alpha1.PolicyLimits{GroupsPerNamespace: new(int32(3)), RulesPerNamespace: new(int32(12))}, want: 0},
	} {
		t.Run(name, func(t *testing.T) {
			made := &alertingv1alpha1.AlertingPolicy{Spec: alertingv1alpha1.AlertingPolicySpec{Limits: test.limits}}
			if got := trial.Shares(made, []int{5, 3, 4}); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}
