package rulegroup

import (
	"fmt"
	"net/url"

	"github.com/spf13/pflag"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
)

// Settings are what operators choose. All three controllers share them.
type Settings struct {
	// Namespace is where PrometheusRules go.
	Namespace string

	// PrometheusLabels and ThanosRulerLabels are those that evaluators select PrometheusRules by.
	PrometheusLabels, ThanosRulerLabels map[string]string

	// Cluster is the name of this cluster in the label of series.
	Cluster string

	// Prometheus and ThanosRuler are the URLs of the evaluators; empty: they are not asked.
	Prometheus, ThanosRuler string
}

// DefaultSettings are those of a cluster that KubeSphere 3.4 installed its monitoring on.
func DefaultSettings() *Settings {
	return &Settings{
		Namespace:         "kubesphere-monitoring-system",
		PrometheusLabels:  map[string]string{"prometheus": "k8s", "role": "alert-rules"},
		ThanosRulerLabels: map[string]string{"thanos-ruler": "kubesphere", "role": "alert-rules"},
	}
}

// AddFlags adds the settings to the command line, under KubeSphere 3.4's names where it had them.
func (s *Settings) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&s.Namespace, "alerting-rule-namespace", s.Namespace,
		"The namespace of the PrometheusRules that are made of groups of rules.")
	flags.StringToStringVar(&s.ThanosRulerLabels, "alerting-thanos-rule-resource-labels", s.ThanosRulerLabels,
		"The labels that Thanos Ruler selects PrometheusRules by, beside alerting.kubesphere.io/rule_level.")
	flags.StringToStringVar(&s.PrometheusLabels, "alerting-prometheus-rule-resource-labels", s.PrometheusLabels,
		"The labels that Prometheus selects PrometheusRules by.")
	flags.StringVar(&s.Cluster, "alerting-cluster-name", s.Cluster,
		"The name of this cluster in the label cluster of series. Rules of namespaces and of the cluster then see no "+
			"other cluster's series. Empty: series have no such label.")
	flags.Var(&address{&s.ThanosRuler}, "alerting-thanos-ruler-endpoint",
		"The URL of Thanos Ruler, which is asked for the states of rules; all addresses of its name are asked. "+
			"Empty: it is not.")
	flags.Var(&address{&s.Prometheus}, "alerting-prometheus-endpoint",
		"The URL of the Prometheus that evaluates rules, which is asked for their states. Empty: it is not.")
}

func (s *Settings) target() rendering.Target {
	return rendering.Target{
		Namespace: s.Namespace, Prometheus: s.PrometheusLabels, ThanosRuler: s.ThanosRulerLabels,
	}
}

// address is a flag that takes a URL of HTTP.
type address struct{ value *string }

// String implements pflag.Value.
func (a *address) String() string {
	if a.value == nil {
		return ""
	}

	return *a.value
}

// Type implements pflag.Value.
func (*address) Type() string { return "url" }

// Set implements pflag.Value.
func (a *address) Set(text string) error {
	parsed, err := url.Parse(text)
	if text != "" && (err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https")) {
		return fmt.Errorf("%q is no URL; write it as in http://thanos-ruler-operated.monitoring.svc:10902", text)
	}

	*a.value = text

	return nil
}
