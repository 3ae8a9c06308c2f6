package builtin

import (
	apiequality "k8s.io/apimachinery/pkg/api/equality"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
)

// ResetAnnotation "true" on a built-in group sets its rules back to those that came with the platform. It is taken away
// when that is done.
const ResetAnnotation = "alerting.kubesphere.io/reset"

// Action is what is to be done about a group.
type Action string

// The actions.
const (
	// Leave it as it is.
	Leave Action = "Leave"

	// Create it: there is none.
	Create Action = "Create"

	// Update it: nobody has edited its rules, and those of this release are others.
	Update Action = "Update"

	// Keep its rules, which somebody has edited, and write down what they can be set back to.
	Keep Action = "Keep"

	// Record what its rules can be set back to, which they are already.
	Record Action = "Record"

	// Reset its rules, as its annotation asks.
	Reset Action = "Reset"
)

// Decision is an action and, but for Leave, what the group is to be.
type Decision struct {
	Action Action
	Group  *alertingv2beta1.GlobalRuleGroup
}

// Decide says what becomes of a group of ours, given what is there under its name; nil: nothing.
//
//   - A group that is missing is made, also one that was deleted: whoever does not want it says so by its label
//     alerting.kubesphere.io/enable, which nobody but users changes after the group was made. So there is no memory
//     beside the cluster's of what somebody did not want, which a backup or a new cluster would not have.
//   - Users edit rules: what they write stays. Edited is what differs from the initial configuration on the group
//     itself, so that a new release updates the groups that nobody has edited, and those alone.
//   - A group without the label alerting.kubesphere.io/builtin is not ours, whatever its name. So is one whose label
//     was taken away.
func Decide(ours, found *alertingv2beta1.GlobalRuleGroup) Decision {
	switch {
	case found == nil:
		return Decision{Action: Create, Group: ours.DeepCopy()}
	case !found.DeletionTimestamp.IsZero() || found.Labels[alertingv2beta1.BuiltinLabel] != "true":
		return Decision{Action: Leave}
	case found.Annotations[ResetAnnotation] == "true":
		return Decision{Action: Reset, Group: become(found, ours, ours.Spec)}
	case found.Annotations[alertingv2beta1.InitialConfigurationAnnotation] ==
		ours.Annotations[alertingv2beta1.InitialConfigurationAnnotation]:
		return Decision{Action: Leave}
	case apiequality.Semantic.DeepEqual(found.Spec, ours.Spec):
		return Decision{Action: Record, Group: become(found, ours, found.Spec)}
	case isEdited(found):
		return Decision{Action: Keep, Group: become(found, ours, found.Spec)}
	default:
		return Decision{Action: Update, Group: become(found, ours, ours.Spec)}
	}
}

// isEdited tells whether a group is another than it was made. Where that cannot be told, it may be.
func isEdited(found *alertingv2beta1.GlobalRuleGroup) bool {
	made, readable := initialSpec(found.Annotations[alertingv2beta1.InitialConfigurationAnnotation])

	return !readable || !apiequality.Semantic.DeepEqual(made, found.Spec)
}

// become returns the group that was found with a spec, and with what it can be set back to now.
func become(
	found, ours *alertingv2beta1.GlobalRuleGroup, spec alertingv2beta1.GlobalRuleGroupSpec,
) *alertingv2beta1.GlobalRuleGroup {
	group := found.DeepCopy()
	spec.DeepCopyInto(&group.Spec)

	if group.Annotations == nil {
		group.Annotations = map[string]string{}
	}

	const key = alertingv2beta1.InitialConfigurationAnnotation

	group.Annotations[key] = ours.Annotations[key]

	if group.Annotations[ResetAnnotation] == "true" {
		delete(group.Annotations, ResetAnnotation)
	}

	return group
}
