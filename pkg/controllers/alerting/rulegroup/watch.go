package rulegroup

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	alertingv1alpha1 "github.com/ks-core/ks-controller-manager/api/alerting/v1alpha1"
	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// byRule finds a group by the name of its PrometheusRule: not every name can be read back.
const byRule = "prometheusRule"

// watches wake a group by itself, by what was made of it, and all of them by policies and their namespace's labels.
func (k kind) watches(reader client.Reader) []manager.Watch {
	find := finder{kind: k, reader: reader}
	changes := predicate.Or[client.Object](
		predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{},
		predicate.AnnotationChangedPredicate{})

	watches := []manager.Watch{
		{
			Object: k.object(), Handler: &handler.EnqueueRequestForObject{},
			Predicates: []predicate.Predicate{changes},
		},
		{Object: manager.MetadataOf(ruleKind()), Handler: handler.EnqueueRequestsFromMapFunc(find.ofRule)},
		{
			Object: &alertingv1alpha1.AlertingPolicy{}, Handler: kube.WakeAll(find.all, 0),
			Predicates: []predicate.Predicate{predicate.GenerationChangedPredicate{}},
		},
	}

	if k.level != alertingv2beta1.LevelNamespace {
		return watches
	}

	return append(watches,
		manager.Watch{
			Object: manager.MetadataOf(namespaceKind()), Handler: handler.EnqueueRequestsFromMapFunc(find.inNamespace),
			Predicates: []predicate.Predicate{predicate.LabelChangedPredicate{}},
		},
		// Where policies count, what one group leaves is what another may have.
		manager.Watch{
			Object: k.object(), Handler: handler.EnqueueRequestsFromMapFunc(find.beside),
			Predicates: []predicate.Predicate{changes},
		},
	)
}

func (k kind) indexes() []manager.Index {
	return []manager.Index{{
		Object: k.object(), Field: byRule,
		Value: func(object client.Object) []string {
			return []string{rendering.ObjectName(k.level, object.GetNamespace(), object.GetName())}
		},
	}}
}

// finder looks up in the caches whom an event concerns.
type finder struct {
	kind   kind
	reader client.Reader
}

// ofRule is the group of a PrometheusRule, be it there or gone: what was made of one that is gone has to go as well.
func (f finder) ofRule(ctx context.Context, rule client.Object) []reconcile.Request {
	if found := f.list(ctx, client.MatchingFields{byRule: rule.GetName()}); len(found) > 0 {
		return found
	}

	// An event of what is kept as digests has the digest in place of the version. The store must not be asked: it is
	// telling of the event.
	owner, _, _ := strings.Cut(rule.GetResourceVersion(), "|")

	group, isOwner := alerting.ParseOwner(owner)
	if !isOwner || group.Level != f.kind.level {
		return nil
	}

	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: group.Namespace, Name: group.Name}}}
}

func (f finder) all(ctx context.Context) []reconcile.Request { return f.list(ctx) }

func (f finder) inNamespace(ctx context.Context, namespace client.Object) []reconcile.Request {
	return f.list(ctx, client.InNamespace(namespace.GetName()))
}

// beside are the other groups of the namespace, where a policy makes them share.
func (f finder) beside(ctx context.Context, group client.Object) []reconcile.Request {
	policies := &alertingv1alpha1.AlertingPolicyList{}
	if err := f.reader.List(ctx, policies, client.UnsafeDisableDeepCopy); err != nil || !anyShares(policies.Items) {
		return nil
	}

	return f.list(ctx, client.InNamespace(group.GetNamespace()))
}

func anyShares(policies []alertingv1alpha1.AlertingPolicy) bool {
	for i := range policies {
		limits := policies[i].Spec.Limits
		if limits.GroupsPerNamespace != nil || limits.RulesPerNamespace != nil {
			return true
		}
	}

	return false
}

func (f finder) list(ctx context.Context, options ...client.ListOption) []reconcile.Request {
	list := f.kind.list()
	if err := f.reader.List(ctx, list, append(options, client.UnsafeDisableDeepCopy)...); err != nil {
		// It is in memory: only a controller that is being stopped fails here.
		klog.FromContext(ctx).V(1).Info("Cannot look up groups of rules", "reason", err.Error())

		return nil
	}

	var requests []reconcile.Request

	items, _ := meta.ExtractList(list)
	for _, item := range items {
		if object, isObject := item.(client.Object); isObject {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(object)})
		}
	}

	return requests
}
