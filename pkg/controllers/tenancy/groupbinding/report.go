package groupbinding

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

// Reasons of the conditions.
const (
	reasonFailed        = "WriteFailed"
	reasonGroupNotFound = "GroupNotFound"
	reasonGroupDeleting = "GroupDeleting"
	reasonUserNotFound  = "UserNotFound"
	reasonUserPaused    = "UserPaused"
	reasonProgramming   = "Programming"
	reasonProgrammed    = "Programmed"
)

// verdict is what the conditions say.
func verdict(
	binding *iamv1beta1.GroupBinding, group accounts.GroupState, problems tenancy.Problems, seen users, err error,
) kube.Report {
	if len(problems) > 0 {
		return kube.Report{
			State: kube.StateStalled, Reason: problems.Reason(), Message: problems.Message(),
			Conditions: []metav1.Condition{{
				Type: kube.ConditionAccepted, Status: metav1.ConditionFalse, Message: problems.Message(),
			}},
		}
	}

	resolved := resolvedRefs(binding, group, seen)
	programmed := programmed(seen, err)

	report := kube.Report{
		State: kube.StateReady, Message: "The users are members of the group.",
		Conditions: []metav1.Condition{
			{Type: kube.ConditionAccepted, Status: metav1.ConditionTrue, Reason: kube.ConditionAccepted},
			resolved, programmed,
		},
	}

	for _, condition := range []metav1.Condition{resolved, programmed} {
		if condition.Status == metav1.ConditionFalse {
			report.State, report.Reason, report.Message = kube.StateProgressing, condition.Reason, condition.Message
		}
	}

	if err != nil {
		report.State = kube.StateFailed
	}

	return report
}

// resolvedRefs tells what the binding names in vain.
func resolvedRefs(binding *iamv1beta1.GroupBinding, group accounts.GroupState, seen users) metav1.Condition {
	condition := metav1.Condition{
		Type: kube.ConditionResolvedRefs, Status: metav1.ConditionTrue, Reason: kube.ConditionResolvedRefs,
	}

	var messages []string

	if len(seen.missing) > 0 {
		condition.Status, condition.Reason = metav1.ConditionFalse, reasonUserNotFound

		messages = append(messages, "users: there is no User "+accounts.Names(seen.missing)+
			"; create it, or take the name off the list")
	}

	switch group {
	case accounts.GroupMissing:
		condition.Status, condition.Reason = metav1.ConditionFalse, reasonGroupNotFound

		messages = append(messages, fmt.Sprintf("groupRef.name: there is no Group %s; create it, or delete the binding",
			binding.GroupRef.Name))
	case accounts.GroupDeleting:
		condition.Status, condition.Reason = metav1.ConditionFalse, reasonGroupDeleting

		messages = append(messages, fmt.Sprintf("groupRef.name: Group %s is being deleted", binding.GroupRef.Name))
	case accounts.GroupPresent:
	}

	condition.Message = strings.Join(messages, "; ")

	return condition
}

// programmed tells who is not a member yet.
func programmed(seen users, err error) metav1.Condition {
	condition := metav1.Condition{
		Type: kube.ConditionProgrammed, Status: metav1.ConditionTrue, Reason: reasonProgrammed,
	}

	switch {
	case err != nil:
		condition.Reason, condition.Message = reasonFailed, err.Error()
	case len(seen.later) > 0:
		condition.Reason = reasonProgramming
		condition.Message = fmt.Sprintf("%d users are yet to come", len(seen.later))
	case len(seen.paused) > 0:
		condition.Reason = reasonUserPaused
		condition.Message = "These users are on hold by the annotation " + kube.PausedAnnotation + ": " +
			accounts.Names(seen.paused)
	default:
		return condition
	}

	condition.Status = metav1.ConditionFalse

	return condition
}
