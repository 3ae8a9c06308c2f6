package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	alertingv1alpha1 "github.com/ks-core/ks-controller-manager/api/alerting/v1alpha1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/policy"
)

func named(name string, change func(*alertingv1alpha1.AlertingPolicySpec)) *alertingv1alpha1.AlertingPolicy {
	made := &alertingv1alpha1.AlertingPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	change(&made.Spec)

	return made
}

func TestStrictestCounts(t *testing.T) {
	policies := []*alertingv1alpha1.AlertingPolicy{
		named("loose", func(spec *alertingv1alpha1.AlertingPolicySpec) {
			spec.Limits = alertingv1alpha1.PolicyLimits{
				RulesPerGroup: new(int32(100)), RulesPerNamespace: new(int32(500)), MinInterval: "10s", MaxRange: "1d",
			}
			spec.Allow.Functions = []string{"rate", "sum_over_time", "abs"}
			spec.Required.Labels = []string{"team"}
		}),
		named("strict", func(spec *alertingv1alpha1.AlertingPolicySpec) {
			spec.Limits = alertingv1alpha1.PolicyLimits{
				RulesPerGroup: new(int32(20)), GroupsPerNamespace: new(int32(3)), MinInterval: "1m", MaxRange: "6h",
				SelectorsPerRule: new(int32(5)),
			}
			spec.Allow = alertingv1alpha1.PolicyAllow{
				Functions: []string{"rate", "abs", "ceil"}, Conflict: alertingv1alpha1.ConflictReject,
				TemplateQueries: alertingv1alpha1.TemplateQueriesForbid,
			}
			spec.Required.Labels = []string{"team", "tier"}
			spec.Required.Annotations = []string{"summary"}
		}),
	}

	got, _ := policy.Resolve(policies, policy.Subject{Namespace: "shop"})
	want := policy.Bounds{
		GroupsPerNamespace:    policy.Bound[int]{Value: 3, By: "strict"},
		RulesPerGroup:         policy.Bound[int]{Value: 20, By: "strict"},
		RulesPerNamespace:     policy.Bound[int]{Value: 500, By: "loose"},
		MinInterval:           policy.Bound[time.Duration]{Value: time.Minute, By: "strict"},
		MaxRange:              policy.Bound[time.Duration]{Value: 6 * time.Hour, By: "strict"},
		SelectorsPerRule:      policy.Bound[int]{Value: 5, By: "strict"},
		RequiredLabels:        []policy.Bound[string]{{Value: "team", By: "loose"}, {Value: "tier", By: "strict"}},
		RequiredAnnotations:   []policy.Bound[string]{{Value: "summary", By: "strict"}},
		Functions:             policy.Bound[[]string]{Value: []string{"abs", "rate"}, By: "strict"},
		RejectConflicts:       policy.Bound[bool]{Value: true, By: "strict"},
		ForbidTemplateQueries: policy.Bound[bool]{Value: true, By: "strict"},
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTrialBindsNobody(t *testing.T) {
	trial := named("trial", func(spec *alertingv1alpha1.AlertingPolicySpec) {
		spec.Mode = alertingv1alpha1.ModeDryRun
		spec.Limits.RulesPerGroup = new(int32(1))
	})

	enforced, tried := policy.Resolve([]*alertingv1alpha1.AlertingPolicy{trial}, policy.Subject{Namespace: "shop"})
	if enforced.RulesPerGroup.Value != policy.MaxRulesPerGroup || enforced.RulesPerGroup.Given() {
		t.Errorf("a policy on trial binds: %+v", enforced.RulesPerGroup)
	}

	if tried.RulesPerGroup.Value != 1 {
		t.Errorf("a policy on trial tells nothing: %+v", tried.RulesPerGroup)
	}
}

// The default is KubeSphere's, and a policy may allow more.
func TestMoreRulesThanKubeSphereAllowed(t *testing.T) {
	more := named("more", func(spec *alertingv1alpha1.AlertingPolicySpec) {
		spec.Limits.RulesPerGroup = new(int32(200))
	})

	enforced, _ := policy.Resolve([]*alertingv1alpha1.AlertingPolicy{more}, policy.Subject{Namespace: "shop"})
	if enforced.RulesPerGroup.Value != 200 {
		t.Errorf("got %+v, want 200", enforced.RulesPerGroup)
	}
}

func TestSelects(t *testing.T) {
	selector := func(expressions ...metav1.LabelSelectorRequirement) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}, MatchExpressions: expressions}
	}
	gold := policy.Subject{Namespace: "shop", Labels: map[string]string{"tier": "gold"}, Workspace: "team"}
	cluster := policy.Subject{}

	for _, test := range []struct {
		name     string
		selector alertingv1alpha1.PolicySelector
		subject  policy.Subject
		want     bool
		fails    bool
	}{
		{name: "everybody", subject: gold, want: true},
		{name: "the cluster too", subject: cluster, want: true},
		{name: "by workspace", selector: alertingv1alpha1.PolicySelector{Workspaces: []string{"team"}}, subject: gold, want: true},
		{name: "another workspace", selector: alertingv1alpha1.PolicySelector{Workspaces: []string{"x"}}, subject: gold},
		{name: "by label", selector: alertingv1alpha1.PolicySelector{Namespaces: selector()}, subject: gold, want: true},
		{
			name:     "both must match",
			selector: alertingv1alpha1.PolicySelector{Workspaces: []string{"x"}, Namespaces: selector()}, subject: gold,
		},
		{name: "the cluster has no labels", selector: alertingv1alpha1.PolicySelector{Namespaces: selector()}, subject: cluster},
		{
			name: "unreadable", subject: gold, want: true, fails: true,
			selector: alertingv1alpha1.PolicySelector{
				Namespaces: selector(metav1.LabelSelectorRequirement{Key: "a", Operator: "Near"}),
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			made := named("p", func(spec *alertingv1alpha1.AlertingPolicySpec) { spec.Selector = test.selector })

			got, err := policy.Selects(made, test.subject)
			if got != test.want || (err != nil) != test.fails {
				t.Errorf("got %t, %v", got, err)
			}
		})
	}
}

func TestCheckNamesTheField(t *testing.T) {
	broken := named("p", func(spec *alertingv1alpha1.AlertingPolicySpec) {
		spec.Limits.MinInterval = "1 minute"
		spec.Limits.MaxRange = "soon"
	})

	err := policy.Check(broken)
	if err == nil || !strings.Contains(err.Error(), "spec.limits.minInterval") ||
		!strings.Contains(err.Error(), "spec.limits.maxRange") {
		t.Errorf("got %v", err)
	}

	// What can be read holds all the same, and what cannot binds nobody.
	enforced, _ := policy.Resolve([]*alertingv1alpha1.AlertingPolicy{broken}, policy.Subject{})
	if enforced.MinInterval.Given() || enforced.MaxRange.Given() {
		t.Errorf("got %+v", enforced)
	}
}
