package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

var errConditions = errors.New("the conditions are wrong")

// ConditionsTellOneStory checks what every settled object says of itself: Ready,
// Reconciling and Stalled stand first, each once, each with a reason and for the
// present generation, and together they tell one of the stories a kube.State
// tells.
func ConditionsTellOneStory(ctx context.Context, b Backend, s Subject) error {
	if s.NoConditions {
		return s.validate()
	}

	return inEachWorld(ctx, b, s, func(ctx context.Context, tr *trial, world World) error {
		if _, err := tr.settled(ctx, world); err != nil {
			return err
		}

		objects, err := tr.primaries(ctx)
		if err != nil {
			return err
		}

		for _, obj := range objects {
			if err := tr.story(obj); err != nil {
				return fmt.Errorf("%w: %s: %w", errConditions, refOf(obj), err)
			}
		}

		return nil
	})
}

func (tr *trial) story(obj *unstructured.Unstructured) error {
	conditions, err := conditionsOf(obj)
	if err != nil {
		return err
	}

	if obj.GetDeletionTimestamp() != nil && len(conditions) == 0 {
		return nil // It was deleted before we came, and others hold it.
	}

	seen := map[string]bool{}

	for i, condition := range conditions {
		if err := tr.wellFormed(obj, condition, i); err != nil {
			return err
		}

		if seen[condition.Type] {
			return fmt.Errorf("%s is there twice", condition.Type)
		}

		seen[condition.Type] = true
	}

	return oneStory(conditions)
}

// wellFormed checks the condition that is the i-th of an object.
func (tr *trial) wellFormed(obj *unstructured.Unstructured, condition metav1.Condition, i int) error {
	summary := summaryTypes()
	if i >= len(summary) {
		return nil // The rest may be somebody else's.
	}

	wanted := int64(0)
	if tr.hasStatusSubresource(obj.GroupVersionKind()) {
		wanted = obj.GetGeneration()
	}

	switch {
	case condition.Type != summary[i]:
		return fmt.Errorf("the condition at %d is %s, not %s", i, condition.Type, summary[i])
	case condition.ObservedGeneration != wanted:
		return fmt.Errorf("%s has observed generation %d of %d", condition.Type, condition.ObservedGeneration, wanted)
	case condition.Reason == "":
		return fmt.Errorf("%s has no reason", condition.Type)
	case condition.LastTransitionTime.IsZero():
		return fmt.Errorf("%s has no transition time", condition.Type)
	}

	return nil
}

func summaryTypes() []string {
	return []string{kube.ConditionReady, kube.ConditionReconciling, kube.ConditionStalled}
}

// oneStory checks that the first three conditions agree.
func oneStory(conditions []metav1.Condition) error {
	if len(conditions) < len(summaryTypes()) {
		return fmt.Errorf("there are %d of %v", len(conditions), summaryTypes())
	}

	var got [3]metav1.ConditionStatus
	for i := range got {
		got[i] = conditions[i].Status
	}

	switch got {
	case [3]metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionFalse},
		[3]metav1.ConditionStatus{metav1.ConditionFalse, metav1.ConditionTrue, metav1.ConditionFalse},
		[3]metav1.ConditionStatus{metav1.ConditionFalse, metav1.ConditionFalse, metav1.ConditionTrue},
		[3]metav1.ConditionStatus{metav1.ConditionUnknown, metav1.ConditionFalse, metav1.ConditionFalse}:
		return nil
	default:
		return fmt.Errorf("%v are %v", summaryTypes(), got)
	}
}

func conditionsOf(obj *unstructured.Unstructured) ([]metav1.Condition, error) {
	values, _, err := unstructured.NestedSlice(obj.Object, "status", "conditions")
	if err != nil {
		return nil, fmt.Errorf("reading the conditions: %w", err)
	}

	raw, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("encoding the conditions: %w", err)
	}

	var conditions []metav1.Condition
	if err := json.Unmarshal(raw, &conditions); err != nil {
		return nil, fmt.Errorf("decoding the conditions: %w", err)
	}

	return conditions, nil
}
