// Package trial says what an AlertingPolicy refuses, or would refuse: how many rules it leaves out of groups as they
// are now, be it enforced or on trial.
package trial

import (
	alertingv1alpha1 "github.com/ks-core/ks-controller-manager/api/alerting/v1alpha1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/policy"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
)

// Rules counts the rules of a group that are left out because of the policy alone: those that would be used without
// it. What the groups of a namespace have together is not looked at; see Shares.
func Rules(of *alertingv1alpha1.AlertingPolicy, subject policy.Subject, group rendering.Group) int {
	without := rejected(nil, subject, group)
	with := rejected(alone(of), subject, group)

	return max(with-without, 0)
}

func rejected(policies []*alertingv1alpha1.AlertingPolicy, subject policy.Subject, group rendering.Group) int {
	bounds, _ := policy.Resolve(policies, subject)

	result, err := rendering.Render(group, rendering.Surroundings{Bounds: bounds, Allowance: bounds.RulesPerGroup})
	if err != nil {
		return 0 // The group cannot be used, whatever the policy says.
	}

	return len(result.Rejected)
}

// alone is the policy as if it were enforced, and there were no other.
func alone(of *alertingv1alpha1.AlertingPolicy) []*alertingv1alpha1.AlertingPolicy {
	enforced := of.DeepCopy()
	enforced.Spec.Mode = alertingv1alpha1.ModeEnforce

	return []*alertingv1alpha1.AlertingPolicy{enforced}
}

// Shares counts the rules that are left out because the groups of a namespace have too many together. sizes are the
// numbers of rules of its groups, the oldest first.
func Shares(of *alertingv1alpha1.AlertingPolicy, sizes []int) int {
	limits, refused, used := of.Spec.Limits, 0, 0

	for i, size := range sizes {
		if limits.GroupsPerNamespace != nil && i >= int(*limits.GroupsPerNamespace) {
			refused += size

			continue
		}

		if limits.RulesPerNamespace != nil {
			left := max(int(*limits.RulesPerNamespace)-used, 0)
			refused += max(size-left, 0)
		}

		used += size
	}

	return refused
}
