package kube

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The condition types all domains share, in the order in which they are listed.
// Anything finer is a reason.
const (
	// ConditionReady is True when the object does what its spec says.
	ConditionReady = "Ready"
	// ConditionReconciling is True while the controller works or waits.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when only a change of the spec can help.
	ConditionStalled = "Stalled"
	// ConditionAccepted is True when the spec is valid and permitted.
	ConditionAccepted = "Accepted"
	// ConditionResolvedRefs is True when everything the spec names exists.
	ConditionResolvedRefs = "ResolvedRefs"
	// ConditionProgrammed is True when the data plane has been told.
	ConditionProgrammed = "Programmed"
	// ConditionHealthy is True when the data plane reports that it works.
	ConditionHealthy = "Healthy"
)

// maxMessage is the length, in bytes, beyond which the message of a condition is
// cut. It keeps an error that quotes its input from filling the object.
const maxMessage = 1024

const ellipsis = "..."

// rank returns the place of a condition type in the list; types that are not
// ours share the last place.
func rank(conditionType string) int {
	order := [...]string{
		ConditionReady, ConditionReconciling, ConditionStalled,
		ConditionAccepted, ConditionResolvedRefs, ConditionProgrammed, ConditionHealthy,
	}
	if i := slices.Index(order[:], conditionType); i >= 0 {
		return i
	}

	return len(order)
}

// setCondition writes one condition. lastTransitionTime moves only with the
// status, whatever becomes of reason and message.
func setCondition(conditions *[]metav1.Condition, wanted metav1.Condition, now metav1.Time) {
	wanted.Message = truncate(wanted.Message)
	wanted.LastTransitionTime = now

	i := slices.IndexFunc(*conditions, func(c metav1.Condition) bool { return c.Type == wanted.Type })
	if i < 0 {
		*conditions = append(*conditions, wanted)

		return
	}

	if was := (*conditions)[i]; was.Status == wanted.Status && !was.LastTransitionTime.IsZero() {
		wanted.LastTransitionTime = was.LastTransitionTime
	}

	(*conditions)[i] = wanted
}

// arrange drops repeated types, of which the first stays, and sorts ours to the
// front. The rest keeps its order.
func arrange(conditions []metav1.Condition) []metav1.Condition {
	seen := make(map[string]bool, len(conditions))
	unique := slices.DeleteFunc(conditions, func(c metav1.Condition) bool {
		again := seen[c.Type]
		seen[c.Type] = true

		return again
	})

	slices.SortStableFunc(unique, func(a, b metav1.Condition) int { return rank(a.Type) - rank(b.Type) })

	return unique
}

// truncate cuts message to maxMessage bytes, between runes, and repairs what is
// no UTF-8, which the API server would refuse or alter.
func truncate(message string) string {
	message = strings.ToValidUTF8(message, "\uFFFD")
	if len(message) <= maxMessage {
		return message
	}

	end := maxMessage - len(ellipsis)
	for !utf8.RuneStart(message[end]) {
		end--
	}

	return message[:end] + ellipsis
}

// transition returns now as the API server would store it, in whole seconds, so
// that what is compared later is what was written.
func transition(now time.Time) metav1.Time {
	return metav1.NewTime(now.Truncate(time.Second))
}
