package aggregate

import (
	"errors"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/aggregation"
)

// ReasonTemplateNotFound says that a role names templates that are not there.
const ReasonTemplateNotFound = "TemplateNotFound"

// Findings are what there is to say of the templates of a role.
type Findings struct {
	missing  []string
	problems tenancy.Problems
}

// Report says how a role stands as far as its templates go: State, Reason and Message, and the conditions Accepted
// and ResolvedRefs. A circle of roles is worth a word; it keeps nothing from working.
func (f Findings) Report() kube.Report {
	report := kube.Report{State: kube.StateReady, Conditions: []metav1.Condition{f.accepted(), f.resolved()}}

	switch {
	case f.stalls():
		report.State = kube.StateStalled
		report.Reason, report.Message = f.problems.Reason(), f.problems.Message()
	case len(f.missing) > 0:
		report.State = kube.StateProgressing
		report.Reason, report.Message = ReasonTemplateNotFound, aggregation.MissingMessage(f.missing)
	case len(f.problems) > 0:
		report.Reason, report.Message = f.problems.Reason(), f.problems.Message()
	}

	return report
}

// Err is not nil where only the author of the role can help.
func (f Findings) Err() error {
	if !f.stalls() {
		return nil
	}

	return kube.Stalled(f.problems.Reason(), errors.New(f.problems.Message()))
}

func (f Findings) stalls() bool {
	return slices.ContainsFunc(f.problems, func(problem tenancy.Problem) bool {
		return problem.Reason != aggregation.ReasonRoleLoop
	})
}

func (f Findings) accepted() metav1.Condition {
	if len(f.problems) > 0 {
		return metav1.Condition{
			Type: kube.ConditionAccepted, Status: metav1.ConditionFalse,
			Reason: f.problems.Reason(), Message: f.problems.Message(),
		}
	}

	return metav1.Condition{
		Type: kube.ConditionAccepted, Status: metav1.ConditionTrue, Reason: kube.ConditionAccepted,
	}
}

func (f Findings) resolved() metav1.Condition {
	if len(f.missing) > 0 {
		return metav1.Condition{
			Type: kube.ConditionResolvedRefs, Status: metav1.ConditionFalse,
			Reason: ReasonTemplateNotFound, Message: aggregation.MissingMessage(f.missing),
		}
	}

	return metav1.Condition{
		Type: kube.ConditionResolvedRefs, Status: metav1.ConditionTrue, Reason: kube.ConditionResolvedRefs,
	}
}
