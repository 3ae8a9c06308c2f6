package inhibition

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

// Rule says which alerts inhibit which others. Nothing changes one once it is made.
type Rule struct {
	name           string
	source, target selector.Selector
	// equal are names of labels, sorted.
	equal []string
}

// Name is unique.
func (r *Rule) Name() string {
	return r.name
}

// Compile makes a Rule of an object; of one that is switched off it makes none. What is wrong with it is named by
// the path of the field, all of it at once; there is no Rule then.
func Compile(object *notificationv2beta2.InhibitRule) (*Rule, field.ErrorList) {
	spec := &object.Spec
	path := field.NewPath("spec")

	source, problems := matcher(path.Child("sourceMatcher"), &spec.SourceMatcher)
	target, found := matcher(path.Child("targetMatcher"), &spec.TargetMatcher)
	problems = append(problems, found...)

	for i, name := range spec.Equal {
		if name == "" {
			problems = append(problems, field.Required(path.Child("equal").Index(i), "name the label"))
		}
	}

	if len(problems) > 0 || spec.Enabled != nil && !*spec.Enabled {
		return nil, problems
	}

	return &Rule{
		name:   object.Name,
		source: source,
		target: target,
		equal:  slices.Compact(slices.Sorted(slices.Values(spec.Equal))),
	}, nil
}

// matcher compiles one side of a rule. An empty one is refused, as the schema does, and as an object may be that
// was there before its schema: one alert would then silence the whole platform.
func matcher(path *field.Path, source *notificationv2beta2.LabelSelector) (selector.Selector, field.ErrorList) {
	if len(source.MatchLabels)+len(source.MatchExpressions) == 0 {
		return selector.Selector{}, field.ErrorList{field.Required(path, "select by a label at least")}
	}

	return selector.Compile(path, source)
}
