package workspacerole

import (
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/aggregate"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

// Reasons of the conditions.
const (
	reasonApplyFailed       = "ApplyFailed"
	reasonNoWorkspace       = "NoWorkspace"
	reasonWorkspaceNotFound = "WorkspaceNotFound"
	reasonApplied           = "Applied"
)

// refusal says why nothing can be made of the role, whatever its templates say.
func (g gathered) refusal() *field.Error {
	if g.workspace.Name == "" {
		return field.Required(field.NewPath("metadata", "labels").Key(tenantv1beta1.WorkspaceLabel),
			"the name of the workspace that the role belongs to")
	}

	return nil
}

func (g gathered) stalled() error {
	if refusal := g.refusal(); refusal != nil {
		return kube.Stalled(reasonNoWorkspace, errors.New(refusal.Error()))
	}

	return nil
}

func failed(err error) kube.Report {
	return kube.Report{
		State: kube.StateFailed, Reason: reasonApplyFailed, Message: err.Error(),
		Conditions: []metav1.Condition{
			{Type: kube.ConditionProgrammed, Status: metav1.ConditionFalse, Message: err.Error()},
		},
	}
}

// verdict begins with what there is to say of the templates: what is worse stands above it.
func verdict(found gathered, findings aggregate.Findings, native access.Native) kube.Report {
	report := findings.Report()
	report.Conditions = append(report.Conditions, programmed(native))

	switch refusal := found.refusal(); {
	case refusal != nil:
		report.State, report.Reason, report.Message = kube.StateStalled, reasonNoWorkspace, refusal.Error()
		report.Conditions[0] = metav1.Condition{
			Type: kube.ConditionAccepted, Status: metav1.ConditionFalse, Message: refusal.Error(),
		}
	case report.State == kube.StateReady && !found.exists:
		report.State, report.Reason = kube.StateProgressing, reasonWorkspaceNotFound
		report.Message = fmt.Sprintf("There is no Workspace %s: create it, or correct the label %s",
			found.workspace.Name, tenantv1beta1.WorkspaceLabel)
	case report.State == kube.StateReady && report.Message == "":
		report.Message = "The role is effective in all namespaces of its workspace."
	}

	return report
}

func programmed(native access.Native) metav1.Condition {
	condition := metav1.Condition{
		Type: kube.ConditionProgrammed, Status: metav1.ConditionTrue, Reason: reasonApplied,
	}

	if native.Role == nil {
		condition.Message = "The role permits nothing inside namespaces, so it is not bound there."
	}

	return condition
}
