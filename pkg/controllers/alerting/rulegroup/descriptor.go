// Package rulegroup makes of each group of rules one PrometheusRule, and says in the group's status what became of it:
// which rules were left out and why, and what the evaluators say of the others. Three controllers do so, for the groups
// of namespaces, of the cluster and of all clusters.
package rulegroup

import (
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	alertingv1alpha1 "github.com/ks-core/ks-controller-manager/api/alerting/v1alpha1"
	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

const concurrency = 4

// Descriptors describes the three controllers. The settings are read when the controllers are made.
func Descriptors(settings *Settings) manager.Catalog {
	var catalog manager.Catalog

	evaluators := newEvaluators(settings)

	for _, kind := range kinds() {
		described := kind.descriptor(settings)
		described.New = func(dependencies manager.Dependencies) (*manager.Controller, error) {
			return newController(kind, settings, evaluators, dependencies)
		}
		catalog = append(catalog, described)
	}

	// The flags are of all three; they are shown once.
	catalog[0].Flags = settings.AddFlags

	return catalog
}

func (k kind) descriptor(settings *Settings) manager.Descriptor {
	described := manager.Descriptor{
		Name:    k.name(),
		Aliases: []string{k.alias},
		Domain:  manager.Alerting,
		Summary: k.summary,
		Gate:    k.gate,
		Requires: []manager.Required{
			{GroupVersionKind: k.gvk(), Revision: alertingv2beta1.SchemaRevision},
			{GroupVersionKind: policyKind(), Revision: alertingv1alpha1.SchemaRevision, Closed: true},
			{GroupVersionKind: ruleKind()},
		},
		Caches: []manager.Cached{
			{Kind: k.gvk(), Resource: k.resource, Depth: manager.Full},
			{Kind: policyKind(), Resource: "alertingpolicies", Depth: manager.Full},
			rulesOf(k.level, settings),
		},
		Writes: []rbacv1.PolicyRule{
			{
				APIGroups: []string{alertingv2beta1.GroupName}, Resources: []string{k.resource + "/status"},
				Verbs: []string{"patch"},
			},
			{
				APIGroups: []string{ruleKind().Group}, Resources: []string{"prometheusrules"},
				Verbs: []string{"create", "patch", "delete"},
			},
		},
		AddToScheme: []func(*runtime.Scheme) error{
			alertingv2beta1.AddToScheme, alertingv1alpha1.AddToScheme, monitoringv1.AddToScheme, corev1.AddToScheme,
		},
	}

	if k.level == alertingv2beta1.LevelNamespace {
		described.Caches = append(described.Caches, manager.Cached{
			Kind: namespaceKind(), Resource: "namespaces", Depth: manager.MetadataOnly,
		})
	}

	return described
}

// rulesOf keeps a digest of each PrometheusRule that was made of the groups of a level, and whose it is.
func rulesOf(level string, settings *Settings) manager.Cached {
	return manager.Cached{
		Kind: ruleKind(), Resource: "prometheusrules", Depth: manager.Digested,
		Labels: labels.SelectorFromSet(labels.Set{
			alerting.ManagedByLabel: alerting.ManagedBy, alerting.ComponentLabel: alerting.ComponentOf(level),
		}),
		Digest: manager.Digest{Name: "alert-rules", Of: func(object client.Object) string {
			rule, isRule := object.(*monitoringv1.PrometheusRule)
			if !isRule {
				return ""
			}

			return rule.Annotations[alerting.OwnerAnnotation] + "|" + rendering.Digest(rule, settings.target())
		}},
	}
}

func ruleKind() schema.GroupVersionKind {
	return monitoringv1.SchemeGroupVersion.WithKind(monitoringv1.PrometheusRuleKind)
}

func policyKind() schema.GroupVersionKind {
	return alertingv1alpha1.SchemeGroupVersion.WithKind("AlertingPolicy")
}

func namespaceKind() schema.GroupVersionKind { return corev1.SchemeGroupVersion.WithKind("Namespace") }
