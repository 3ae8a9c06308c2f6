package scale

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	alertingv1alpha1 "github.com/ks-core/ks-controller-manager/api/alerting/v1alpha1"
	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
)

const (
	// monitoring is where PrometheusRules go.
	monitoring = "kubesphere-monitoring-system"

	groupName = "service"

	// afterWrite is how long after a write a group is looked at once more.
	afterWrite = 10 * time.Second
)

// Alerting is groups of alert rules, each in a namespace. Evaluators are not asked: there are none.
func Alerting() Scenario {
	return Scenario{
		Name:       "alerting",
		Sizes:      []Size{ManyRules()},
		Components: []string{"components/prometheusrule-crd"},
		Args: []string{
			"--controllers=alerting",
			"--feature-gates=RuleGroup=true,ClusterRuleGroup=true,GlobalRuleGroup=true,AlertingPolicy=true",
		},
		AddToScheme: func(scheme *runtime.Scheme) error {
			return errors.Join(
				clientgoscheme.AddToScheme(scheme), alertingv1alpha1.AddToScheme(scheme),
				alertingv2beta1.AddToScheme(scheme), monitoringv1.AddToScheme(scheme))
		},
		Generate:  generateAlerting,
		Objects:   func(size Size) int { return size.Groups },
		Converged: alertingConverged,
		Resync:    changePolicy,
		Edits:     []Edit{{Name: "rule", Prepare: prepareRule}},
		Change: &Change{
			Make:      changeOneRule,
			Effective: oneRuleChanged,
			Concerns:  concernsOneGroup,
			Later:     afterWrite,
		},
	}
}

func generateAlerting(size Size, seed uint64) []Stage {
	return []Stage{
		{Name: "namespaces", Ground: true, Objects: numbered(size.Namespaces+1, func(i int) client.Object {
			if i == size.Namespaces {
				return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: monitoring}}
			}

			return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespaceName(i)}}
		})},
		{Name: "groups of rules", Objects: numbered(size.Groups, func(i int) client.Object {
			return ruleGroup(i, size, seed)
		})},
	}
}

// groupKey is where the numbered group is. No namespace has two before each has one.
func groupKey(i int, size Size) client.ObjectKey {
	return client.ObjectKey{
		Namespace: namespaceName(i % size.Namespaces), Name: fmt.Sprintf("%s-%d", groupName, i/size.Namespaces),
	}
}

func ruleGroup(i int, size Size, seed uint64) client.Object {
	random := rand.New(draw(seed, "rules", i)) //nolint:gosec // to be drawn again
	key := groupKey(i, size)

	group := &alertingv2beta1.RuleGroup{ObjectMeta: metav1.ObjectMeta{
		Namespace: key.Namespace, Name: key.Name, Labels: map[string]string{alertingv2beta1.EnableLabel: "true"},
	}}
	group.Spec.Interval = "1m"

	for number := range size.Rules {
		group.Spec.Rules = append(group.Spec.Rules, alertingv2beta1.NamespaceRule{Rule: rule(number, random)})
	}

	return group
}

// rule is one of those that people write: of requests, of latency, of memory, of restarts.
func rule(number int, random *rand.Rand) alertingv2beta1.Rule {
	const percent = 100

	service, bound := fmt.Sprintf("service-%02d", number), 1+random.IntN(percent-1)
	patterns := []struct{ name, expr, says string }{
		{
			"ErrorRate", `sum by (pod) (rate(http_requests_total{job=%[1]q,code=~"5.."}[5m])) / ` +
				`sum by (pod) (rate(http_requests_total{job=%[1]q}[5m])) > 0.%02[2]d`,
			"{{ $labels.pod }} answers {{ $value | humanizePercentage }} of its requests with an error.",
		},
		{
			"Latency", `histogram_quantile(0.99, sum by (le, pod) ` +
				`(rate(http_request_duration_seconds_bucket{job=%q}[5m]))) > 0.%02d`,
			"{{ $labels.pod }} takes {{ $value | humanizeDuration }} for its slowest requests.",
		},
		{
			"Memory", `max by (pod) (container_memory_working_set_bytes{container=%q} / ` +
				`container_spec_memory_limit_bytes) > 0.%02d`,
			"{{ $labels.pod }} uses {{ $value | humanizePercentage }} of its memory.",
		},
		{
			"Restarts", `increase(kube_pod_container_status_restarts_total{container=%q}[1h]) > %d`,
			"{{ $labels.pod }} restarted {{ $value | humanize }} times within an hour.",
		},
	}
	pattern := patterns[number%len(patterns)]

	return alertingv2beta1.Rule{
		Alert:    fmt.Sprintf("%s%02d", pattern.name, number),
		Expr:     alertingv2beta1.Expression(fmt.Sprintf(pattern.expr, service, bound)),
		For:      "5m",
		Severity: []string{"warning", "error", "critical"}[random.IntN(3)],
		Labels:   map[string]string{"service": service, "team": fmt.Sprintf("team-%02d", random.IntN(percent))},
		Annotations: map[string]string{
			"summary":     pattern.name + " of " + service,
			"description": pattern.says + " See the dashboard of {{ $labels.namespace }}.",
		},
	}
}

// changePolicy has every group looked at again: another policy may allow less. This one allows all there is.
func changePolicy(ctx context.Context, writer client.Client, size Size, round int) error {
	limit := int32(size.Rules + 1 + round%2) //nolint:gosec // a group has at most 1000 rules

	made := &alertingv1alpha1.AlertingPolicy{ObjectMeta: metav1.ObjectMeta{Name: "scale"}}
	if round == 0 {
		made.Spec.Limits.RulesPerGroup = &limit

		return writer.Create(ctx, made)
	}

	patch := fmt.Appendf(nil, `{"spec":{"limits":{"rulesPerGroup":%d}}}`, limit)

	return writer.Patch(ctx, made, client.RawPatch(mergePatch, patch), fieldOwner)
}
