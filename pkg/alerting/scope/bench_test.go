package scope_test

import (
	"testing"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/scope"
)

// typical are expressions as people write them.
func typical() []string {
	return []string{
		`sum by (pod) (rate(container_cpu_usage_seconds_total{container!="",image!=""}[5m])) > 0.8`,
		`100 * sum(rate(http_requests_total{code=~"5.."}[5m])) by (service) ` +
			`/ sum(rate(http_requests_total[5m])) by (service) > 1`,
		`kube_pod_container_status_restarts_total{container="app"} ` +
			`- kube_pod_container_status_restarts_total{container="app"} offset 15m > 3`,
		`histogram_quantile(0.99, sum by (le, service) ` +
			`(rate(http_request_duration_seconds_bucket{job="shop"}[10m]))) > 0.5`,
	}
}

// BenchmarkExpr is one typical rule: 25 µs are the most.
func BenchmarkExpr(b *testing.B) {
	s := scopeOf(b, mine())
	expressions := typical()

	b.ReportAllocs()

	for i := 0; b.Loop(); i++ {
		if _, err := s.Expr(expressions[i%len(expressions)]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTemplate(b *testing.B) {
	s := scopeOf(b, mine())

	for name, text := range map[string]string{
		"text":  `The CPU of the pod is too high for five minutes`,
		"plain": `Pod {{ $labels.pod }} uses {{ $value | humanizePercentage }}`,
		"query": `{{ with query "sum(up)" }}{{ . | first | value | humanize }}{{ end }} of {{ $labels.pod }}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()

			for b.Loop() {
				if _, _, err := s.Template(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()

	for b.Loop() {
		if _, err := scope.New(mine()); err != nil {
			b.Fatal(err)
		}
	}
}
