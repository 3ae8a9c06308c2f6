package rulemigration

import (
	"context"
	"fmt"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

// emptyGroup returns an empty group of a level.
func emptyGroup(level string) client.Object {
	switch level {
	case alertingv2beta1.LevelNamespace:
		return &alertingv2beta1.RuleGroup{}
	case alertingv2beta1.LevelCluster:
		return &alertingv2beta1.ClusterRuleGroup{}
	default:
		return &alertingv2beta1.GlobalRuleGroup{}
	}
}

// find reads an object, and tells whether it is there.
func find(ctx context.Context, reader client.Reader, key client.ObjectKey, into client.Object) (bool, error) {
	err := reader.Get(ctx, key, into)
	if apierrors.IsNotFound(err) {
		return false, nil
	}

	return err == nil, err
}

// content is what the three kinds have in common.
type content struct {
	level  string
	spec   any
	head   alertingv2beta1.GroupSpec
	rules  int // that are not disabled
	status *alertingv2beta1.RuleGroupStatus
}

func contentOf(object client.Object) content {
	var (
		found content
		rules []alertingv2beta1.Rule
	)

	switch group := object.(type) {
	case *alertingv2beta1.RuleGroup:
		found = content{alertingv2beta1.LevelNamespace, group.Spec, group.Spec.GroupSpec, 0, &group.Status}
		for i := range group.Spec.Rules {
			rules = append(rules, group.Spec.Rules[i].Rule)
		}
	case *alertingv2beta1.ClusterRuleGroup:
		found = content{alertingv2beta1.LevelCluster, group.Spec, group.Spec.GroupSpec, 0, &group.Status}
		for i := range group.Spec.Rules {
			rules = append(rules, group.Spec.Rules[i].Rule)
		}
	case *alertingv2beta1.GlobalRuleGroup:
		found = content{alertingv2beta1.LevelGlobal, group.Spec, group.Spec.GroupSpec, 0, &group.Status}
		for i := range group.Spec.Rules {
			rules = append(rules, group.Spec.Rules[i].Rule)
		}
	default:
		found.status = &alertingv2beta1.RuleGroupStatus{}
	}

	for i := range rules {
		if !rules[i].Disable {
			found.rules++
		}
	}

	return found
}

// saysTheSame tells whether two groups have the same rules, and the same to say of them.
func saysTheSame(a, b client.Object) bool {
	return apiequality.Semantic.DeepEqual(contentOf(a).spec, contentOf(b).spec)
}

// verdict is how far a group is with the rules that it is to take over.
type verdict struct {
	blocked string    // why it never will, as it stands
	waiting string    // for what, when it is not there yet
	since   time.Time // when its rules were handed to an evaluator
}

// judge reads the conditions that the group's own controller wrote, as far as they are about its present generation.
func judge(object client.Object) verdict {
	status := contentOf(object).status
	generation := object.GetGeneration()

	condition := func(kind string) *metav1.Condition {
		found := meta.FindStatusCondition(status.Conditions, kind)
		if found == nil || found.ObservedGeneration != generation {
			return &metav1.Condition{Status: metav1.ConditionUnknown}
		}

		return found
	}

	if status.ObservedGeneration != generation {
		return verdict{waiting: nameOf(object) + " has not been looked at yet"}
	}

	if stalled := condition(kube.ConditionStalled); stalled.Status == metav1.ConditionTrue {
		return verdict{blocked: nameOf(object) + ": " + stalled.Message}
	}

	programmed := condition(kube.ConditionProgrammed)
	if programmed.Status != metav1.ConditionTrue || condition(kube.ConditionReady).Status != metav1.ConditionTrue {
		return verdict{waiting: nameOf(object) + " is not in force yet"}
	}

	return verdict{since: programmed.LastTransitionTime.Time}
}

// nameOf names a group as its users know it.
func nameOf(object client.Object) string {
	switch contentOf(object).level {
	case alertingv2beta1.LevelNamespace:
		return fmt.Sprintf("RuleGroup %s/%s", object.GetNamespace(), object.GetName())
	case alertingv2beta1.LevelCluster:
		return "ClusterRuleGroup " + object.GetName()
	default:
		return "GlobalRuleGroup " + object.GetName()
	}
}

// heir is what takes over rules of a PrometheusRule, and how far it is.
type heir struct {
	verdict

	group client.Object // nil: there is none, nor need there be
}

type heirs []heir

// blocked lists why what never will.
func (h heirs) blocked() []string {
	var reasons []string

	for _, one := range h {
		if one.blocked != "" {
			reasons = append(reasons, one.blocked)
		}
	}

	return reasons
}

// waiting is the first of what is awaited.
func (h heirs) waiting() string {
	for _, one := range h {
		if one.waiting != "" {
			return one.waiting
		}
	}

	return ""
}

// names are those of the groups, as users know them.
func (h heirs) names() []string {
	var names []string

	for _, one := range h {
		if one.group != nil {
			names = append(names, nameOf(one.group))
		}
	}

	return names
}
