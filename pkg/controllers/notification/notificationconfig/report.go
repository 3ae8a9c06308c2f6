package notificationconfig

import (
	"errors"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
)

// Reasons of the conditions, beside those of the engine.
const (
	reasonAccepted  = "Accepted"
	reasonResolved  = "Resolved"
	reasonDisabled  = "Disabled"
	reasonNoManager = "NoManager"
	reasonEnforced  = "Enforced"
	reasonDryRun    = "DryRun"
	reasonInvalid   = "Invalid"
)

// outcome is what a run found out of an object.
type outcome struct {
	findings []resolve.Finding
	// warnings are what is valid, and may not be what was meant.
	warnings []string
	// refs says that the object may name others, so that it is to be said whether they are there.
	refs bool
	// reason and message are what Ready says where all is well.
	reason, message string
	// waits says that there is no NotificationManager yet.
	waits bool
}

// invalid are the findings of fields that cannot be used.
func invalid(problems field.ErrorList) []resolve.Finding {
	made := make([]resolve.Finding, 0, len(problems))
	for _, one := range problems {
		made = append(made, resolve.Finding{
			Kind: resolve.KindReceiver, Field: one.Field, Reason: resolve.Invalid, Message: one.ErrorBody(),
			Breaks: true,
		})
	}

	return made
}

// own is a finding about an object in its own status, where its name is not told.
func own(one resolve.Finding) resolve.Finding {
	one.Kind, one.Name = resolve.KindReceiver, ""

	return one
}

// isRef tells whether a finding is about another object that is named.
func isRef(one resolve.Finding) bool {
	return slices.Contains([]resolve.Reason{
		resolve.ConfigNotFound, resolve.RefNotFound, resolve.RefKeyNotFound, resolve.RefForbidden, resolve.RefNotRead,
		resolve.RefNotAllowed,
	}, one.Reason)
}

// blocks tells whether a finding keeps the object from what it is for.
func blocks(one resolve.Finding) bool {
	return !one.DryRun && (one.Breaks || one.Reason == resolve.NotSelected)
}

// report is what the conditions say.
func (o *outcome) report() kube.Report {
	if o.waits {
		return kube.Report{
			State: kube.StateProgressing, Reason: reasonNoManager,
			Message: "There is no NotificationManager, which says whose objects are whose; make one.",
		}
	}

	var spec, refs, blocking []resolve.Finding

	for _, one := range o.findings {
		if isRef(one) {
			refs = append(refs, one)
		} else {
			spec = append(spec, one)
		}

		if blocks(one) {
			blocking = append(blocking, one)
		}
	}

	made := kube.Report{State: kube.StateReady, Reason: o.reason, Message: o.message}

	if len(blocking) > 0 {
		// What only a change of the object mends is told first.
		slices.SortStableFunc(blocking, func(a, b resolve.Finding) int { return waiting(a) - waiting(b) })
		made.State, made.Reason, made.Message = kube.StateStalled, string(blocking[0].Reason), tell(blocking)

		if isRef(blocking[0]) {
			made.State = kube.StateProgressing // What is named may come.
		}
	}

	made.Conditions = append(made.Conditions, o.accepted(spec))

	if o.refs {
		made.Conditions = append(made.Conditions, resolved(refs))
	}

	return made
}

// waiting is 1 for what may come by itself.
func waiting(one resolve.Finding) int {
	if isRef(one) {
		return 1
	}

	return 0
}

// accepted tells of the first finding that blocks, or else of one that does not, or of a warning.
func (o *outcome) accepted(found []resolve.Finding) metav1.Condition {
	made := metav1.Condition{Type: kube.ConditionAccepted, Status: metav1.ConditionTrue, Reason: reasonAccepted}
	sorted := slices.Clone(found)
	slices.SortStableFunc(sorted, func(a, b resolve.Finding) int { return rank(a) - rank(b) })

	switch {
	case len(sorted) > 0 && blocks(sorted[0]):
		made.Status, made.Reason, made.Message = metav1.ConditionFalse, string(sorted[0].Reason), tell(sorted)
	case len(sorted) > 0:
		made.Message = tell(sorted)
	case len(o.warnings) > 0:
		made.Message = more(o.warnings[0], len(o.warnings))
	}

	return made
}

func rank(one resolve.Finding) int {
	switch {
	case blocks(one):
		return 0
	case one.DryRun:
		return 2 //nolint:mnd // after all others
	default:
		return 1
	}
}

func resolved(refs []resolve.Finding) metav1.Condition {
	if len(refs) == 0 {
		return metav1.Condition{
			Type: kube.ConditionResolvedRefs, Status: metav1.ConditionTrue, Reason: reasonResolved,
		}
	}

	return metav1.Condition{
		Type: kube.ConditionResolvedRefs, Status: metav1.ConditionFalse, Reason: string(refs[0].Reason),
		Message: tell(refs),
	}
}

// tell tells the first finding, and how many there are.
func tell(findings []resolve.Finding) string {
	text := findings[0].String()
	if policy := findings[0].Policy; policy != "" {
		text += " (NotificationPolicy " + policy
		if findings[0].DryRun {
			text += ", on trial"
		}

		text += ")"
	}

	return more(text, len(findings))
}

func more(text string, of int) string {
	if of > 1 {
		return fmt.Sprintf("%s (and %d more)", text, of-1)
	}

	return text
}

// failure is the error of the run: what no other try can mend ends it, what could not be read is tried again.
func (o *outcome) failure() error {
	for _, one := range o.findings {
		if one.Reason == resolve.RefNotRead {
			return errors.New(one.String())
		}
	}

	for _, one := range o.findings {
		if one.Breaks && (one.Reason == resolve.Invalid || one.Reason == resolve.NotSupported) {
			return kube.Stalled(string(one.Reason), errors.New(one.String()))
		}
	}

	return nil
}
