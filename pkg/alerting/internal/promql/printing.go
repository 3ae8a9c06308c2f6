package promql

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// printer prints an expression with the enforced matchers on every selector, in the form of Prometheus' own printer:
// evaluators print a rule before they evaluate it, and so what they evaluate is what was proven. The tree stays as it
// is, to be compared with.
type printer struct {
	enforcement *Enforcement
	text        string // what was written, for the places of refusals
	out         []byte
	scratch     []string // the matchers of one selector
	depth       int
	reach       time.Duration // how far back the ranges and offsets around the current node look
	found       Confined

	// sabotage leaves out the enforced matchers below a part of the tree. Only tests set it, to see that it is noticed.
	sabotage func(part string) bool
}

// The parts of the tree, for the tests.
const (
	partParameter = "aggregation parameter"
	partAggregate = "aggregation"
	partLeft      = "left side"
	partRight     = "right side"
	partArgument  = "argument"
	partRange     = "range"
	partSubquery  = "sub-query"
	partParen     = "parentheses"
	partUnary     = "sign"
	partSelector  = "selector"
)

// expr prints a part of an expression. What is not known here is refused.
func (p *printer) expr(part string, node parser.Expr) error {
	if p.skips(part, node) {
		return nil
	}

	if part != partLeft {
		p.depth++
		defer func() { p.depth-- }()
	}

	if p.depth > maxNesting {
		return p.refuse(node, ReasonTooComplex, fmt.Sprintf("it is nested more than %d deep: "+
			"record a part of it with a rule of its own", maxNesting))
	}

	switch node := node.(type) {
	case *parser.AggregateExpr:
		return p.aggregate(node)
	case *parser.BinaryExpr:
		return p.binary(node)
	case *parser.Call:
		return p.call(node)
	case *parser.MatrixSelector:
		return p.matrix(node)
	case *parser.NumberLiteral:
		return p.number(node)
	case *parser.ParenExpr:
		return p.paren(node)
	case *parser.StringLiteral:
		return p.str(node)
	case *parser.SubqueryExpr:
		return p.subquery(node)
	case *parser.UnaryExpr:
		p.out = append(p.out, node.Op.String()...)

		return p.expr(partUnary, node.Expr)
	case *parser.VectorSelector:
		return p.selector(node)
	}

	return refuse(ReasonExperimental, fmt.Sprintf("it has syntax that is not known here (%T): write it without", node))
}

// skips prints a part as it was written, if the saboteur wants that.
func (p *printer) skips(part string, node parser.Expr) bool {
	if p.sabotage == nil || !p.sabotage(part) {
		return false
	}

	p.out = append(p.out, node.String()...)

	return true
}

func (p *printer) refuse(node parser.Node, reason, message string) *RefusalError {
	return refuse(reason, message).at(p.text, node.PositionRange().Start)
}

func (p *printer) aggregate(node *parser.AggregateExpr) error {
	p.out = append(p.out, node.Op.String()...)

	switch {
	case node.Without:
		p.out = append(appendLabels(append(p.out, " without ("...), node.Grouping), ") "...)
	case len(node.Grouping) > 0:
		p.out = append(appendLabels(append(p.out, " by ("...), node.Grouping), ") "...)
	}

	p.out = append(p.out, '(')

	if node.Param != nil {
		if err := p.expr(partParameter, node.Param); err != nil {
			return err
		}

		p.out = append(p.out, ", "...)
	}

	if err := p.expr(partAggregate, node.Expr); err != nil {
		return err
	}

	p.out = append(p.out, ')')

	return p.utf8(node, node.Grouping...)
}

func (p *printer) binary(node *parser.BinaryExpr) error {
	if err := p.expr(partLeft, node.LHS); err != nil {
		return err
	}

	p.out = append(append(p.out, ' '), node.Op.String()...)

	if node.ReturnBool {
		p.out = append(p.out, " bool"...)
	}

	if err := p.matching(node); err != nil {
		return err
	}

	p.out = append(p.out, ' ')

	return p.expr(partRight, node.RHS)
}

