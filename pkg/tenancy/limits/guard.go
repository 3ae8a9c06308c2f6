package limits

import (
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	admissionapply "k8s.io/client-go/applyconfigurations/admissionregistration/v1"
	metaapply "k8s.io/client-go/applyconfigurations/meta/v1"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

const (
	// Guard is the name of the ValidatingAdmissionPolicy that refuses members further namespaces for workspaces that
	// are full, and of its binding.
	Guard = "ks-namespace-limit"

	// Component is the value of the label app.kubernetes.io/component on what this package makes.
	Component = "workspace-policy"

	// maxNamed is how many full workspaces the binding names. An API server reads the names anew at every change of a
	// namespace, which takes it 0.15 ms for as many; beyond, to ask the policies themselves costs no more.
	maxNamed = 500
)

// Full returns the workspaces that the policies in force say are full, sorted: what the admission policy goes by. Those
// whose names cannot be the value of a label have no namespaces, and will have none.
func Full(policies []tenantv1beta1.WorkspacePolicy) []string {
	var full []string

	for i := range policies {
		policy := &policies[i]
		if policy.Spec.Mode != tenantv1beta1.ModeDryRun && policy.DeletionTimestamp.IsZero() {
			full = append(full, policy.Status.FullWorkspaces...)
		}
	}

	full = slices.DeleteFunc(full, func(name string) bool { return len(validation.IsValidLabelValue(name)) > 0 })
	slices.Sort(full)

	return slices.Compact(full)
}

// Binding returns what has the admission policy asked about namespaces of the workspaces that are full, and about no
// others: each question costs the API server time, and most workspaces never are. The selector only spares questions:
// whom to refuse what is decided by the policy, which is why more may be selected. Nil: none is full.
func Binding(full []string) *admissionapply.ValidatingAdmissionPolicyBindingApplyConfiguration {
	if len(full) == 0 {
		return nil
	}

	inFull := metaapply.LabelSelectorRequirement().WithKey(tenantv1beta1.WorkspaceLabel)
	if len(full) > maxNamed {
		inFull.WithOperator(metav1.LabelSelectorOpExists)
	} else {
		inFull.WithOperator(metav1.LabelSelectorOpIn).WithValues(full...)
	}

	return admissionapply.ValidatingAdmissionPolicyBinding(Guard).
		WithLabels(map[string]string{
			tenancy.ManagedByLabel: tenancy.ManagedBy, tenancy.ComponentLabel: Component,
		}).
		WithSpec(admissionapply.ValidatingAdmissionPolicyBindingSpec().
			WithPolicyName(Guard).
			// A selector, not a name: for a name that is not there, an API server asks etcd at every request.
			WithParamRef(admissionapply.ParamRef().
				WithSelector(metaapply.LabelSelector()).
				WithParameterNotFoundAction(admissionregistrationv1.AllowAction)).
			// With the defaults written out: the API server fills them in, and what is here is owned as a whole.
			WithMatchResources(admissionapply.MatchResources().
				WithMatchPolicy(admissionregistrationv1.Equivalent).
				WithNamespaceSelector(metaapply.LabelSelector()).
				WithObjectSelector(metaapply.LabelSelector().WithMatchExpressions(inFull))).
			WithValidationActions(admissionregistrationv1.Deny))
}
