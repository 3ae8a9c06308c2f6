// Package alertingpolicy reports on AlertingPolicies: whom each is about, and how many rules it leaves out, or would if
// it were enforced. The controllers of the groups of rules enforce it.
package alertingpolicy

import (
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	alertingv1alpha1 "github.com/ks-core/ks-controller-manager/api/alerting/v1alpha1"
	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Name of the controller.
const Name = "alerting-policy"

// Descriptor describes the controller.
func Descriptor() manager.Descriptor {
	return manager.Descriptor{
		Name:    Name,
		Domain:  manager.Alerting,
		Summary: "Reports on each AlertingPolicy.",
		Gate:    features.AlertingPolicy,
		Requires: []manager.Required{
			{GroupVersionKind: policyKind(), Revision: alertingv1alpha1.SchemaRevision, Closed: true},
			{GroupVersionKind: groupKind(), Revision: alertingv2beta1.SchemaRevision},
		},
		Caches: []manager.Cached{
			{Kind: policyKind(), Resource: "alertingpolicies", Depth: manager.Full},
			{Kind: groupKind(), Resource: "rulegroups", Depth: manager.Full},
			{Kind: namespaceKind(), Resource: "namespaces", Depth: manager.MetadataOnly},
		},
		Writes: []rbacv1.PolicyRule{{
			APIGroups: []string{alertingv2beta1.GroupName}, Resources: []string{"alertingpolicies/status"},
			Verbs: []string{"patch"},
		}},
		AddToScheme: []func(*runtime.Scheme) error{
			alertingv1alpha1.AddToScheme, alertingv2beta1.AddToScheme, corev1.AddToScheme,
		},
		New: New,
	}
}

func policyKind() schema.GroupVersionKind {
	return alertingv1alpha1.SchemeGroupVersion.WithKind("AlertingPolicy")
}

func groupKind() schema.GroupVersionKind {
	return alertingv2beta1.SchemeGroupVersion.WithKind("RuleGroup")
}

func namespaceKind() schema.GroupVersionKind { return corev1.SchemeGroupVersion.WithKind("Namespace") }
