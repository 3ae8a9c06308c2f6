package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/policy"
)

func TestShare(t *testing.T) {
	limit := func(value int) policy.Bound[int] { return policy.Bound[int]{Value: value, By: "p"} }

	for name, test := range map[string]struct {
		bounds             policy.Bounds
		older              []int
		allowance, surplus policy.Bound[int]
	}{
		"no policy": {
			bounds:    policy.Bounds{RulesPerGroup: policy.Bound[int]{Value: 40}},
			older:     []int{40, 40},
			allowance: policy.Bound[int]{Value: 40},
		},
		"room for all": {
			bounds: policy.Bounds{
				RulesPerGroup: limit(5), RulesPerNamespace: limit(20), GroupsPerNamespace: limit(3),
			},
			older:     []int{5, 5},
			allowance: limit(5),
		},
		"the rest": {
			bounds:    policy.Bounds{RulesPerGroup: limit(5), RulesPerNamespace: limit(12)},
			older:     []int{5, 5},
			allowance: limit(2),
		},
		"nothing left": {
			bounds:    policy.Bounds{RulesPerGroup: limit(5), RulesPerNamespace: limit(8)},
			older:     []int{5, 5},
			allowance: limit(0),
		},
		"one group too many": {
			bounds:    policy.Bounds{RulesPerGroup: limit(5), GroupsPerNamespace: limit(2)},
			older:     []int{1, 1},
			allowance: limit(5), surplus: limit(2),
		},
	} {
		t.Run(name, func(t *testing.T) {
			allowance, surplus := test.bounds.Share(test.older)
			if diff := cmp.Diff([]policy.Bound[int]{test.allowance, test.surplus},
				[]policy.Bound[int]{allowance, surplus}); diff != "" {
				t.Error(diff)
			}
		})
	}
}
