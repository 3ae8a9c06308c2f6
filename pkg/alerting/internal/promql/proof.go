package promql

import (
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// prove shows that the confined expression is the written one with the enforced matchers on every selector, and
// nothing else.
//
// It shares no code with what adds the matchers: the way through the trees is the parser's own, and what is asked of
// a selector is said in other words. Both trees are listed from top to bottom, with a mark at the end of each node,
// so that equal lists are equal trees.
func prove(written, confined parser.Expr, enforcement *Enforcement) error {
	before, after := list(written), list(confined)

	if len(before) != len(after) {
		return unproven("has other parts")
	}

	for i, node := range before {
		if problem := compare(node, after[i], enforcement.matchers); problem != "" {
			return unproven(problem)
		}
	}

	return nil
}

func unproven(problem string) *RefusalError {
	return refuse(ReasonNotProven, "confined and parsed again it "+problem+
		": write it in a simpler form, with durations of at least a millisecond")
}

// list returns the nodes of a tree, each before its children, and nil behind the last child.
func list(root parser.Expr) []parser.Node {
	nodes := make([]parser.Node, 0, 64)

	parser.Inspect(root, func(node parser.Node, _ []parser.Node) error {
		nodes = append(nodes, node)

		return nil
	})

	return nodes
}

// compare says in what a node of the confined expression differs from the one that was written, its children apart.
func compare(written, confined parser.Node, enforced []*labels.Matcher) string {
	if selector, ok := written.(*parser.VectorSelector); ok {
		other, ok := confined.(*parser.VectorSelector)
		if !ok {
			return "has something else than a selector"
		}

		return compareSelectors(selector, other, enforced)
	}

	if !same(written, confined) {
		return "has another part"
	}

	return ""
}

// same compares nodes that are no selectors. A type that is not known here is never the same.
func same(a, b parser.Node) bool {
	switch a.(type) {
	case nil:
		return b == nil
	case *parser.AggregateExpr:
		return both(a, b, sameAggregate)
	case *parser.BinaryExpr:
		return both(a, b, sameBinary)
	case *parser.Call:
		return both(a, b, sameCall)
	case *parser.MatrixSelector:
		return both(a, b, sameRange)
	case *parser.NumberLiteral:
		return both(a, b, sameNumber)
	case *parser.ParenExpr:
		return both(a, b, func(_, _ *parser.ParenExpr) bool { return true })
	case *parser.StringLiteral:
		return both(a, b, func(a, b *parser.StringLiteral) bool { return a.Val == b.Val })
	case *parser.SubqueryExpr:
		return both(a, b, sameSubquery)
	case *parser.UnaryExpr:
		return both(a, b, func(a, b *parser.UnaryExpr) bool { return a.Op == b.Op })
	}

	return false
}

// both tells whether two nodes are of a type, and the same.
func both[T parser.Node](a, b parser.Node, equal func(a, b T) bool) bool {
	first, isFirst := a.(T)
	second, isSecond := b.(T)

	return isFirst && isSecond && equal(first, second)
}

func sameAggregate(a, b *parser.AggregateExpr) bool {
	return a.Op == b.Op && a.Without == b.Without && slices.Equal(a.Grouping, b.Grouping) &&
		(a.Param == nil) == (b.Param == nil)
}

func sameBinary(a, b *parser.BinaryExpr) bool {
	return a.Op == b.Op && a.ReturnBool == b.ReturnBool && sameMatching(a.VectorMatching, b.VectorMatching)
}

func sameCall(a, b *parser.Call) bool {
	return a.Func.Name == b.Func.Name && len(a.Args) == len(b.Args)
}

func sameRange(a, b *parser.MatrixSelector) bool {
	return a.Range == b.Range && a.RangeExpr == nil && b.RangeExpr == nil
}

func sameSubquery(a, b *parser.SubqueryExpr) bool {
	plain := a.RangeExpr == nil && b.RangeExpr == nil && a.StepExpr == nil && b.StepExpr == nil

	return plain && a.Range == b.Range && a.Step == b.Step && sameTime(shiftOfSubquery(a), shiftOfSubquery(b))
}

func sameNumber(a, b *parser.NumberLiteral) bool {
	equal := math.Float64bits(a.Val) == math.Float64bits(b.Val) || (math.IsNaN(a.Val) && math.IsNaN(b.Val))

	return equal && a.Duration == b.Duration
}

func sameMatching(a, b *parser.VectorMatching) bool {
	if a == nil || b == nil {
		return a == b
	}

	none := parser.VectorMatchFillValues{}

	return a.Card == b.Card && a.On == b.On && slices.Equal(a.MatchingLabels, b.MatchingLabels) &&
		slices.Equal(a.Include, b.Include) && a.FillValues == none && b.FillValues == none
}

// shift is how a selection is moved in time.
type shift struct {
	offset    int64
	computed  *parser.DurationExpr
	timestamp *int64
	edge      parser.ItemType
}

func shiftOfSubquery(n *parser.SubqueryExpr) shift {
	return shift{int64(n.OriginalOffset), n.OriginalOffsetExpr, n.Timestamp, n.StartOrEnd}
}

func shiftOfSelector(n *parser.VectorSelector) shift {
	return shift{int64(n.OriginalOffset), n.OriginalOffsetExpr, n.Timestamp, n.StartOrEnd}
}

func sameTime(a, b shift) bool {
	if a.computed != nil || b.computed != nil || a.offset != b.offset || a.edge != b.edge {
		return false
	}

	if a.timestamp == nil || b.timestamp == nil {
		return a.timestamp == b.timestamp
	}

	return *a.timestamp == *b.timestamp
}

// compareSelectors asks of a confined selector that it carries every enforced matcher, that it has kept those of its
// author except equalities on an enforced label, and that it has no others.
func compareSelectors(written, confined *parser.VectorSelector, enforced []*labels.Matcher) string {
	for _, matcher := range enforced {
		if !has(confined.LabelMatchers, matcher) {
			return fmt.Sprintf("has a selector without %s", matcher)
		}
	}

	for _, matcher := range written.LabelMatchers {
		if !has(confined.LabelMatchers, matcher) && !mayGo(matcher, enforced) {
			return fmt.Sprintf("has lost %s", matcher)
		}
	}

	for _, matcher := range confined.LabelMatchers {
		if !has(written.LabelMatchers, matcher) && !has(enforced, matcher) {
			return fmt.Sprintf("has %s, which nobody wrote", matcher)
		}
	}

	plain := !confined.Anchored && !confined.Smoothed && !written.Anchored && !written.Smoothed
	if !plain || written.Name != confined.Name || !sameTime(shiftOfSelector(written), shiftOfSelector(confined)) {
		return "has another selector"
	}

	return ""
}

func has(matchers []*labels.Matcher, wanted *labels.Matcher) bool {
	for _, matcher := range matchers {
		if matcher.Name == wanted.Name && matcher.Value == wanted.Value && matcher.Type == wanted.Type {
			return true
		}
	}

	return false
}

// mayGo tells whether a matcher is an equality on an enforced label.
func mayGo(matcher *labels.Matcher, enforced []*labels.Matcher) bool {
	return matcher.Type == labels.MatchEqual &&
		slices.ContainsFunc(enforced, func(e *labels.Matcher) bool { return e.Name == matcher.Name })
}
