package rulemigration

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/alerting/rulegroup"
)

// Settings are what operators choose. Both controllers share them.
type Settings struct {
	// Rules are those of the controllers that write the PrometheusRules of groups.
	Rules *rulegroup.Settings

	// Overlap is how long, beyond the time that an alert waits before it fires, rules are evaluated both from where
	// they were and from where they will be.
	Overlap time.Duration
}

// DefaultSettings leave time for an evaluator to load rules and to evaluate them once: prometheus-operator, the kubelet
// and the reloader may take minutes together.
func DefaultSettings(rules *rulegroup.Settings) *Settings {
	const overlap = 5 * time.Minute

	return &Settings{Rules: rules, Overlap: overlap}
}

// AddFlags adds the settings to the command line, but those of the rules, which are there already.
func (s *Settings) AddFlags(flags *pflag.FlagSet) {
	flags.DurationVar(&s.Overlap, "alerting-migration-overlap", s.Overlap,
		"How long the PrometheusRules of KubeSphere 3.3 and 3.4 stay when their rules have been written anew, beyond "+
			"the time that their alerts wait before they fire: the time that an evaluator takes to load rules.")
}

func (s *Settings) target() rendering.Target {
	return rendering.Target{
		Namespace: s.Rules.Namespace, Prometheus: s.Rules.PrometheusLabels, ThanosRuler: s.Rules.ThanosRulerLabels,
	}
}
