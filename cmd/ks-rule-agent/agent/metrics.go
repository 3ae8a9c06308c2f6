package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/rulefiles"
)

// Metrics are what is counted. None names an object: there may be thousands.
type Metrics struct {
	objects, refused, rules, current, success prometheus.Gauge

	reloads *prometheus.CounterVec
	rounds  prometheus.Histogram
}

// The results of a reload.
const (
	resultGood    = "good"
	resultRefused = "refused"
	resultFailed  = "failed"
)

// NewMetrics returns metrics that a registry shows.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	gauge := func(name, help string) prometheus.Gauge {
		metric := prometheus.NewGauge(prometheus.GaugeOpts{Name: "ks_rule_agent_" + name, Help: help})
		registry.MustRegister(metric)

		return metric
	}

	metrics := &Metrics{
		objects: gauge("objects", "PrometheusRules that are loaded."),
		refused: gauge("refused_objects", "PrometheusRules that are left out, or loaded in their version before."),
		rules:   gauge("rules", "Rules that are loaded."),
		current: gauge("current", "1 if the evaluator has shown what is wanted, 0 if not."),
		success: gauge("last_success_timestamp_seconds", "When all was last seen as it should be."),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ks_rule_agent_reloads_total", Help: "Reloads of the evaluator by their result.",
		}, []string{"result"}),
		rounds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ks_rule_agent_round_seconds", Help: "From a look at the objects to the evaluator's confirmation.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2, 12),
		}),
	}
	registry.MustRegister(metrics.reloads, metrics.rounds)

	for _, result := range []string{resultGood, resultRefused, resultFailed} {
		metrics.reloads.WithLabelValues(result)
	}

	return metrics
}

func (m *Metrics) reloaded(err error) {
	result := resultGood

	switch {
	case isRefusal(err):
		result = resultRefused
	case err != nil:
		result = resultFailed
	}

	m.reloads.WithLabelValues(result).Inc()
}

func (m *Metrics) observe(report rulefiles.Report, err error, took time.Duration) {
	m.objects.Set(float64(report.Objects))
	m.rules.Set(float64(report.Rules))
	m.refused.Set(float64(len(report.Refused)))
	m.rounds.Observe(took.Seconds())
	m.current.Set(0)

	if err == nil && report.Wanted == report.Loaded {
		m.current.Set(1)
		m.success.SetToCurrentTime()
	}
}
