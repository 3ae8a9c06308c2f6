package integration_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

const monitoring = "kubesphere-monitoring-system"

// withAlerting switches the domain on, whose gates are off as yet.
func withAlerting(t *testing.T) func(*manager.Config) {
	t.Helper()

	gates, err := features.New()
	if err != nil {
		t.Fatal(err)
	}

	err = features.Set(gates, "RuleGroup=true,ClusterRuleGroup=true,GlobalRuleGroup=true,AlertingPolicy=true")
	if err != nil {
		t.Fatal(err)
	}

	return func(config *manager.Config) { config.Gates = gates }
}

// installMonitoring makes what a monitoring stack brings: its namespace and the definition of PrometheusRules.
func installMonitoring(t *testing.T) {
	t.Helper()

	if _, err := shared.Kubectl(t.Context(),
		"apply", "--server-side", "-k", root+"/config/components/prometheusrule-crd"); err != nil {
		t.Fatal(err)
	}

	_, err := shared.Kubectl(t.Context(), "wait", "--for=condition=Established",
		"crd/prometheusrules.monitoring.coreos.com", "--timeout=20s")
	if err != nil {
		t.Fatal(err)
	}

	namespace(t, monitoring)
}

func namespace(t *testing.T, name string) {
	t.Helper()

	err := admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	if client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
}

func ruleGroup(namespace, name string) *alertingv2beta1.RuleGroup {
	group := &alertingv2beta1.RuleGroup{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, Labels: map[string]string{alertingv2beta1.EnableLabel: "true"},
	}}
	group.Spec.Rules = []alertingv2beta1.NamespaceRule{
		{Rule: alertingv2beta1.Rule{Alert: "Down", Expr: `up{namespace="other"} == 0`, For: "5m", Severity: "error"}},
		{Rule: alertingv2beta1.Rule{Alert: "Broken", Expr: "sum("}},
	}

	return group
}

func prometheusRule(ctx context.Context, name string) (*monitoringv1.PrometheusRule, error) {
	rule := &monitoringv1.PrometheusRule{}
	if err := admin.Get(ctx, client.ObjectKey{Namespace: monitoring, Name: name}, rule); err != nil {
		return nil, fmt.Errorf("read the rules: %w", err)
	}

	return rule, nil
}

// waitRule waits until the only rule of a group's object has the query.
func waitRule(t *testing.T, name, query string) {
	t.Helper()

	eventually(t, name+" has the rule", func(ctx context.Context) error {
		rule, err := prometheusRule(ctx, name)
		if err != nil {
			return err
		}

		groups := rule.Spec.Groups
		if len(groups) != 1 || len(groups[0].Rules) != 1 || groups[0].Rules[0].Expr.StrVal != query {
			return fmt.Errorf("it has %+v", groups)
		}

		return nil
	})
}

// isGone wants that a read found nothing.
func isGone(err error) error {
	switch {
	case err == nil:
		return errors.New("it is still there")
	case apierrors.IsNotFound(err):
		return nil
	default:
		return err
	}
}

func waitNoRule(t *testing.T, name string) {
	t.Helper()

	eventually(t, name+" is gone", func(ctx context.Context) error {
		_, err := prometheusRule(ctx, name)

		return isGone(err)
	})
}

// The manager as its own account, on a real API server: what is rendered is confined, what is bad is left out and told,
// what others change is repaired, and what was made of a group goes with it.
func TestRuleGroupsAreRendered(t *testing.T) {
	installMonitoring(t)
	namespace(t, "shop")
	startManager(t, withAlerting(t))

	create(t, ruleGroup("shop", "web"))

	const name, query = "alertrules-ns-shop.web", `up{namespace="shop"} == 0`

	waitRule(t, name, query)

	eventually(t, "the group says what was left out", func(ctx context.Context) error {
		group := &alertingv2beta1.RuleGroup{}
		if err := admin.Get(ctx, client.ObjectKey{Namespace: "shop", Name: "web"}, group); err != nil {
			return fmt.Errorf("read the group: %w", err)
		}

		accepted := meta.FindStatusCondition(group.Status.Conditions, kube.ConditionAccepted)
		if accepted == nil || accepted.Status != metav1.ConditionFalse || len(group.Status.RejectedRules) != 1 ||
			group.Status.RejectedRules[0].Name != "Broken" {
			return fmt.Errorf("status %+v", group.Status)
		}

		return nil
	})

	rule, err := prometheusRule(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}

	drift := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"groups":[]}}`))
	if err := admin.Patch(t.Context(), rule, drift); err != nil {
		t.Fatal(err)
	}

	waitRule(t, name, query)

	if err := admin.Delete(t.Context(), ruleGroup("shop", "web")); err != nil {
		t.Fatal(err)
	}

	waitNoRule(t, name)
}

// A group that goes while no manager is there leaves nothing behind either, and holds nothing up.
func TestRulesOfGroupsThatWentMeanwhile(t *testing.T) {
	installMonitoring(t)
	namespace(t, "gone")

	first := startManager(t, withAlerting(t))

	create(t, ruleGroup("gone", "web"))
	waitRule(t, "alertrules-ns-gone.web", `up{namespace="gone"} == 0`)

	if err := first.stop(); err != nil {
		t.Fatal(err)
	}

	if err := admin.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "gone"}}); err != nil {
		t.Fatal(err)
	}

	eventually(t, "the namespace goes without a manager", func(ctx context.Context) error {
		return isGone(admin.Get(ctx, client.ObjectKey{Name: "gone"}, &corev1.Namespace{}))
	})

	startManager(t, withAlerting(t))
	waitNoRule(t, "alertrules-ns-gone.web")
}