// matching prints which elements of two vectors belong together.
func (p *printer) matching(node *parser.BinaryExpr) error {
	matching := node.VectorMatching
	if matching == nil {
		return nil
	}

	if matching.FillValues != (parser.VectorMatchFillValues{}) {
		return p.refuse(node, ReasonExperimental, "fill is experimental, "+
			"evaluators know it only behind a feature flag: write it without")
	}

	grouped := matching.Card == parser.CardManyToOne || matching.Card == parser.CardOneToMany
	if !grouped && !matching.On && len(matching.MatchingLabels) == 0 {
		return nil
	}

	keyword := " ignoring ("
	if matching.On {
		keyword = " on ("
	}

	p.out = append(appendLabels(append(p.out, keyword...), matching.MatchingLabels), ')')

	if grouped {
		keyword = " group_right ("
		if matching.Card == parser.CardManyToOne {
			keyword = " group_left ("
		}

		p.out = append(appendLabels(append(p.out, keyword...), matching.Include), ')')
	}

	return p.utf8(node, slices.Concat(matching.MatchingLabels, matching.Include)...)
}

func (p *printer) call(node *parser.Call) error {
	if node.Func.Name == info && len(p.enforcement.matchers) > 0 {
		return p.refuse(node, ReasonFunctionNotAllowed, "the function info reads series that no selector names, "+
			"so it cannot be confined: join the series with group_left instead")
	}

	p.out = append(append(p.out, node.Func.Name...), '(')

	for i, argument := range node.Args {
		if i > 0 {
			p.out = append(p.out, ", "...)
		}

		if err := p.expr(partArgument, argument); err != nil {
			return err
		}
	}

	p.out = append(p.out, ')')

	return nil
}

func (p *printer) paren(node *parser.ParenExpr) error {
	p.out = append(p.out, '(')

	if err := p.expr(partParen, node.Expr); err != nil {
		return err
	}

	p.out = append(p.out, ')')

	return nil
}

func (p *printer) str(node *parser.StringLiteral) error {
	p.out = strconv.AppendQuote(p.out, node.Val)

	return p.utf8(node, node.Val)
}

func (p *printer) number(node *parser.NumberLiteral) error {
	if math.IsInf(node.Val, 1) {
		p.out = append(p.out, "Inf"...) // with a sign it would be another tree beside a power

		return nil
	}

	if !node.Duration {
		p.out = strconv.AppendFloat(p.out, node.Val, 'f', -1, 64)

		return nil
	}

	if node.Val < 0 {
		p.out = append(p.out, '-')
	}

	p.out = appendDuration(p.out, time.Duration(math.Round(math.Abs(node.Val)*float64(time.Second))))

	return nil
}

func (p *printer) matrix(node *parser.MatrixSelector) error {
	inner, ok := node.VectorSelector.(*parser.VectorSelector)
	if !ok || node.RangeExpr != nil || node.Range <= 0 {
		return p.refuseDuration(node)
	}

	before := p.reach
	p.reach = add(before, node.Range)

	defer func() { p.reach = before }()

	if p.skips(partRange, node) {
		return nil
	}

	if err := p.head(inner); err != nil {
		return err
	}

	p.out = append(appendDuration(append(p.out, '['), node.Range), ']')

	return p.shift(inner, inner.OriginalOffset, inner.OriginalOffsetExpr, inner.Timestamp, inner.StartOrEnd)
}

func (p *printer) subquery(node *parser.SubqueryExpr) error {
	if node.RangeExpr != nil || node.StepExpr != nil || node.Range <= 0 || node.Step < 0 {
		return p.refuseDuration(node)
	}

	before := p.reach
	p.reach = add(add(before, node.Range), max(node.OriginalOffset, 0))

	if err := p.expr(partSubquery, node.Expr); err != nil {
		return err
	}

	p.reach = before
	p.out = append(appendDuration(append(p.out, '['), node.Range), ':')

	if node.Step > 0 {
		p.out = appendDuration(p.out, node.Step)
	}

	p.out = append(p.out, ']')

	return p.shift(node, node.OriginalOffset, node.OriginalOffsetExpr, node.Timestamp, node.StartOrEnd)
}

func (p *printer) refuseDuration(node parser.Node) *RefusalError {
	return p.refuse(node, ReasonExperimental,
		"durations are plain numbers and units here, such as 5m or 1h30m: calculate them beforehand")
}

func (p *printer) selector(node *parser.VectorSelector) error {
	if p.skips(partSelector, node) {
		return nil
	}

	if err := p.head(node); err != nil {
		return err
	}

	return p.shift(node, node.OriginalOffset, node.OriginalOffsetExpr, node.Timestamp, node.StartOrEnd)
}

