package selector

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

const (
	// MaxPatternLength is how many bytes a regular expression has at most.
	MaxPatternLength = 1024
	// MaxPatternSize is how many steps a regular expression has at most once its repetitions are written out. Each
	// costs memory, and time on each byte of a value: a short text of repetitions would cost both without end.
	MaxPatternSize = 2000
)

// CompilePattern compiles a regular expression that somebody wrote into an object, within the bounds above. It is
// found anywhere in a text, as in regexp.
func CompilePattern(path *field.Path, text string) (*regexp.Regexp, *field.Error) {
	return compilePattern(path, text)
}

func compilePattern(path *field.Path, text string) (*regexp.Regexp, *field.Error) {
	if len(text) > MaxPatternLength {
		return nil, field.TooLong(path, "", MaxPatternLength)
	}

	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, field.Invalid(path, text, describe(err))
	}

	if sizeOf(tree) > MaxPatternSize {
		return nil, field.Invalid(path, text, fmt.Sprintf(
			"more than %d steps once its repetitions are written out: repeat less, or use * or +", MaxPatternSize))
	}

	pattern, err := regexp.Compile(text)
	if err != nil {
		return nil, field.Invalid(path, text, describe(err))
	}

	return pattern, nil
}

// describe says what is wrong with a regular expression, and how it is written.
func describe(err error) string {
	what := err.Error()

	if known, ok := errors.AsType[*syntax.Error](err); ok {
		what = fmt.Sprintf("%s: %q", known.Code, known.Expr)
	}

	return what + "; write a regular expression of RE2, and a backslash before what is meant literally"
}

// sizeOf is about how many steps a regular expression has once its repetitions are written out. The parser bounds
// how deep it is.
func sizeOf(tree *syntax.Regexp) int {
	size := max(1, len(tree.Rune))
	if tree.Op == syntax.OpCharClass {
		size = 1
	}

	for _, part := range tree.Sub {
		size += sizeOf(part)
	}

	if tree.Op == syntax.OpRepeat {
		size *= max(1, tree.Min+1, tree.Max)
	}

	return min(size, MaxPatternSize+1)
}

// Warnings are what is valid in a selector and may mean more than its author thought.
func Warnings(path *field.Path, source *notificationv2beta2.LabelSelector) []string {
	if source == nil {
		return nil
	}

	var warnings []string

	for i := range source.MatchExpressions {
		one := &source.MatchExpressions[i]
		at := path.Child("matchExpressions").Index(i)

		if one.Operator != notificationv2beta2.LabelSelectorOpMatch {
			if one.RegexValue != "" {
				warnings = append(warnings, at.Child("regexValue").String()+": only the operator Match looks at it")
			}

			continue
		}

		if len(one.Values) > 0 {
			warnings = append(warnings, at.Child("values").String()+": the operator Match looks at regexValue only")
		}

		warnings = append(warnings, patternWarnings(at.Child("regexValue"), one)...)
	}

	return warnings
}

// patternWarnings are about the two surprises of Match.
func patternWarnings(path *field.Path, one *notificationv2beta2.LabelSelectorRequirement) []string {
	pattern, problem := compilePattern(path, one.RegexValue)
	if problem != nil {
		return nil
	}

	var warnings []string

	if !strings.HasPrefix(one.RegexValue, "^") || !strings.HasSuffix(one.RegexValue, "$") {
		warnings = append(warnings, fmt.Sprintf(
			"%s: %q is looked for anywhere in the value; write ^(%s)$ to mean the whole value",
			path, one.RegexValue, one.RegexValue))
	}

	if pattern.MatchString("") {
		warnings = append(warnings, fmt.Sprintf(
			"%s: %q means alerts without the label %s too; add an expression with Exists to leave them out",
			path, one.RegexValue, one.Key))
	}

	return warnings
}
