package workspacetemplate

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	iamapply "github.com/ks-core/ks-controller-manager/api/applyconfiguration/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

// Reasons of the conditions.
const (
	reasonApplied           = "Applied"
	reasonApplyFailed       = "ApplyFailed"
	reasonDeleting          = "Deleting"
	reasonElsewhere         = "PlacedElsewhereToo"
	reasonWaiting           = "WaitingForChildren"
	reasonWorkspaceNotReady = "WorkspaceNotReady"
)

// refused reports a template that its author has to change. Nothing is made of it, and what was made of an
// earlier state stays as it is.
func refused(problems tenancy.Problems) kube.Report {
	return kube.Report{
		State: kube.StateStalled, Reason: problems.Reason(), Message: problems.Message(),
		Conditions: []metav1.Condition{
			{Type: kube.ConditionAccepted, Status: metav1.ConditionFalse, Message: problems.Message()},
		},
	}
}

// failed reports what the API server refused.
func failed(err error) kube.Report {
	return kube.Report{
		State: kube.StateFailed, Reason: reasonApplyFailed, Message: err.Error(),
		Conditions: []metav1.Condition{
			{Type: kube.ConditionProgrammed, Status: metav1.ConditionFalse, Message: err.Error()},
		},
	}
}

// deleting reports what a deletion waits for.
func deleting(awaited string) kube.Report {
	return kube.Report{
		State: kube.StateProgressing, Reason: reasonDeleting, Message: "Waiting for these to go: " + awaited,
	}
}

// applied reports a template whose children were brought to what it asks for. It is Ready when its Workspace
// is.
func applied(template *tenantv1beta1.WorkspaceTemplate, have children, plan tenancy.Plan) kube.Report {
	report := readiness(template, have, plan)
	report.Conditions = []metav1.Condition{accepted(plan), programmed(have, plan)}

	return report
}

func readiness(template *tenantv1beta1.WorkspaceTemplate, have children, plan tenancy.Plan) kube.Report {
	if !have.complete(plan) {
		return kube.Report{
			State: kube.StateProgressing, Reason: reasonWaiting,
			Message: "Waiting until the Workspace and its roles are seen",
		}
	}

	ready := meta.FindStatusCondition(have.workspace.Status.Conditions, kube.ConditionReady)
	if ready == nil {
		return kube.Report{
			State: kube.StateProgressing, Reason: reasonWorkspaceNotReady,
			Message: fmt.Sprintf("Workspace %s: the controller %q has yet to report on it", template.Name, "workspace"),
		}
	}

	if ready.Status != metav1.ConditionTrue {
		return kube.Report{
			State: kube.StateProgressing, Reason: reasonWorkspaceNotReady,
			Message: fmt.Sprintf("Workspace %s: %s: %s", template.Name, ready.Reason, ready.Message),
		}
	}

	return kube.Report{State: kube.StateReady, Message: "The Workspace is ready and its roles are in place."}
}

// accepted tells which clusters of a fleet the template names in vain.
func accepted(plan tenancy.Plan) metav1.Condition {
	condition := metav1.Condition{
		Type: kube.ConditionAccepted, Status: metav1.ConditionTrue, Reason: kube.ConditionAccepted,
	}

	if len(plan.ElsewhereClusters) > 0 {
		condition.Reason = reasonElsewhere
		condition.Message = "This manager serves its own cluster only; nothing is made on " +
			strings.Join(plan.ElsewhereClusters, ", ")
	}

	return condition
}

func programmed(have children, plan tenancy.Plan) metav1.Condition {
	condition := metav1.Condition{
		Type: kube.ConditionProgrammed, Status: metav1.ConditionTrue, Reason: reasonApplied,
	}

	if !have.complete(plan) {
		condition.Status, condition.Reason = metav1.ConditionFalse, reasonWaiting
	}

	return condition
}

// complete tells whether all that the plan asks for is seen.
func (c children) complete(plan tenancy.Plan) bool {
	if c.workspace == nil || plan.Binding != nil && c.bindings[*plan.Binding.Name] == nil {
		return false
	}

	return !slices.ContainsFunc(plan.Roles, func(role *iamapply.WorkspaceRoleApplyConfiguration) bool {
		return c.roles[*role.Name] == nil
	})
}
