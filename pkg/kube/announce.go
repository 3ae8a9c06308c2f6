package kube

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Announce tells of a transition of readiness by one event on obj: when the status
// or the reason of Ready is another than in before, the conditions as they were
// read. That all is well at the first look is no news: the condition says so, and an
// event for each of ten thousand objects would bury the others. To be called when the
// report has been written, and not otherwise, or the same transition would be told
// twice.
func Announce(recorder events.EventRecorder, obj client.Object, before []metav1.Condition, report Report) {
	ready, _, _ := report.State.conditions()

	was := meta.FindStatusCondition(before, ConditionReady)
	if was != nil && was.Status == ready && was.Reason == report.reason() {
		return
	}

	if was == nil && report.State == StateReady {
		return
	}

	kind := corev1.EventTypeNormal
	if report.State == StateFailed || report.State == StateStalled {
		kind = corev1.EventTypeWarning
	}

	recorder.Eventf(obj, nil, kind, report.reason(), "Reconcile", "%s", truncate(note(report)))
}

// note is never empty, for the API server refuses events without one.
func note(report Report) string {
	if report.Message == "" {
		return report.reason()
	}

	return report.Message
}
