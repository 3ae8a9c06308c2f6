package scope

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/internal/promql"
)

const (
	// maxValue is how long a label or an annotation may be, and maxTemplate how long one with a template in it.
	maxValue    = 64 << 10
	maxTemplate = 16 << 10

	// opening starts an action of a template.
	opening = "{{"
)

// Template confines the value of a label or an annotation, and returns it with warnings. Text without "{{" comes
// back as it is. Errors are of type *Error.
func (s *Scope) Template(text string) (string, []string, error) {
	return s.value("template", text)
}

// Label is Template for a label of a rule: it refuses reserved names, enforced ones, and those that Prometheus
// refuses. A caller takes out first what it sets itself.
func (s *Scope) Label(name, value string) (string, []string, error) {
	field := "labels[" + name + "]"

	if err := checkName(field, name); err != nil {
		return "", nil, err
	}

	if s.reserved(name) {
		return "", nil, refuse(field, ReasonReservedLabel, fmt.Sprintf("the label %s is set by the system: "+
			"remove it, or use another name", name))
	}

	return s.value(field, value)
}

// Annotation is Template for an annotation of a rule, and refuses names that Prometheus refuses.
func (s *Scope) Annotation(name, value string) (string, []string, error) {
	field := "annotations[" + name + "]"

	if err := checkName(field, name); err != nil {
		return "", nil, err
	}

	return s.value(field, value)
}

// reserved tells whether only the renderer sets a label. An enforced label of an alert says whose alert it is.
func (s *Scope) reserved(name string) bool {
	return slices.Contains(ReservedLabels(), name) ||
		slices.ContainsFunc(s.policy.Enforced, func(m Matcher) bool { return m.Label == name })
}

// checkName refuses names that are no names of labels. Names that start with two underscores are Prometheus' own.
func checkName(field, name string) error {
	if !promql.LegacyLabel(name) || strings.HasPrefix(name, "__") {
		return refuse(field, ReasonInvalidName, fmt.Sprintf("%q is not a name: use letters, digits and underscores, "+
			"no digit first and not two underscores first", name))
	}

	return nil
}

// value confines what stands in a field.
func (s *Scope) value(field, text string) (string, []string, error) {
	if len(text) > maxValue {
		return "", nil, refuse(field, ReasonTooLong, fmt.Sprintf("it has %d bytes, and %d are the most: shorten it",
			len(text), maxValue))
	}

	if !utf8.ValidString(text) {
		return "", nil, refuse(field, ReasonNotUTF8, "it is not valid UTF-8: save it in that encoding")
	}

	if !strings.Contains(text, opening) {
		return text, nil, nil
	}

	if len(text) > maxTemplate {
		return "", nil, refuse(field, ReasonTooLong, fmt.Sprintf("it has %d bytes, and for a template %d "+
			"are the most: shorten it", len(text), maxTemplate))
	}

	confined, warnings, refusal := s.template(field, text)
	if refusal != nil {
		return "", nil, refusal
	}

	return confined, warnings, nil
}
