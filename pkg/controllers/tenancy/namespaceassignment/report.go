package namespaceassignment

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/assignment"
)

// Reasons of the conditions, beside those of the engine.
const (
	reasonAssigned          = "Assigned"
	reasonAssigning         = "Assigning"
	reasonAssignFailed      = "AssignFailed"
	reasonDryRun            = "DryRun"
	reasonRefused           = "NamespacesRefused"
	reasonWorkspaceNotFound = "WorkspaceNotFound"
)

// maxChanges is how many namespaces the status has room for.
const maxChanges = 100

// counts is what the status says of a decision beside the conditions.
func counts(decision assignment.Decision) tenantv1beta1.NamespaceAssignmentStatus {
	status := tenantv1beta1.NamespaceAssignmentStatus{
		Assigned: number(decision.Assigned),
		Pending:  number(len(decision.Moves)),
		Refused:  number(len(decision.Refusals)),
	}

	for _, change := range decision.Changes(maxChanges) {
		status.Changes = append(status.Changes, tenantv1beta1.AssignmentChange{
			Namespace: change.Namespace, From: change.From, Refused: change.Message,
		})
	}

	return status
}

func number(n int) *int32 {
	return new(int32(n)) //nolint:gosec // a cluster holds far fewer than 2^31 namespaces
}

// refused reports an assignment that its author has to change.
func refused(problems tenancy.Problems) kube.Report {
	return kube.Report{
		State: kube.StateStalled, Reason: problems.Reason(), Message: problems.Message(),
		Conditions: []metav1.Condition{
			{Type: kube.ConditionAccepted, Status: metav1.ConditionFalse, Message: problems.Message()},
		},
	}
}

// unresolved reports an assignment to a workspace that is not there, or will soon not be.
func unresolved(object *tenantv1beta1.NamespaceAssignment) kube.Report {
	message := fmt.Sprintf("spec.workspace: there is no workspace %s, or it is being deleted; nothing is moved until "+
		"it is there", object.Spec.Workspace)

	return kube.Report{
		State: kube.StateFailed, Reason: reasonWorkspaceNotFound, Message: message,
		Conditions: []metav1.Condition{
			accepted(),
			{Type: kube.ConditionResolvedRefs, Status: metav1.ConditionFalse, Message: message},
			{Type: kube.ConditionProgrammed, Status: metav1.ConditionFalse},
		},
	}
}

// failed reports what the API server refused.
func failed(err error) kube.Report {
	return kube.Report{
		State: kube.StateFailed, Reason: reasonAssignFailed, Message: err.Error(),
		Conditions: []metav1.Condition{
			accepted(), resolved(),
			{Type: kube.ConditionProgrammed, Status: metav1.ConditionFalse, Message: err.Error()},
		},
	}
}

// rehearsed reports what would be done.
func rehearsed(object *tenantv1beta1.NamespaceAssignment, decision assignment.Decision) kube.Report {
	report := kube.Report{
		State: kube.StateReady, Reason: reasonDryRun,
		Message: fmt.Sprintf("With spec.mode Enforce, %d namespaces would be moved to workspace %s and %d would stay "+
			"where they are; see status.changes.", len(decision.Moves), object.Spec.Workspace, len(decision.Refusals)),
		Conditions: []metav1.Condition{
			accepted(), resolved(),
			{Type: kube.ConditionProgrammed, Status: metav1.ConditionFalse, Reason: reasonDryRun},
		},
	}

	if len(decision.Rivals) > 0 {
		return disputed(report, decision)
	}

	return report
}

// enforced reports what was done.
func enforced(object *tenantv1beta1.NamespaceAssignment, decision assignment.Decision) kube.Report {
	report := kube.Report{
		State: kube.StateReady, Reason: reasonAssigned,
		Message: fmt.Sprintf("All selected namespaces are in workspace %s.", object.Spec.Workspace),
	}
	programmed := metav1.Condition{Type: kube.ConditionProgrammed, Status: metav1.ConditionFalse}

	switch {
	case len(decision.Refusals) > 0:
		report.State, report.Reason = kube.StateFailed, reasonRefused
		report.Message = fmt.Sprintf("%d namespaces stay where they are: %s; status.changes says why.",
			len(decision.Refusals), names(decision.Refusals))
	case len(decision.Moves) > 0:
		report.State, report.Reason = kube.StateProgressing, reasonAssigning
		report.Message = fmt.Sprintf("Moving %d namespaces to workspace %s.",
			len(decision.Moves), object.Spec.Workspace)
	default:
		programmed.Status = metav1.ConditionTrue
	}

	report.Conditions = []metav1.Condition{accepted(), resolved(), programmed}

	if len(decision.Rivals) > 0 {
		return disputed(report, decision)
	}

	return report
}

// disputed adds that another assignment wants the same namespaces elsewhere.
func disputed(report kube.Report, decision assignment.Decision) kube.Report {
	report.State, report.Reason = kube.StateFailed, assignment.ReasonConflict
	report.Message = fmt.Sprintf("spec.selector: NamespaceAssignment %s claims namespaces for another workspace, and "+
		"neither moves them: %s. Let one of the selectors leave them out.",
		tenancy.Listed(decision.Rivals), tenancy.Listed(decision.Disputed))
	report.Conditions[0] = metav1.Condition{
		Type: kube.ConditionAccepted, Status: metav1.ConditionFalse, Message: report.Message,
	}

	return report
}

func accepted() metav1.Condition {
	return metav1.Condition{
		Type: kube.ConditionAccepted, Status: metav1.ConditionTrue, Reason: kube.ConditionAccepted,
	}
}

func resolved() metav1.Condition {
	return metav1.Condition{
		Type: kube.ConditionResolvedRefs, Status: metav1.ConditionTrue, Reason: kube.ConditionResolvedRefs,
	}
}

func names(changes []assignment.Change) string {
	all := make([]string, 0, len(changes))
	for _, change := range changes {
		all = append(all, change.Namespace)
	}

	return tenancy.Listed(all)
}