// head prints the name and the matchers of a selector, the enforced ones among them.
func (p *printer) head(node *parser.VectorSelector) error {
	if node.Anchored || node.Smoothed {
		return p.refuse(node, ReasonExperimental, "anchored and smoothed are experimental, "+
			"evaluators know them only behind a feature flag: write it without")
	}

	if len(p.out) > maxPrinted {
		return refuse(ReasonTooLong, fmt.Sprintf("with the enforced matchers it has more than %d bytes: "+
			"split it, or record a part of it with a rule of its own", maxPrinted))
	}

	p.found.Selectors++
	p.found.Reach = max(p.found.Reach, add(p.reach, max(node.OriginalOffset, 0)))
	p.scratch = append(p.scratch[:0], p.enforcement.printed...)

	for _, matcher := range node.LabelMatchers {
		if err := p.matcher(node, matcher); err != nil {
			return err
		}
	}

	p.out = append(p.out, node.Name...)

	if len(p.scratch) == 0 {
		return nil
	}

	slices.Sort(p.scratch)

	p.out = append(p.out, '{')

	for i, matcher := range p.scratch {
		if i > 0 {
			p.out = append(p.out, ',')
		}

		p.out = append(p.out, matcher...)
	}

	p.out = append(p.out, '}')

	return nil
}

// matcher adds a matcher of the author to those that are printed, unless it stands there already or gives way.
func (p *printer) matcher(node *parser.VectorSelector, matcher *labels.Matcher) error {
	if err := p.utf8(node, matcher.Name, matcher.Value); err != nil {
		return err
	}

	isName := matcher.Name == model.MetricNameLabel && matcher.Type == labels.MatchEqual
	if (isName && node.Name != "" && matcher.Value == node.Name) || p.enforcement.contains(matcher) {
		return nil
	}

	enforced := p.enforcement.contradicted(matcher)

	switch {
	case enforced == nil:
		p.scratch = append(p.scratch, string(appendMatcher(make([]byte, 0, 2+len(matcher.Name)+len(matcher.Value)+8),
			matcher.Name, matcher.Type.String(), matcher.Value)))

		return nil
	case p.enforcement.reject:
		return p.refuse(node, ReasonForbiddenSelector, fmt.Sprintf("%s is outside of what this rule may see: "+
			"remove it, %s is added to every selector", matcher, enforced))
	}

	warning := fmt.Sprintf("%s is outside of what this rule may see and gives way to %s", matcher, enforced)
	if len(p.found.Warnings) < maxWarnings && !slices.Contains(p.found.Warnings, warning) {
		p.found.Warnings = append(p.found.Warnings, warning)
	}

	return nil
}

// shift prints the modifiers that move a selection in time.
func (p *printer) shift(
	node parser.Node, offset time.Duration, computed *parser.DurationExpr, timestamp *int64, edge parser.ItemType,
) error {
	switch {
	case computed != nil:
		return p.refuseDuration(node)
	case timestamp != nil:
		p.found.Fixed = true
		p.out = append(p.out, " @ "...)
		p.out = strconv.AppendFloat(p.out, float64(*timestamp)/1000, 'f', 3, 64)
	case edge != 0:
		p.out = append(append(append(p.out, " @ "...), edge.String()...), "()"...)
	}

	switch {
	case offset > 0:
		p.out = appendDuration(append(p.out, " offset "...), offset)
	case offset < 0:
		p.out = appendDuration(append(p.out, " offset -"...), -offset)
	}

	return nil
}

// utf8 refuses names and values that no file of rules can hold. They get here through escapes.
func (p *printer) utf8(node parser.Node, texts ...string) error {
	for _, text := range texts {
		if !utf8.ValidString(text) {
			return p.refuse(node, ReasonNotUTF8, fmt.Sprintf("%q is not valid UTF-8: write the character itself", text))
		}
	}

	return nil
}

func appendLabels(out []byte, names []string) []byte {
	for i, name := range names {
		if i > 0 {
			out = append(out, ", "...)
		}

		out = appendLabel(out, name)
	}

	return out
}

func appendDuration(out []byte, duration time.Duration) []byte {
	return append(out, model.Duration(duration).String()...)
}

// add adds durations that are not negative. The longest duration is the end: a sum never turns negative.
func add(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}

	return a + b
}
