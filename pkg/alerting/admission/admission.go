// Package admission answers what would become of a group of rules before it is stored: the same as the controller does
// with it afterwards, so that an admission that is not there changes nothing but when its author is told.
package admission

import (
	"context"
	"fmt"
	"slices"
	"strings"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
)

// Answer is what an author is told.
type Answer struct {
	// Refusals are what is wrong and was not wrong before, by field with the remedy. Empty: the group is let in.
	Refusals []string

	// Warnings tell what is changed or left out although the group is let in.
	Warnings []string

	// Rendered is the query of each rule as evaluators get it, for those who only ask.
	Rendered []string
}

// Review looks at a group. What was wrong with the old one, nil for a new group, is told and not refused: whoever
// changes a label of a group must not have to mend its rules first.
func Review(
	ctx context.Context, old *rendering.Group, group rendering.Group, around rendering.Surroundings,
) (Answer, error) {
	result, err := rendering.Render(group, around)
	if err != nil {
		return sort([]string{err.Error()}, known(old, around)), nil
	}

	problems := problemsOf(result.Rejected)

	if len(group.Spec.Tests) > 0 {
		failures, err := rendering.Test(ctx, group, result)
		if err != nil {
			return Answer{}, fmt.Errorf("run the tests of the group: %w", err)
		}

		// A failing test is no mistake in the object: its rules wait, and the condition says so.
		for _, failure := range failures {
			result.Warnings = append(result.Warnings, "spec."+failure.Field+": "+failure.Message)
		}
	}

	answer := sort(problems, known(old, around))
	answer.Warnings = append(answer.Warnings, result.Warnings...)
	answer.Rendered = rendered(result)

	return answer, nil
}

// known is what was wrong with a group already.
func known(old *rendering.Group, around rendering.Surroundings) []string {
	if old == nil {
		return nil
	}

	result, err := rendering.Render(*old, around)
	if err != nil {
		return []string{err.Error()}
	}

	return problemsOf(result.Rejected)
}

// sort parts what is new from what was there. Places in a list move, so only what is said of a rule counts.
func sort(problems, known []string) Answer {
	var answer Answer

	for _, problem := range problems {
		if slices.ContainsFunc(known, func(old string) bool { return said(old) == said(problem) }) {
			answer.Warnings = append(answer.Warnings, problem)
		} else {
			answer.Refusals = append(answer.Refusals, problem)
		}
	}

	return answer
}

func said(problem string) string {
	if _, text, ofRule := strings.Cut(problem, "]"); ofRule {
		return text
	}

	return problem
}

func problemsOf(rejected []alertingv2beta1.RejectedRule) []string {
	problems := make([]string, 0, len(rejected))

	for _, rule := range rejected {
		place := fmt.Sprintf("spec.rules[%d]", rule.Index)
		if rule.Field != "" {
			place += "." + rule.Field
		}

		problems = append(problems, fmt.Sprintf("%s (%s): %s", place, rule.Name, rule.Message))
	}

	return problems
}

func rendered(result rendering.Result) []string {
	lines := make([]string, 0, len(result.Rules.Rules))
	for _, rule := range result.Rules.Rules {
		lines = append(lines, rule.Alert+rule.Record+": "+rule.Expr.String())
	}

	return lines
}
