package admission

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	alertingv1alpha1 "github.com/ks-core/ks-controller-manager/api/alerting/v1alpha1"
	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/policy"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
)

// subject is a group as the API server sends it.
type subject struct {
	meta  metav1.Object
	group rendering.Group
}

func read(kind string, raw []byte) (subject, error) {
	switch kind {
	case "RuleGroup":
		return readAs(raw, rendering.OfNamespace)
	case "ClusterRuleGroup":
		return readAs(raw, rendering.OfCluster)
	case "GlobalRuleGroup":
		return readAs(raw, rendering.OfGlobal)
	default:
		return subject{}, fmt.Errorf("kind %q is no group of rules", kind)
	}
}

func readAs[T any, P interface {
	*T
	metav1.Object
}](raw []byte, convert func(P) rendering.Group) (subject, error) {
	object := P(new(T))
	if err := json.Unmarshal(raw, object); err != nil {
		return subject{}, fmt.Errorf("read the group: %w", err)
	}

	return subject{meta: object, group: convert(object)}, nil
}

// surroundings looks up what a group depends on. It asks the API server each time, for groups of rules are seldom
// written, and what is asked for stands in the API server's own cache.
type surroundings struct {
	reader  client.Reader
	cluster string
}

// of returns what holds for a group, and the limit that it is beyond as a whole, if it is.
func (s surroundings) of(
	ctx context.Context, asked subject,
) (rendering.Surroundings, policy.Bound[int], error) {
	found := rendering.Surroundings{Cluster: s.cluster}

	policies, err := s.policies(ctx)
	if err != nil {
		return found, policy.Bound[int]{}, err
	}

	whom, err := s.namespace(ctx, asked.group.Namespace)
	if err != nil {
		return found, policy.Bound[int]{}, err
	}

	found.Bounds, _ = policy.Resolve(policies, whom)

	var older []int

	if asked.group.Namespace != "" && found.Bounds.Shared() {
		if older, err = s.older(ctx, asked.meta); err != nil {
			return found, policy.Bound[int]{}, err
		}
	}

	allowance, surplus := found.Bounds.Share(older)
	found.Allowance = allowance

	return found, surplus, nil
}

// cached lets the API server answer from its cache.
func cached() *client.ListOptions {
	return &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: "0"}}
}

// policies are none where there is no such kind.
func (s surroundings) policies(ctx context.Context) ([]*alertingv1alpha1.AlertingPolicy, error) {
	list := &alertingv1alpha1.AlertingPolicyList{}

	err := s.reader.List(ctx, list, cached())
	if err != nil && !meta.IsNoMatchError(err) && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("read the policies: %w", err)
	}

	policies := make([]*alertingv1alpha1.AlertingPolicy, 0, len(list.Items))
	for i := range list.Items {
		policies = append(policies, &list.Items[i])
	}

	return policies, nil
}

// namespace is whom policies choose; the cluster for groups without a namespace.
func (s surroundings) namespace(ctx context.Context, name string) (policy.Subject, error) {
	if name == "" {
		return policy.Subject{}, nil
	}

	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))

	err := s.reader.Get(ctx, client.ObjectKey{Name: name}, namespace)
	if client.IgnoreNotFound(err) != nil {
		return policy.Subject{}, fmt.Errorf("read the namespace: %w", err)
	}

	return policy.SubjectOf(name, namespace.Labels), nil
}

// older are the numbers of rules of the groups that come before one in its namespace.
func (s surroundings) older(ctx context.Context, asked metav1.Object) ([]int, error) {
	list := &alertingv2beta1.RuleGroupList{}
	if err := s.reader.List(ctx, list, client.InNamespace(asked.GetNamespace()), cached()); err != nil {
		return nil, fmt.Errorf("read the groups of the namespace: %w", err)
	}

	var sizes []int

	for i := range list.Items {
		other := &list.Items[i]
		if other.Name != asked.GetName() && alerting.Counts(other) && alerting.Age(other, asked) < 0 {
			sizes = append(sizes, len(other.Spec.Rules))
		}
	}

	return sizes, nil
}
