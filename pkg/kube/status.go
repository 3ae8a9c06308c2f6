package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// State is where an object stands after a run of its controller.
type State int

const (
	// StateProgressing waits for something that is watched. It is the zero
	// value: a report nobody filled in promises nothing.
	StateProgressing State = iota
	// StateReady has everything in place.
	StateReady
	// StateFailed met an error that may pass, and is being retried.
	StateFailed
	// StateStalled has a spec that can never work.
	StateStalled
	// StatePaused is on hold by its user.
	StatePaused
)

// String returns the state as the reason used where a Report has none.
func (s State) String() string {
	switch s {
	case StateReady:
		return "Ready"
	case StateFailed:
		return "Failed"
	case StateStalled:
		return "Stalled"
	case StatePaused:
		return "Paused"
	case StateProgressing:
	}

	return "Progressing"
}

// conditions returns the status of Ready, Reconciling and Stalled: one story per
// state, as kstatus reads them.
func (s State) conditions() (metav1.ConditionStatus, metav1.ConditionStatus, metav1.ConditionStatus) {
	switch s {
	case StateReady:
		return metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionFalse
	case StateStalled:
		return metav1.ConditionFalse, metav1.ConditionFalse, metav1.ConditionTrue
	case StatePaused:
		return metav1.ConditionUnknown, metav1.ConditionFalse, metav1.ConditionFalse
	case StateProgressing, StateFailed:
	}

	return metav1.ConditionFalse, metav1.ConditionTrue, metav1.ConditionFalse
}

// Report is what a run has to say about its object.
type Report struct {
	// State decides Ready, Reconciling and Stalled together.
	State State
	// Reason is a CamelCase word; empty means the name of the State. A paused
	// object always says Paused.
	Reason string
	// Message tells users what is so and what would help. It must not change
	// between runs that find the same.
	Message string
	// Conditions are the domain's finer ones. Only type, status, reason and
	// message are used; an empty reason becomes that of the report.
	Conditions []metav1.Condition
}

// SetConditions writes the report into an object's conditions: Ready,
// Reconciling and Stalled always, then those of the domain, all with generation
// as their observedGeneration (zero for kinds whose status is no subresource).
// Conditions of others are kept, behind ours. now, in whole seconds, becomes the
// transition time of those whose status has changed, and of no other: writing
// the same report twice changes nothing.
func (r Report) SetConditions(conditions *[]metav1.Condition, generation int64, now time.Time) {
	at := transition(now)
	list := arrange(slices.Clone(*conditions))

	for _, condition := range slices.Concat(r.summary(), r.finer()) {
		condition.ObservedGeneration = generation
		if condition.Reason == "" {
			condition.Reason = r.reason()
		}

		setCondition(&list, condition, at)
	}

	*conditions = arrange(list)
}

// summary returns the three conditions every object has. The message stands
// where it belongs: with Ready, and with what keeps the object from it.
func (r Report) summary() []metav1.Condition {
	ready, reconciling, stalled := r.State.conditions()
	conditions := []metav1.Condition{
		{Type: ConditionReady, Status: ready, Message: r.Message},
		{Type: ConditionReconciling, Status: reconciling},
		{Type: ConditionStalled, Status: stalled},
	}

	for i := range conditions {
		conditions[i].Reason = r.reason()
		if conditions[i].Status == metav1.ConditionTrue {
			conditions[i].Message = r.Message
		}
	}

	return conditions
}

// finer returns the domain's conditions, less those that only the State decides.
func (r Report) finer() []metav1.Condition {
	return slices.DeleteFunc(slices.Clone(r.Conditions), func(c metav1.Condition) bool {
		return rank(c.Type) <= rank(ConditionStalled)
	})
}

func (r Report) reason() string {
	if r.Reason == "" || r.State == StatePaused {
		return r.State.String()
	}

	return r.Reason
}

// PatchStatus writes the difference between the status of before, as it was
// read, and of after, its changed copy, and says whether there was any. Nothing
// but the status is sent, as a merge patch under before's resourceVersion: lists
// like conditions go as a whole, so they must not overwrite what the caller has
// not seen. On success after is what the server answered. An object that
// vanished while it was being deleted needs no status.
func PatchStatus(ctx context.Context, c client.StatusClient, before, after client.Object) (bool, error) {
	patch, err := statusPatch(before, after)
	if err != nil {
		return false, fmt.Errorf("comparing the status of %s: %w", describe(before), err)
	}

	if patch == nil {
		return false, nil
	}

	err = c.Status().Patch(ctx, after, client.RawPatch(types.MergePatchType, patch))
	if err != nil && !before.GetDeletionTimestamp().IsZero() && client.IgnoreNotFound(err) == nil {
		return false, nil
	}

	if err != nil {
		return false, fmt.Errorf("writing the status of %s: %w", describe(before), err)
	}

	return true, nil
}

// statusPatch returns the merge patch from one status to the other, nil where
// both read the same as JSON.
func statusPatch(before, after client.Object) ([]byte, error) {
	diff, err := client.MergeFrom(before).Data(after)
	if err != nil {
		return nil, fmt.Errorf("computing the merge patch: %w", err)
	}

	var parts struct {
		Status json.RawMessage `json:"status"`
	}
	if err := json.Unmarshal(diff, &parts); err != nil {
		return nil, fmt.Errorf("decoding the merge patch: %w", err)
	}

	if parts.Status == nil {
		return nil, nil
	}

	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": before.GetResourceVersion()},
		"status":   parts.Status,
	})
	if err != nil {
		return nil, fmt.Errorf("encoding the status patch: %w", err)
	}

	return patch, nil
}
