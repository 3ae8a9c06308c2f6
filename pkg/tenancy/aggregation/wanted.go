package aggregation

import (
	"encoding/json"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

// Reasons of problems with what a role aggregates.
const (
	ReasonInvalidSelector = "InvalidSelector"
	ReasonSelectorTooWide = "SelectorTooWide"
	ReasonInvalidRoleList = "InvalidRoleList"
	ReasonRoleLoop        = "RoleLoop"
	ReasonTooManyRules    = "TooManyRules"
)

// Role is what counts of a role.
type Role struct {
	Name        string
	Annotations map[string]string
	Rules       []rbacv1.PolicyRule
	Templates   *iamv1beta1.AggregationRoleTemplates
}

// Wanted is what a role asks to be made of.
type Wanted struct {
	// Templates are the names of role templates, sorted.
	Templates []string

	// Selector selects further ones. Nil: none.
	Selector labels.Selector

	// Roles are the names of roles of the same kind that serve as templates, as 3.x has them, sorted.
	Roles []string

	// Problems are what the author has to change. What they are about is left out above.
	Problems tenancy.Problems
}

// WantedBy reads what a role asks to be made of.
func WantedBy(role Role) Wanted {
	var wanted Wanted

	if role.Templates != nil {
		wanted.Templates = nonEmpty(role.Templates.TemplateNames)

		selector, problems := selectorOf(role)
		wanted.Selector, wanted.Problems = selector, problems
	}

	names, problems := rolesOf(role.Annotations)
	wanted.Roles, wanted.Problems = names, append(wanted.Problems, problems...)

	return wanted
}

// Anything tells whether the role asks for anything at all, even in vain.
func (w Wanted) Anything() bool {
	return len(w.Templates) > 0 || w.Selector != nil || len(w.Roles) > 0 || len(w.Problems) > 0
}

// selectorOf counts a selector only where the annotation says so. The empty one selects every template there is
// and every one that will ever be, which nobody can mean.
func selectorOf(role Role) (labels.Selector, tenancy.Problems) {
	written := role.Templates.RoleSelector
	if written == nil || role.Annotations[iamv1beta1.AutoAggregateAnnotation] != "true" {
		return nil, nil
	}

	path := field.NewPath("aggregationRoleTemplates", "roleSelector")

	selector, err := metav1.LabelSelectorAsSelector(written)
	if err != nil {
		return nil, tenancy.Problems{{Reason: ReasonInvalidSelector, Err: field.Invalid(path, "", err.Error())}}
	}

	if selector.Empty() {
		return nil, tenancy.Problems{{
			Reason: ReasonSelectorTooWide,
			Err:    field.Invalid(path, "", "selects every role template: name a label, or remove the selector"),
		}}
	}

	return selector, nil
}

func rolesOf(annotations map[string]string) ([]string, tenancy.Problems) {
	text := annotations[iamv1beta1.AggregationRolesAnnotation]
	if text == "" {
		return nil, nil
	}

	var names []string
	if err := json.Unmarshal([]byte(text), &names); err != nil {
		path := field.NewPath("metadata", "annotations").Key(iamv1beta1.AggregationRolesAnnotation)

		return nil, tenancy.Problems{{
			Reason: ReasonInvalidRoleList,
			Err:    field.Invalid(path, text, `must be a JSON list of the names of roles, as ["a","b"]`),
		}}
	}

	return nonEmpty(names), nil
}

func nonEmpty(names []string) []string {
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "" })
	slices.Sort(names)

	return slices.Compact(names)
}
