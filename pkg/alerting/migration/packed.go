package migration

import (
	"strings"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
)

// Packed is a PrometheusRule that KubeSphere 3.4 packed groups of one level into, those of namespaces by namespace.
type Packed struct {
	Level     string
	Namespace string // of the groups; empty but at the level of namespaces
	Groups    []string
}

// ReadPacked tells whether a PrometheusRule is one that KubeSphere 3.4 made, by its namespace, its labels and its
// numbered name together: nobody else's must be taken for one.
func ReadPacked(rule *monitoringv1.PrometheusRule, namespace string) (Packed, bool) {
	packed := Packed{Level: rule.Labels[alertingv2beta1.RuleLevelLabel]}

	var prefix string

	switch packed.Level {
	case alertingv2beta1.LevelNamespace:
		packed.Namespace = rule.Labels[alertingv2beta1.OwnerNamespaceLabel]
		prefix = "alertrules-ns-" + packed.Namespace + "-"
	case alertingv2beta1.LevelCluster:
		prefix = "alertrules-cl-"
	case alertingv2beta1.LevelGlobal:
		prefix = "alertrules-gl-"
	default:
		return Packed{}, false
	}

	number, isPacked := strings.CutPrefix(rule.Name, prefix)
	if !isPacked || !isNumber(number) || rule.Namespace != namespace ||
		(packed.Level == alertingv2beta1.LevelNamespace && packed.Namespace == "") {
		return Packed{}, false
	}

	for i := range rule.Spec.Groups {
		packed.Groups = append(packed.Groups, rule.Spec.Groups[i].Name)
	}

	return packed, true
}

// Longest is the longest time that an alert of some groups waits before it fires. As long after its rules have been
// handed to an evaluator in another object, that one may not fire yet what it did.
func Longest(groups []monitoringv1.RuleGroup) time.Duration {
	var longest time.Duration

	for i := range groups {
		for j := range groups[i].Rules {
			if duration, err := model.ParseDuration(text(groups[i].Rules[j].For)); err == nil {
				longest = max(longest, time.Duration(duration))
			}
		}
	}

	return longest
}
