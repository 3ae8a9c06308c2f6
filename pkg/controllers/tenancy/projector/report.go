package projector

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

// Reasons of the conditions.
const (
	reasonApplied     = "Applied"
	reasonApplyFailed = "ApplyFailed"
	reasonDeleting    = "Deleting"
	reasonNoSubjects  = "NoSubjects"
)

// failure reports what the API server refused.
func failure(err error) kube.Report {
	return kube.Report{
		State: kube.StateFailed, Reason: reasonApplyFailed, Message: err.Error(),
		Conditions: []metav1.Condition{
			{Type: kube.ConditionProgrammed, Status: metav1.ConditionFalse, Message: err.Error()},
		},
	}
}

// deleting reports on a source that others hold on to.
func deleting() kube.Report {
	return kube.Report{
		State: kube.StateProgressing, Reason: reasonDeleting,
		Message:    "Nobody has anything by this any more; a finalizer of somebody else holds the object",
		Conditions: []metav1.Condition{{Type: kube.ConditionProgrammed, Status: metav1.ConditionFalse}},
	}
}

// programmed says that the native object, by its name, is in place.
func programmed(native string) metav1.Condition {
	return metav1.Condition{
		Type: kube.ConditionProgrammed, Status: metav1.ConditionTrue, Reason: reasonApplied, Message: native,
	}
}
