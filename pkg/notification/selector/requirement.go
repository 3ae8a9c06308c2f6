package selector

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

// operator is how a requirement compares; the cheapest to answer comes first.
type operator uint8

const (
	// never is met by no labels.
	never operator = iota
	in
	exists
	doesNotExist
	notIn
	match
)

// fewValues is up to how many values looking at each is faster than searching.
const fewValues = 8

// requirement is one condition on one label.
type requirement struct {
	name     string
	operator operator
	values   []string // of In and NotIn, sorted
	pattern  *regexp.Regexp
}

// cheapestFirst orders requirements by what it costs to find out that they are not met.
func cheapestFirst(a, b requirement) int {
	return cmp.Or(cmp.Compare(a.operator, b.operator), cmp.Compare(a.name, b.name))
}

func compileExpression(
	path *field.Path, source *notificationv2beta2.LabelSelectorRequirement,
) (requirement, field.ErrorList) {
	var problems field.ErrorList

	if source.Key == "" {
		problems = append(problems, field.Required(path.Child("key"), "name the label"))
	}

	if count := len(source.Values); count > MaxValues {
		problems = append(problems, field.TooMany(path.Child("values"), count, MaxValues))
	}

	made, problem := compileOperator(path, source)
	if problem != nil {
		problems = append(problems, problem)
	}

	return made, problems
}

func compileOperator(
	path *field.Path, source *notificationv2beta2.LabelSelectorRequirement,
) (requirement, *field.Error) {
	made := requirement{name: source.Key}

	switch source.Operator {
	case notificationv2beta2.LabelSelectorOpIn:
		made.operator = in
	case notificationv2beta2.LabelSelectorOpNotIn:
		made.operator = notIn
	case notificationv2beta2.LabelSelectorOpExists:
		made.operator = exists
	case notificationv2beta2.LabelSelectorOpDoesNotExist:
		made.operator = doesNotExist
	case notificationv2beta2.LabelSelectorOpMatch:
		var problem *field.Error

		made.operator = match
		made.pattern, problem = compilePattern(path.Child("regexValue"), source.RegexValue)

		return made, problem
	default:
		return made, field.NotSupported(path.Child("operator"), source.Operator, operators())
	}

	made.values = slices.Compact(slices.Sorted(slices.Values(source.Values)))

	problem := made.checkValues(path.Child("values"), source.Operator)

	return made, problem
}

// operators are the words of the API.
func operators() []notificationv2beta2.LabelSelectorOperator {
	return []notificationv2beta2.LabelSelectorOperator{
		notificationv2beta2.LabelSelectorOpIn,
		notificationv2beta2.LabelSelectorOpNotIn,
		notificationv2beta2.LabelSelectorOpExists,
		notificationv2beta2.LabelSelectorOpDoesNotExist,
		notificationv2beta2.LabelSelectorOpMatch,
	}
}

// checkValues refuses values where there can be none, and no values where there must be some.
func (r *requirement) checkValues(path *field.Path, word notificationv2beta2.LabelSelectorOperator) *field.Error {
	wants := r.operator == in || r.operator == notIn

	switch {
	case wants && len(r.values) == 0:
		return field.Required(path, fmt.Sprintf("%s compares with values: give at least one", word))
	case !wants && len(r.values) > 0:
		return field.Forbidden(path, fmt.Sprintf("%s looks at no values: remove them, or use In or NotIn", word))
	default:
		return nil
	}
}

// meets tells whether the labels meet the requirement.
func (r *requirement) meets(set labels.Labels) bool {
	switch r.operator {
	case in:
		value, present := lookUp(set, r.name)

		return present && r.lists(value)
	case notIn:
		value, present := lookUp(set, r.name)

		return !present || !r.lists(value)
	case exists:
		return set.Has(r.name)
	case doesNotExist:
		return !set.Has(r.name)
	case match:
		return r.pattern.MatchString(set.Get(r.name))
	case never:
		return false
	default:
		return false
	}
}

// lookUp gives the value of a label, and whether there is one.
func lookUp(set labels.Labels, name string) (value string, present bool) {
	value = set.Get(name)

	return value, value != "" || set.Has(name)
}

// lists tells whether the value is one of the requirement's.
func (r *requirement) lists(value string) bool {
	if len(r.values) <= fewValues {
		return slices.Contains(r.values, value)
	}

	_, found := slices.BinarySearch(r.values, value)

	return found
}

// explain says how the labels fail the requirement.
func (r *requirement) explain(set labels.Labels) string {
	value, present := lookUp(set, r.name)
	is := fmt.Sprintf("label %s is missing", r.name)

	if present {
		is = fmt.Sprintf("label %s is %q", r.name, value)
	}

	switch r.operator {
	case in:
		return fmt.Sprintf("%s, not one of %q", is, r.values)
	case notIn:
		return is + ", which is excluded"
	case exists:
		return is
	case doesNotExist:
		return is + " and has to be missing"
	case match:
		return fmt.Sprintf("%s, in which %q is not found", is, r.pattern)
	case never:
		return "the selector is broken"
	default:
		return is
	}
}
