package manager

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/component-base/featuregate"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/ks-core/ks-controller-manager/pkg/features"
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
			Name: metricState, Labels: []string{"controller", "domain", "state", "reason"},
			Help: "Always 1; the labels say in which state a controller is, and why.",
		},
	}
}

// collector computes the process's metrics when they are asked for.
type collector struct {
	config Config
	board  *board
	descs  map[string]*prometheus.Desc
}

func newCollector(config Config, board *board) *collector {
	descs := map[string]*prometheus.Desc{}
	for _, metric := range Metrics() {
		descs[metric.Name] = prometheus.NewDesc(metric.Name, metric.Help, metric.Labels, nil)
	}

	return &collector{config: config, board: board, descs: descs}
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

	for _, row := range c.board.snapshot() {
		c.gauge(out, metricState, 1, row.Name, string(row.Domain), string(row.State), row.Reason)
	}
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
