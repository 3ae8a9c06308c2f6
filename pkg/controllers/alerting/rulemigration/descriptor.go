// Package rulemigration takes over what earlier versions of KubeSphere left of alert rules. Of the PrometheusRules that
// 3.3 keeps custom rules in it makes groups of rules; those that 3.4 packed its groups into it takes away. Neither goes
// before the evaluators have had its rules from another object for as long as its alerts take to fire: there is no time
// at which a rule is evaluated nowhere. Whatever cannot be taken over stays, and says why.
package rulemigration

import (
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/migration"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// The names of the two controllers.
const (
	customName = "custom-rule-migration"
	packedName = "packed-rule-migration"
)

// Descriptors describes the two controllers. The settings are read when the controllers are made.
func Descriptors(settings *Settings) manager.Catalog {
	custom, packed := describeCustom(), describePacked()

	custom.New = func(dependencies manager.Dependencies) (*manager.Controller, error) {
		return newCustom(settings, dependencies), nil
	}
	packed.New = func(dependencies manager.Dependencies) (*manager.Controller, error) {
		return newPacked(settings, dependencies), nil
	}

	// The flag is of both; it is shown once.
	custom.Flags = settings.AddFlags

	return manager.Catalog{custom, packed}
}

func describeCustom() manager.Descriptor {
	described := manager.Descriptor{
		Name:    customName,
		Domain:  manager.Alerting,
		Summary: "Makes groups of the custom rules that KubeSphere 3.3 keeps in PrometheusRules, and takes these away.",
		Gate:    features.CustomRuleMigration,
		Writes: []rbacv1.PolicyRule{
			{
				APIGroups: []string{alertingv2beta1.GroupName}, Resources: []string{"rulegroups", "clusterrulegroups"},
				Verbs: []string{"create", "patch", "delete"},
			},
			takesRules(),
		},
		AddToScheme: schemes(),
	}
	withGroups(&described, "RuleGroup", "ClusterRuleGroup")
	withRules(&described, require(migration.LevelLabel, selection.Exists))

	return described
}

func describePacked() manager.Descriptor {
	described := manager.Descriptor{
		Name:        packedName,
		Domain:      manager.Alerting,
		Summary:     "Takes away the PrometheusRules that KubeSphere 3.4 packed its groups of rules into.",
		Gate:        features.PackedRuleMigration,
		Writes:      []rbacv1.PolicyRule{takesRules()},
		AddToScheme: schemes(),
	}
	withGroups(&described, "RuleGroup", "ClusterRuleGroup", "GlobalRuleGroup")
	withRules(&described,
		require(alertingv2beta1.RuleLevelLabel, selection.Exists),
		require(alerting.ManagedByLabel, selection.NotIn, alerting.ManagedBy))

	return described
}

// takesRules is for PrometheusRules: get to look, before one is taken away, whether there is another; patch for the
// annotation that says why one has to stay.
func takesRules() rbacv1.PolicyRule {
	return rbacv1.PolicyRule{
		APIGroups: []string{ruleKind().Group}, Resources: []string{"prometheusrules"},
		Verbs: []string{"get", "patch", "delete"},
	}
}

func schemes() []func(*runtime.Scheme) error {
	return []func(*runtime.Scheme) error{alertingv2beta1.AddToScheme, monitoringv1.AddToScheme}
}

func withGroups(described *manager.Descriptor, kinds ...string) {
	resources := map[string]string{
		"RuleGroup": "rulegroups", "ClusterRuleGroup": "clusterrulegroups", "GlobalRuleGroup": "globalrulegroups",
	}

	for _, kind := range kinds {
		gvk := alertingv2beta1.SchemeGroupVersion.WithKind(kind)
		described.Requires = append(described.Requires, manager.Required{
			GroupVersionKind: gvk, Revision: alertingv2beta1.SchemaRevision,
		})
		described.Caches = append(described.Caches, manager.Cached{
			Kind: gvk, Resource: resources[kind], Depth: manager.Full,
		})
	}
}

// withRules keeps the PrometheusRules that are to be taken over, which are few and go.
func withRules(described *manager.Descriptor, requirements ...labels.Requirement) {
	described.Requires = append(described.Requires, manager.Required{GroupVersionKind: ruleKind()})
	described.Caches = append(described.Caches, manager.Cached{
		Kind: ruleKind(), Resource: "prometheusrules", Depth: manager.Full,
		Labels: labels.NewSelector().Add(requirements...),
	})
}

// require is a requirement of constants, which are valid.
func require(key string, operator selection.Operator, values ...string) labels.Requirement {
	requirement, _ := labels.NewRequirement(key, operator, values)

	return *requirement
}

func ruleKind() schema.GroupVersionKind {
	return monitoringv1.SchemeGroupVersion.WithKind(monitoringv1.PrometheusRuleKind)
}
