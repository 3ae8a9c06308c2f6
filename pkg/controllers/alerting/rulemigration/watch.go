package rulemigration

import (
	"context"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/migration"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// customWatches wake what a group was made of, by the status of the group too.
func customWatches() []manager.Watch {
	return []manager.Watch{
		{Object: &monitoringv1.PrometheusRule{}, Handler: &handler.EnqueueRequestForObject{}},
		{Object: &alertingv2beta1.RuleGroup{}, Handler: handler.EnqueueRequestsFromMapFunc(origin)},
		{Object: &alertingv2beta1.ClusterRuleGroup{}, Handler: handler.EnqueueRequestsFromMapFunc(origin)},
	}
}

// origin is the PrometheusRule that a group was made of.
func origin(_ context.Context, group client.Object) []reconcile.Request {
	namespace, name, ok := migration.ParseFrom(group.GetAnnotations()[migration.FromAnnotation])
	if !ok {
		return nil
	}

	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}}
}

// packedWatches wake the packed objects that a group is in.
func packedWatches(reader client.Reader, settings *Settings) []manager.Watch {
	find := finder{reader: reader, settings: settings}

	return []manager.Watch{
		{Object: &monitoringv1.PrometheusRule{}, Handler: &handler.EnqueueRequestForObject{}},
		{Object: &alertingv2beta1.RuleGroup{}, Handler: handler.EnqueueRequestsFromMapFunc(find.holders)},
		{Object: &alertingv2beta1.ClusterRuleGroup{}, Handler: handler.EnqueueRequestsFromMapFunc(find.holders)},
		{Object: &alertingv2beta1.GlobalRuleGroup{}, Handler: handler.EnqueueRequestsFromMapFunc(find.holders)},
	}
}

// finder looks up in the caches whom an event concerns.
type finder struct {
	reader   client.Reader
	settings *Settings
}

// holders are the packed objects of a group's level and namespace: there are few, and soon none.
func (f finder) holders(ctx context.Context, group client.Object) []reconcile.Request {
	rules := &monitoringv1.PrometheusRuleList{}
	if err := f.reader.List(ctx, rules, client.UnsafeDisableDeepCopy); err != nil {
		// It is in memory: only a controller that is being stopped fails here.
		klog.FromContext(ctx).V(1).Info("Cannot look up PrometheusRules", "reason", err.Error())

		return nil
	}

	var requests []reconcile.Request

	level := contentOf(group).level

	for i := range rules.Items {
		rule := &rules.Items[i]

		packed, isPacked := migration.ReadPacked(rule, f.settings.Rules.Namespace)
		if isPacked && packed.Level == level && packed.Namespace == group.GetNamespace() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(rule)})
		}
	}

	return requests
}
