package rulegroup

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/component-base/featuregate"
	"sigs.k8s.io/controller-runtime/pkg/client"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
	"github.com/ks-core/ks-controller-manager/pkg/features"
)

// kind is one of the three kinds of groups: what differs between their controllers.
type kind struct {
	level    string
	kind     string
	resource string
	alias    string
	summary  string
	gate     featuregate.Feature

	object func() client.Object
	list   func() client.ObjectList

	// group reads an object, and status is where its status is. They get no objects of other kinds.
	group  func(client.Object) rendering.Group
	status func(client.Object) *alertingv2beta1.RuleGroupStatus
}

// name is that of the controller.
func (k kind) name() string { return alerting.ComponentOf(k.level) }

func (k kind) gvk() schema.GroupVersionKind {
	return alertingv2beta1.SchemeGroupVersion.WithKind(k.kind)
}

func kinds() []kind {
	return []kind{ofNamespace(), ofCluster(), ofGlobal()}
}

func ofNamespace() kind {
	return kind{
		level: alertingv2beta1.LevelNamespace, kind: "RuleGroup", resource: "rulegroups", alias: "rulegroup",
		summary: "Makes the PrometheusRule of each RuleGroup, confined to its namespace.",
		gate:    features.RuleGroup,
		object:  func() client.Object { return &alertingv2beta1.RuleGroup{} },
		list:    func() client.ObjectList { return &alertingv2beta1.RuleGroupList{} },
		group: func(object client.Object) rendering.Group {
			return rendering.OfNamespace(as[*alertingv2beta1.RuleGroup](object))
		},
		status: func(object client.Object) *alertingv2beta1.RuleGroupStatus {
			return &as[*alertingv2beta1.RuleGroup](object).Status
		},
	}
}

func ofCluster() kind {
	return kind{
		level: alertingv2beta1.LevelCluster, kind: "ClusterRuleGroup", resource: "clusterrulegroups",
		alias:   "clusterrulegroup",
		summary: "Makes the PrometheusRule of each ClusterRuleGroup.",
		gate:    features.ClusterRuleGroup,
		object:  func() client.Object { return &alertingv2beta1.ClusterRuleGroup{} },
		list:    func() client.ObjectList { return &alertingv2beta1.ClusterRuleGroupList{} },
		group: func(object client.Object) rendering.Group {
			return rendering.OfCluster(as[*alertingv2beta1.ClusterRuleGroup](object))
		},
		status: func(object client.Object) *alertingv2beta1.RuleGroupStatus {
			return &as[*alertingv2beta1.ClusterRuleGroup](object).Status
		},
	}
}

func ofGlobal() kind {
	return kind{
		level: alertingv2beta1.LevelGlobal, kind: "GlobalRuleGroup", resource: "globalrulegroups",
		alias:   "globalrulegroup",
		summary: "Makes the PrometheusRule of each GlobalRuleGroup, with the clusters and namespaces it selects.",
		gate:    features.GlobalRuleGroup,
		object:  func() client.Object { return &alertingv2beta1.GlobalRuleGroup{} },
		list:    func() client.ObjectList { return &alertingv2beta1.GlobalRuleGroupList{} },
		group: func(object client.Object) rendering.Group {
			return rendering.OfGlobal(as[*alertingv2beta1.GlobalRuleGroup](object))
		},
		status: func(object client.Object) *alertingv2beta1.RuleGroupStatus {
			return &as[*alertingv2beta1.GlobalRuleGroup](object).Status
		},
	}
}

// as is the object in its type. The functions of a kind get no others.
func as[T client.Object](object client.Object) T {
	typed, _ := object.(T)

	return typed
}
