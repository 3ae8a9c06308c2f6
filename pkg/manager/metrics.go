package manager

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/component-base/featuregate"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/kube/guard"
)

// Metric describes a metric of the process for the reference pages.
type Metric struct {
	Name   string
	Help   string
	Labels []string
}

const (
	metricBuild   = "ks_build_info"
	metricFeature = "ks_feature_enabled"
	metricState   = "ks_controller_state"

	metricRestarts = "ks_controller_restarts_total"
	metricGuard    = "ks_reconcile_outcomes_total"

	labelController = "controller"
)

// Metrics lists the metrics of the process; those of controller-runtime and client-go come beside them.
func Metrics() []Metric {
	return []Metric{
		{
			Name: metricBuild, Labels: []string{"binary", "version"},
			Help: "Always 1; the labels say which binary runs, in which version.",
		},
		{
			Name: metricFeature, Labels: []string{"name", "stage"},
			Help: "1 when the feature gate is on, 0 when it is off.",
		},
		{
			Name: metricState, Labels: []string{labelController, "domain", "state", "reason"},
			Help: "Always 1; the labels say in which state a controller is, and why.",
		},
		{
			Name: metricRestarts, Labels: []string{labelController},
			Help: "How often a controller had to be made anew after a panic or another failure.",
		},
		{
			Name: metricGuard, Labels: []string{labelController, "outcome"},
			Help: "Runs of the reconciler by outcome. A throttled request is one that came too soon after the last, " +
				"an abandoned run one that ignored the end of its context.",
		},
	}
}

// collector computes the process's metrics when they are asked for.
type collector struct {
	config Config
	rows   func() []Row
	descs  map[string]*prometheus.Desc
}

func newCollector(config Config, rows func() []Row) *collector {
	descs := map[string]*prometheus.Desc{}
	for _, metric := range Metrics() {
		descs[metric.Name] = prometheus.NewDesc(metric.Name, metric.Help, metric.Labels, nil)
	}

	return &collector{config: config, rows: rows, descs: descs}
}

// register serves the metrics until the returned function is called.
func (c *collector) register() (func(), error) {
	if err := metrics.Registry.Register(c); err != nil {
		return nil, fmt.Errorf("register the metrics of the process: %w", err)
	}

	return func() { metrics.Registry.Unregister(c) }, nil
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range c.descs {
		descs <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	c.gauge(out, metricBuild, 1, c.config.Name, c.config.Version)

	all := c.config.Gates.GetAll()
	for _, name := range features.Names(c.config.Gates) {
		feature := featuregate.Feature(name)
		enabled := boolToFloat(c.config.Gates.Enabled(feature))
		c.gauge(out, metricFeature, enabled, name, string(all[feature].PreRelease))
	}

	for _, row := range c.rows() {
		c.gauge(out, metricState, 1, row.Name, string(row.Domain), string(row.State), row.Reason)
		c.counter(out, metricRestarts, float64(row.Restarts), row.Name)

		for outcome, count := range outcomes(row.Runs) {
			c.counter(out, metricGuard, float64(count), row.Name, outcome)
		}
	}
}

// outcomes names what the guard counts beside controller-runtime's own metrics.
func outcomes(runs guard.Counts) map[string]uint64 {
	return map[string]uint64{
		"run": runs.Runs, "error": runs.Errors, "panic": runs.Panics, "timeout": runs.Timeouts,
		"abandoned": runs.Abandoned, "throttled": runs.Throttled,
	}
}

func (c *collector) counter(out chan<- prometheus.Metric, name string, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(c.descs[name], prometheus.CounterValue, value, labels...)
}

func (c *collector) gauge(out chan<- prometheus.Metric, name string, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(c.descs[name], prometheus.GaugeValue, value, labels...)
}

func boolToFloat(value bool) float64 {
	if value {
		return 1
	}

	return 0
}
