package promql

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// Operator is how a matcher compares, as PromQL spells it.
type Operator string

// The operators of PromQL.
const (
	Equal     Operator = "="
	NotEqual  Operator = "!="
	Regexp    Operator = "=~"
	NotRegexp Operator = "!~"
)

// Matcher is a condition on a label of series. The empty operator is Equal.
type Matcher struct {
	Label    string
	Operator Operator
	Value    string
}

// OneOf returns the matcher for series whose label has one of the values: an equality for one value, a regular
// expression for more. Without values it is one that no enforcement takes.
func OneOf(label string, values ...string) Matcher {
	sorted := slices.Compact(slices.Sorted(slices.Values(values)))

	switch len(sorted) {
	case 0:
		return Matcher{Label: label, Operator: Equal}
	case 1:
		return Matcher{Label: label, Operator: Equal, Value: sorted[0]}
	}

	for i, value := range sorted {
		sorted[i] = regexp.QuoteMeta(value)
	}

	// PromQL anchors regular expressions by itself.
	return Matcher{Label: label, Operator: Regexp, Value: strings.Join(sorted, "|")}
}

// String returns the matcher as it stands in a selector.
func (m Matcher) String() string {
	return string(appendMatcher(nil, m.Label, string(m.operator()), m.Value))
}

func (m Matcher) operator() Operator {
	if m.Operator == "" {
		return Equal
	}

	return m.Operator
}

// compile returns the matcher of the evaluator, or what is wrong with it.
func (m Matcher) compile() (*labels.Matcher, error) {
	if !LegacyLabel(m.Label) {
		return nil, fmt.Errorf("%q is not the name of a label: use letters, digits and underscores", m.Label)
	}

	if m.Label == model.MetricNameLabel {
		return nil, errors.New("the name of a metric cannot be enforced: use a label")
	}

	if !utf8.ValidString(m.Value) {
		return nil, fmt.Errorf("the value %q of label %s is not valid UTF-8", m.Value, m.Label)
	}

	kind, ok := matchTypes()[m.operator()]
	if !ok {
		return nil, fmt.Errorf("%q is not an operator of matchers: use =, !=, =~ or !~", m.Operator)
	}

	compiled, err := labels.NewMatcher(kind, m.Label, m.Value)
	if err != nil {
		return nil, fmt.Errorf("the regular expression for label %s: %w", m.Label, err)
	}

	// The label would not have to be there at all, so that the matcher encloses nobody.
	if (kind == labels.MatchEqual || kind == labels.MatchRegexp) && compiled.Matches("") {
		return nil, fmt.Errorf("%s matches series without the label: name at least one value, and no empty one", m)
	}

	return compiled, nil
}

func matchTypes() map[Operator]labels.MatchType {
	return map[Operator]labels.MatchType{
		Equal: labels.MatchEqual, NotEqual: labels.MatchNotEqual,
		Regexp: labels.MatchRegexp, NotRegexp: labels.MatchNotRegexp,
	}
}

// LegacyLabel tells whether a name is one for a label that needs no quotes anywhere.
func LegacyLabel(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}

	return name != ""
}

func appendMatcher(out []byte, label, operator, value string) []byte {
	out = appendLabel(out, label)
	out = append(out, operator...)

	return strconv.AppendQuote(out, value)
}

func appendLabel(out []byte, label string) []byte {
	if LegacyLabel(label) {
		return append(out, label...)
	}

	return strconv.AppendQuote(out, label)
}

// Enforcement is what every selector has to carry.
type Enforcement struct {
	matchers []*labels.Matcher
	printed  []string // the matchers as they stand in a selector
	reject   bool
}

// NewEnforcement returns the enforcement of the matchers. An equality of an author that contradicts one of them is
// refused if reject is set; else it gives way.
func NewEnforcement(matchers []Matcher, reject bool) (*Enforcement, error) {
	enforcement := &Enforcement{reject: reject}

	for _, matcher := range matchers {
		compiled, err := matcher.compile()
		if err != nil {
			return nil, err
		}

		if !slices.Contains(enforcement.printed, matcher.String()) {
			enforcement.matchers = append(enforcement.matchers, compiled)
			enforcement.printed = append(enforcement.printed, matcher.String())
		}
	}

	return enforcement, nil
}

// contradicted returns the enforced matcher that a matcher of an author contradicts. Only equalities do: whatever
// else stands beside an enforced matcher leaves less, never more.
func (e *Enforcement) contradicted(matcher *labels.Matcher) *labels.Matcher {
	if matcher.Type != labels.MatchEqual {
		return nil
	}

	for _, enforced := range e.matchers {
		if enforced.Name == matcher.Name && !enforced.Matches(matcher.Value) {
			return enforced
		}
	}

	return nil
}

// contains tells whether the matcher is one of the enforced.
func (e *Enforcement) contains(matcher *labels.Matcher) bool {
	return slices.ContainsFunc(e.matchers, func(enforced *labels.Matcher) bool { return alike(enforced, matcher) })
}

func alike(a, b *labels.Matcher) bool {
	return a.Type == b.Type && a.Name == b.Name && a.Value == b.Value
}
