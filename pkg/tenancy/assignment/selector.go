package assignment

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

// Reasons of problems with selectors.
const (
	ReasonInvalidSelector   = "InvalidSelector"
	ReasonMatchesEverything = "SelectorMatchesEverything"
)

// Parse returns the selector of an assignment, or what is wrong with it. One that no namespace can escape is refused:
// whoever forgets to fill it in does not mean every namespace there is and will be.
func Parse(selector *metav1.LabelSelector) (labels.Selector, tenancy.Problems) {
	path := field.NewPath("spec", "selector")

	parsed, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil, tenancy.Problems{{
			Reason: ReasonInvalidSelector, Err: field.Invalid(path, metav1.FormatLabelSelector(selector), err.Error()),
		}}
	}

	if matchesEverything(parsed) {
		return nil, tenancy.Problems{{
			Reason: ReasonMatchesEverything, Err: field.Invalid(path, metav1.FormatLabelSelector(selector),
				"selects every namespace: name a label that only those have that belong to the workspace"),
		}}
	}

	return parsed, nil
}

// matchesEverything tells whether each requirement holds for every namespace that could be selected, as an empty
// selector does.
func matchesEverything(selector labels.Selector) bool {
	requirements, selectable := selector.Requirements()

	return selectable && !slices.ContainsFunc(requirements, func(requirement labels.Requirement) bool {
		return !alwaysTrue(requirement)
	})
}

// alwaysTrue knows one label that every namespace has: the API server sets it to the name. To leave out what is no
// name, or a namespace of the system, is to leave out nothing.
func alwaysTrue(requirement labels.Requirement) bool {
	if requirement.Key() != corev1.LabelMetadataName {
		return false
	}

	switch requirement.Operator() {
	case "exists":
		return true
	case "notin", "!=":
		for value := range requirement.Values() {
			if len(validation.IsDNS1123Label(value)) == 0 && !tenancy.IsSystemNamespace(value) {
				return false
			}
		}

		return true
	default:
		return false
	}
}
