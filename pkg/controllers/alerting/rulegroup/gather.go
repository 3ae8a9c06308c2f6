package rulegroup

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	alertingv1alpha1 "github.com/ks-core/ks-controller-manager/api/alerting/v1alpha1"
	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/policy"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
)

const ownerAnnotation = alerting.OwnerAnnotation

// gathered is all that a group depends on.
type gathered struct {
	key     client.ObjectKey
	enabled bool
	version string // tells apart the states of the group that its tests depend on
	group   rendering.Group
	around  rendering.Surroundings
	surplus policy.Bound[int] // given when the namespace has more groups than it may
}

func (r *Reconciler) gather(ctx context.Context, object client.Object) (gathered, error) {
	group := r.kind.group(object)
	found := gathered{
		key: client.ObjectKeyFromObject(object), enabled: alerting.Enabled(object), group: group,
		version: fmt.Sprintf("%s/%d", object.GetUID(), object.GetGeneration()),
		around:  rendering.Surroundings{Cluster: r.settings.Cluster},
	}

	policies := &alertingv1alpha1.AlertingPolicyList{}
	if err := r.client.List(ctx, policies, client.UnsafeDisableDeepCopy); err != nil {
		return found, fmt.Errorf("read the policies: %w", err)
	}

	subject, err := r.subject(ctx, object.GetNamespace())
	if err != nil {
		return found, err
	}

	pointers := make([]*alertingv1alpha1.AlertingPolicy, 0, len(policies.Items))
	for i := range policies.Items {
		pointers = append(pointers, &policies.Items[i])
	}

	found.around.Bounds, _ = policy.Resolve(pointers, subject)
	found.around.Allowance = found.around.Bounds.RulesPerGroup

	if err := r.share(ctx, object, &found); err != nil {
		return found, err
	}

	return found, nil
}

// subject is whom policies choose: the namespace of the group, or the cluster.
func (r *Reconciler) subject(ctx context.Context, name string) (policy.Subject, error) {
	if name == "" {
		return policy.Subject{}, nil
	}

	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(namespaceKind())

	err := r.client.Get(ctx, client.ObjectKey{Name: name}, namespace)
	if client.IgnoreNotFound(err) != nil {
		return policy.Subject{}, fmt.Errorf("read the namespace: %w", err)
	}

	return policy.SubjectOf(name, namespace.Labels), nil
}

// share leaves a group what the older ones of its namespace do not use.
func (r *Reconciler) share(ctx context.Context, object client.Object, found *gathered) error {
	bounds := found.around.Bounds
	if object.GetNamespace() == "" || !bounds.Shared() {
		return nil
	}

	older, err := r.older(ctx, object)
	if err != nil {
		return err
	}

	found.around.Allowance, found.surplus = bounds.Share(older)

	return nil
}

// older are the numbers of rules of the groups of the namespace that come before one.
func (r *Reconciler) older(ctx context.Context, object client.Object) ([]int, error) {
	list, inside := r.kind.list(), client.InNamespace(object.GetNamespace())
	if err := r.client.List(ctx, list, inside, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("read the groups of the namespace: %w", err)
	}

	items, err := meta.ExtractList(list)
	if err != nil {
		return nil, fmt.Errorf("read a list of groups: %w", err)
	}

	var sizes []int

	for _, item := range items {
		other, isObject := item.(client.Object)
		if isObject && alerting.Counts(other) && alerting.Age(other, object) < 0 {
			sizes = append(sizes, len(r.kind.group(other).Rules))
		}
	}

	return sizes, nil
}

// intentOf is a PrometheusRule with nothing but what we say of it.
func intentOf(rule *monitoringv1.PrometheusRule) (runtime.ApplyConfiguration, error) {
	text, err := json.Marshal(rule)
	if err != nil {
		return nil, fmt.Errorf("write the rules as JSON: %w", err)
	}

	intent := &unstructured.Unstructured{}
	if err := json.Unmarshal(text, &intent.Object); err != nil {
		return nil, fmt.Errorf("read the rules as JSON: %w", err)
	}

	unstructured.RemoveNestedField(intent.Object, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(intent.Object, "status")

	return client.ApplyConfigurationFromUnstructured(intent), nil
}

// positions lists the rules that were left out.
func positions(rejected []alertingv2beta1.RejectedRule) []int {
	found := make([]int, 0, len(rejected))
	for _, rule := range rejected {
		found = append(found, int(rule.Index))
	}

	return slices.Sorted(slices.Values(found))
}
