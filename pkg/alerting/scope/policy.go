package scope

import (
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/internal/promql"
)

// Operator is how a matcher compares, as PromQL spells it.
type Operator = promql.Operator

// The operators of PromQL.
const (
	Equal     = promql.Equal
	NotEqual  = promql.NotEqual
	Regexp    = promql.Regexp
	NotRegexp = promql.NotRegexp
)

// Matcher is a condition on a label of series. The empty operator is Equal.
type Matcher = promql.Matcher

// Conflict says what becomes of an equality that contradicts an enforced matcher, such as namespace="other".
type Conflict string

const (
	// Replace drops it, with a warning: the enforced matcher stands in its place, as KubeSphere 3.4 did it.
	Replace Conflict = ""

	// Reject makes it an error.
	Reject Conflict = "Reject"
)

// Templates says what templates of labels and annotations may query.
type Templates string

const (
	// Confined rewrites queries that stand in the template as constants, and refuses those that are computed.
	Confined Templates = ""

	// Mute refuses every query.
	Mute Templates = "Mute"

	// Free leaves templates as they are, as long as the evaluator can parse them. Only for owners who may see all.
	Free Templates = "Free"
)

// Policy is what the owner of a rule may do.
type Policy struct {
	// Enforced are the matchers that every selector has to carry. A matcher of the owner on the same label stays
	// beside them, for it can only narrow the result, unless it is an equality that contradicts: see Conflict.
	Enforced []Matcher

	// Conflict says what becomes of an equality that contradicts an enforced matcher.
	Conflict Conflict

	// Functions are the PromQL functions that may be called. Nil: all of StableFunctions. Experimental functions
	// cannot be listed, for an evaluator refuses a whole file of rules because of one. The function info, which
	// reads series that no selector names, cannot be called where matchers are enforced.
	Functions []string

	// Templates says what templates of labels and annotations may query.
	Templates Templates

	// MaxRange is how far back from its evaluation an expression may look: the ranges, steps into sub-queries and
	// offsets on the way to a selector, added up. A fixed time (@ 1700000000) is refused where there is a limit.
	// 0: no limit.
	MaxRange time.Duration

	// MaxSelectors is how many selectors an expression may have. 0: no limit.
	MaxSelectors int
}

// OneOf returns the matcher for series whose label has one of the values: an equality for one value, a regular
// expression of the escaped values, sorted, for more. PromQL anchors regular expressions by itself. Without values
// New refuses the matcher: it would match series without the label.
func OneOf(label string, values ...string) Matcher {
	return promql.OneOf(label, values...)
}

// ReservedLabels are the labels of alerts that routing and the console rely on. Only the renderer sets them.
func ReservedLabels() []string {
	return []string{"alerttype", "cluster", "namespace", "rule_group", "rule_id", "rule_level", "rule_type"}
}

// StableFunctions are the PromQL functions that evaluators know without a feature flag, sorted.
func StableFunctions() []string {
	return promql.StableFunctions()
}
