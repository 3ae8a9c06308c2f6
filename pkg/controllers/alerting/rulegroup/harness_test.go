package rulegroup_test

import (
	"context"
	"fmt"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	alertingv1alpha1 "github.com/ks-core/ks-controller-manager/api/alerting/v1alpha1"
	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/alerting/rulegroup"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

func TestRuleGroupsKeepThePromises(t *testing.T) {
	for _, kind := range rulegroup.Kinds(rulegroup.DefaultSettings()) {
		t.Run(kind.Descriptor.Name, func(t *testing.T) {
			harness.Run(t, subject(t, kind))
		})
	}
}

func schemeOf(t *testing.T, kind rulegroup.Kind) *runtime.Scheme {
	t.Helper()

	scheme := runtime.NewScheme()

	for _, add := range kind.Descriptor.AddToScheme {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}

	return scheme
}

func subject(t *testing.T, kind rulegroup.Kind) harness.Subject {
	t.Helper()

	scheme := schemeOf(t, kind)

	return harness.Subject{
		Name:    kind.Descriptor.Name,
		Scheme:  scheme,
		Primary: kind.Object,
		Kinds: []client.ObjectList{
			kind.List, &alertingv1alpha1.AlertingPolicyList{}, &corev1.NamespaceList{},
			&monitoringv1.PrometheusRuleList{},
		},
		StatusKinds: []client.Object{kind.Object, &monitoringv1.PrometheusRule{}},
		Indexes:     indexes(t, scheme, kind),
		New: func(environment harness.Environment) reconcile.Reconciler {
			return build(t, scheme, kind, environment).Reconciler
		},
		Worlds: worldsOf(kind),
		Drifts: []harness.Drift{{Name: "another expression", World: "good", Make: editRule}},
		// The policies, the namespace, and the group itself; one look at the rules written and one before they go.
		MaxReads: 8, MaxWrites: 2,
		Seeds: 6,
		Unrepaired: func(object client.Object) bool {
			return object.GetLabels()["app.kubernetes.io/component"] != kind.Descriptor.Name
		},
	}
}

func build(
	t *testing.T, scheme *runtime.Scheme, kind rulegroup.Kind, environment harness.Environment,
) *manager.Controller {
	t.Helper()

	built, err := kind.Descriptor.New(manager.Dependencies{
		Client: environment.Client, Recorder: environment.Recorder, Clock: environment.PassiveClock(),
		Digests: func(wanted schema.GroupVersionKind) (stores.Digests, error) {
			for _, cached := range kind.Descriptor.Caches {
				if cached.Kind == wanted {
					return harness.Digests(environment.Client, scheme, cached), nil
				}
			}

			return nil, fmt.Errorf("%s is not cached", wanted)
		},
	})
	if err != nil {
		t.Fatal(err)
	}

	return built
}

// indexes are those the controller itself declares.
func indexes(t *testing.T, scheme *runtime.Scheme, kind rulegroup.Kind) []harness.Index {
	t.Helper()

	declared := build(t, scheme, kind, harness.Environment{}).Indexes
	indexes := make([]harness.Index, 0, len(declared))

	for _, index := range declared {
		indexes = append(indexes, harness.Index{Object: index.Object, Field: index.Field, Extract: index.Value})
	}

	return indexes
}

// meta is the metadata of a group of the kind.
func meta(kind rulegroup.Kind, name string) metav1.ObjectMeta {
	object := metav1.ObjectMeta{Name: name, Labels: map[string]string{alertingv2beta1.EnableLabel: "true"}}
	if kind.Descriptor.Name == "rule-group" {
		object.Namespace = "shop"
	}

	return object
}

// group is a group of the kind with some rules.
func group(kind rulegroup.Kind, name string, rules ...alertingv2beta1.Rule) client.Object {
	switch kind.Object.(type) {
	case *alertingv2beta1.RuleGroup:
		made := &alertingv2beta1.RuleGroup{ObjectMeta: meta(kind, name)}
		for _, rule := range rules {
			made.Spec.Rules = append(made.Spec.Rules, alertingv2beta1.NamespaceRule{Rule: rule})
		}

		return made
	case *alertingv2beta1.ClusterRuleGroup:
		made := &alertingv2beta1.ClusterRuleGroup{ObjectMeta: meta(kind, name)}
		for _, rule := range rules {
			made.Spec.Rules = append(made.Spec.Rules, alertingv2beta1.ClusterRule{Rule: rule})
		}

		return made
	default:
		made := &alertingv2beta1.GlobalRuleGroup{ObjectMeta: meta(kind, name)}
		for _, rule := range rules {
			made.Spec.Rules = append(made.Spec.Rules, alertingv2beta1.GlobalRule{Rule: rule})
		}

		return made
	}
}

// spec is the part of a group that the three kinds have in common.
func spec(object client.Object) *alertingv2beta1.GroupSpec {
	switch object := object.(type) {
	case *alertingv2beta1.RuleGroup:
		return &object.Spec.GroupSpec
	case *alertingv2beta1.ClusterRuleGroup:
		return &object.Spec.GroupSpec
	case *alertingv2beta1.GlobalRuleGroup:
		return &object.Spec.GroupSpec
	default:
		return nil
	}
}

func good() []alertingv2beta1.Rule {
	return []alertingv2beta1.Rule{
		{Alert: "Down", Expr: "up == 0", For: "5m", Severity: "error"},
		{Record: "job:up:sum", Expr: "sum by (job) (up)"},
	}
}

func changed(object client.Object, change func(client.Object)) client.Object {
	change(object)

	return object
}

func worldsOf(kind rulegroup.Kind) []harness.World {
	shop := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "shop", Labels: map[string]string{"kubesphere.io/workspace": "team"},
	}}
	one := int32(1)
	policy := &alertingv1alpha1.AlertingPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	policy.Spec.Limits = alertingv1alpha1.PolicyLimits{GroupsPerNamespace: &one, RulesPerNamespace: &one}

	bad := alertingv2beta1.Rule{Alert: "Bad", Expr: "sum("}

	return []harness.World{
		{Name: "good", Objects: []client.Object{shop, group(kind, "web", good()...)}},
		{Name: "one bad rule", Objects: []client.Object{shop, group(kind, "web", append(good(), bad)...)}},
		{Name: "nothing but bad rules", Objects: []client.Object{shop, group(kind, "web", bad)}},
		{Name: "no rules", Objects: []client.Object{group(kind, "web")}},
		{Name: "unusable", Fails: true, Objects: []client.Object{
			changed(group(kind, "web", good()...), func(o client.Object) { spec(o).Interval = "often" }),
		}},
		{Name: "not enabled", Objects: []client.Object{
			changed(group(kind, "web", good()...), func(o client.Object) { o.SetLabels(nil) }),
		}},
		{Name: "paused", Objects: []client.Object{
			changed(group(kind, "web", good()...), func(o client.Object) {
				o.SetAnnotations(map[string]string{kube.PausedAnnotation: "true"})
			}),
		}},
		{Name: "dry run, for Prometheus", Objects: []client.Object{
			changed(group(kind, "web", good()...), func(o client.Object) { spec(o).Mode = alertingv2beta1.ModeDryRun }),
			changed(group(kind, "node", good()...), func(o client.Object) {
				spec(o).Evaluator = alertingv2beta1.EvaluatorPrometheus
			}),
		}},
		// Which of two groups is the older depends on the order in which they are made.
		{Name: "a policy", Fails: true, Objects: []client.Object{shop, policy, group(kind, "a", good()...)}},
		{Name: "failing tests", Fails: true, Objects: []client.Object{
			changed(group(kind, "web", good()...), func(o client.Object) { spec(o).Tests = tests("1") }),
		}},
	}
}

// tests expect the recorded sum of two series to be a value; it is 2.
func tests(value string) []alertingv2beta1.RuleTest {
	return []alertingv2beta1.RuleTest{{
		Name: "two are up",
		InputSeries: []alertingv2beta1.InputSeries{
			{Series: `up{job="a", instance="1"}`, Values: "1x10"}, {Series: `up{job="a", instance="2"}`, Values: "1x10"},
		},
		ExprTests: []alertingv2beta1.ExprTest{{
			Expr: "job:up:sum", EvalTime: "5m",
			Expect: []alertingv2beta1.ExpectedSample{{Labels: `job:up:sum{job="a"}`, Value: value}},
		}},
	}}
}

func editRule(ctx context.Context, c client.Client) error {
	rules := &monitoringv1.PrometheusRuleList{}
	if err := c.List(ctx, rules); err != nil {
		return err
	}

	for i := range rules.Items {
		rule := &rules.Items[i]
		rule.Spec.Groups[0].Rules[0].Expr.StrVal = "vector(0)"

		if err := c.Update(ctx, rule); err != nil {
			return err
		}
	}

	return nil
}
