package limits

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

// ReasonInvalidSelector tells of a policy that selects nothing because its selector cannot be read.
const ReasonInvalidSelector = "InvalidSelector"

// CheckPolicy returns what has to be changed before the policy can select anything.
func CheckPolicy(policy *tenantv1beta1.WorkspacePolicy) tenancy.Problems {
	if _, err := metav1.LabelSelectorAsSelector(&policy.Spec.Selector); err != nil {
		return tenancy.Problems{{
			Reason: ReasonInvalidSelector, Err: field.Invalid(field.NewPath("spec", "selector"),
				metav1.FormatLabelSelector(&policy.Spec.Selector), err.Error()),
		}}
	}

	return nil
}

// Census is what a policy finds.
type Census struct {
	// Selected is how many workspaces the policy selects.
	Selected int

	// Full are those that have as many namespaces as this policy allows, or more, sorted.
	Full []string
}

// Count looks at the workspaces with the number of namespaces they had when they were last reported on. One that
// nobody has reported on yet has none.
func Count(policy *tenantv1beta1.WorkspacePolicy, workspaces []tenantv1beta1.Workspace) Census {
	var census Census

	selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.Selector)
	if err != nil {
		return census
	}

	limit := policy.Spec.Limits.Namespaces

	for i := range workspaces {
		workspace := &workspaces[i]
		if !selector.Matches(labels.Set(workspace.Labels)) {
			continue
		}

		census.Selected++

		if limit != nil && namespacesOf(workspace) >= *limit {
			census.Full = append(census.Full, workspace.Name)
		}
	}

	slices.Sort(census.Full)

	return census
}

func namespacesOf(workspace *tenantv1beta1.Workspace) int32 {
	if workspace.Status.NamespaceCount == nil {
		return 0
	}

	return *workspace.Status.NamespaceCount
}
