package selector

import (
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

const (
	// MaxRequirements is how many requirements a selector has at most.
	MaxRequirements = 128
	// MaxValues is how many values a requirement has at most.
	MaxValues = 1024
)

// Selector says which alerts are meant. The zero value means every alert. It is a value that nothing changes, and
// is safe for use by several goroutines.
type Selector struct {
	given        bool
	requirements []requirement
}

// Equality is a requirement that a label has one of some values, at least one.
type Equality struct {
	Name   string
	Values []string
}

// Compile makes a Selector of a selector of the API; nil means every alert. What is wrong with it is named by the
// path of the field, all of it at once; the Selector then means no alert.
func Compile(path *field.Path, source *notificationv2beta2.LabelSelector) (Selector, field.ErrorList) {
	if source == nil {
		return Selector{}, nil
	}

	if count := len(source.MatchLabels) + len(source.MatchExpressions); count > MaxRequirements {
		return nothing(), field.ErrorList{field.TooMany(path, count, MaxRequirements)}
	}

	var problems field.ErrorList

	requirements := make([]requirement, 0, len(source.MatchLabels)+len(source.MatchExpressions))

	for name, value := range source.MatchLabels {
		if name == "" {
			problems = append(problems, field.Required(path.Child("matchLabels").Key(name), "name the label"))
		}

		requirements = append(requirements, requirement{name: name, operator: in, values: []string{value}})
	}

	for i := range source.MatchExpressions {
		one, found := compileExpression(path.Child("matchExpressions").Index(i), &source.MatchExpressions[i])
		problems = append(problems, found...)
		requirements = append(requirements, one)
	}

	if len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b *field.Error) int { return strings.Compare(a.Field, b.Field) })

		return nothing(), problems
	}

	slices.SortStableFunc(requirements, cheapestFirst)

	return Selector{given: true, requirements: requirements}, nil
}

// nothing means no alert: whoever goes on with a broken selector by mistake does not reach everybody.
func nothing() Selector {
	return Selector{given: true, requirements: []requirement{{operator: never}}}
}

// MatchesEverything tells whether the selector was not given at all.
func (s Selector) MatchesEverything() bool {
	return !s.given
}

// Matches tells whether the labels are meant. Without labels only a selector that was not given means them.
func (s Selector) Matches(set labels.Labels) bool {
	if !s.given {
		return true
	}

	if set.IsEmpty() {
		return false
	}

	for i := range s.requirements {
		if !s.requirements[i].meets(set) {
			return false
		}
	}

	return true
}

// Explain says which requirement labels do not meet; it says nothing where they are meant.
func (s Selector) Explain(set labels.Labels) string {
	if s.Matches(set) {
		return ""
	}

	for i := range s.requirements {
		if !s.requirements[i].meets(set) {
			return s.requirements[i].explain(set)
		}
	}

	return "there are no labels"
}

// without is the selector without one of its requirements; all of it where that is none.
func (s Selector) without(requirement int) Selector {
	if requirement < 0 {
		return s
	}

	return Selector{
		given:        s.given,
		requirements: slices.Delete(slices.Clone(s.requirements), requirement, requirement+1),
	}
}

// Equalities are the requirements that a label has one of some values, by the name of the label. Labels that do
// not meet one of them are not meant; an index asks for no more.
func (s Selector) Equalities() []Equality {
	var found []Equality

	for i := range s.requirements {
		if one := &s.requirements[i]; one.operator == in {
			found = append(found, Equality{Name: one.name, Values: one.values})
		}
	}

	return found
}
