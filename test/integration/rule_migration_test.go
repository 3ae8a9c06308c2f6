package integration_test

import (
	"context"
	"fmt"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// migrating is a manager of the whole domain that gives evaluators a second to load what was moved.
func migrating(t *testing.T) func(*manager.Config) {
	t.Helper()

	return func(config *manager.Config) {
		withAlerting(t)(config)

		if err := features.Set(config.Gates, "CustomRuleMigration=true,PackedRuleMigration=true"); err != nil {
			t.Fatal(err)
		}

		flags := pflag.NewFlagSet("manager", pflag.ContinueOnError)

		for _, descriptor := range config.Catalog {
			if descriptor.Flags != nil {
				descriptor.Flags(flags)
			}
		}

		if err := flags.Parse([]string{"--alerting-migration-overlap=1s"}); err != nil {
			t.Fatal(err)
		}
	}
}

// of33 is an object in which KubeSphere 3.3 keeps the custom rules of a namespace.
func of33(namespace string) *monitoringv1.PrometheusRule {
	return &monitoringv1.PrometheusRule{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "custom-alerting-rule-x7k2p", Labels: map[string]string{
				"custom-alerting-rule-level": "namespace", "thanos-ruler": "kubesphere", "role": "thanos-alerting-rules",
			},
		},
		Spec: monitoringv1.PrometheusRuleSpec{Groups: []monitoringv1.RuleGroup{{
			Name: "alerting.custom.defaults.0", Rules: []monitoringv1.Rule{{
				Alert: "Down", Expr: intstr.FromString(fmt.Sprintf(`up{namespace=%q} == 0`, namespace)),
				Labels: map[string]string{"rule_id": "x1", "severity": "warning"},
			}},
		}}},
	}
}

// The rules of 3.3 become a group, and their object goes; the group is the users' from then on, who may delete it.
func TestRulesOf33Move(t *testing.T) {
	installMonitoring(t)
	namespace(t, "legacy")

	old := of33("legacy")
	create(t, old)

	started := startManager(t, migrating(t))

	eventually(t, "the object of 3.3 is gone", func(ctx context.Context) error {
		return isGone(admin.Get(ctx, client.ObjectKeyFromObject(old), &monitoringv1.PrometheusRule{}))
	})

	groups := &alertingv2beta1.RuleGroupList{}
	if err := admin.List(t.Context(), groups, client.InNamespace("legacy")); err != nil {
		t.Fatal(err)
	}

	if len(groups.Items) != 1 || len(groups.Items[0].Spec.Rules) != 1 || groups.Items[0].Spec.Rules[0].Alert != "Down" {
		t.Fatalf("got %+v", groups.Items)
	}

	rule, err := prometheusRule(t.Context(), "alertrules-ns-legacy."+groups.Items[0].Name)
	if err != nil {
		t.Fatal(err)
	}

	if id := rule.Spec.Groups[0].Rules[0].Labels["rule_id"]; id != "x1" {
		t.Errorf("the rule has become another one: rule_id is %q", id)
	}

	if err := started.stop(); err != nil {
		t.Fatal(err)
	}

	startManager(t, migrating(t))

	group := &groups.Items[0]
	if err := admin.Delete(t.Context(), group); err != nil {
		t.Fatal(err)
	}

	// When this manager has moved others, it has seen that the group is gone.
	namespace(t, "later")

	other := of33("later")
	create(t, other)
	eventually(t, "another object of 3.3 is gone", func(ctx context.Context) error {
		return isGone(admin.Get(ctx, client.ObjectKeyFromObject(other), &monitoringv1.PrometheusRule{}))
	})
	waitNoRule(t, rule.Name)

	if err := isGone(admin.Get(t.Context(), client.ObjectKeyFromObject(group), group)); err != nil {
		t.Errorf("what a user has deleted: %v", err)
	}
}
