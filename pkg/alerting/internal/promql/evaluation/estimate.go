package evaluation

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

const (
	// maxReads is how many samples of each series one evaluation may look at.
	maxReads = 1_000_000

	// maxRegexp is what the text of an expression may cost: its bytes, times what its regular expressions
	// repeat.
	maxRegexp = 100_000

	// maxRelabelled is how many bytes of labels one evaluation may write.
	maxRelabelled = 32 << 20

	// perMatch is how many steps of a regular expression take as long as reading a sample, where few of the
	// labels are matched.
	perMatch = 1000

	// maxRepeat is the most that Go's regular expressions repeat anything, nested or not.
	maxRepeat = 1000
)

var (
	errRegexp  = errors.New("a regular expression repeats too much; repeat less, or shorten the expression")
	errReads   = fmt.Errorf("more than %d samples of a series; use shorter ranges or longer steps", maxReads)
	errRelabel = fmt.Errorf("%w: it may write more than %d bytes of labels", ErrBudget, maxRelabelled)
)

// priceOfText returns what parsing an expression costs. A regular expression of twenty letters may stand for
// thousands.
func priceOfText(text string) float64 {
	factor := 1.0
	repeats := regexp.MustCompile(`\{\s*\d+(,\d*)?\}`)

	for _, repeat := range repeats.FindAllString(text, -1) {
		for number := range strings.FieldsFuncSeq(repeat, func(r rune) bool { return r < '0' || r > '9' }) {
			times, err := strconv.ParseFloat(number, 64)
			if err != nil {
				times = maxRepeat
			}

			factor = min(factor*max(times, 1), maxRepeat)
		}
	}

	return float64(len(text)) * factor / perByte
}

// stretch is the time over which a part of an expression is evaluated, and how often.
type stretch struct{ span, step time.Duration }

func (s stretch) steps() float64 { return windows(s.span, s.step) }

func windows(span, step time.Duration) float64 {
	return float64(span)/float64(max(step, time.Millisecond)) + 1
}

// tooWide refuses an expression that may look at too many samples of a series: sub-queries multiply.
func (e *Evaluator) tooWide(expr parser.Expr) error {
	if e.reads(expr, stretch{step: e.interval}) > maxReads {
		return errReads
	}

	return nil
}

// reads estimates how many samples of each series a part of an expression looks at.
func (e *Evaluator) reads(node parser.Node, over stretch) float64 {
	total := 0.0

	switch part := node.(type) {
	case *parser.VectorSelector:
		return over.steps()
	case *parser.MatrixSelector:
		// No series has more samples than can be stored.
		return over.steps() * min(windows(part.Range, e.interval), float64(e.budget.samples)/priceStored)
	case *parser.SubqueryExpr:
		total = over.steps() * windows(part.Range, e.stepOf(part))
	}

	for child := range parser.ChildrenIter(node) {
		total += e.reads(child, e.inside(node, over))
	}

	return total
}

// work estimates what evaluating the parts of an expression costs besides reading samples.
func (e *Evaluator) work(node parser.Node, over stretch) float64 {
	total := priceNode + over.steps()*priceNodeStep
	for child := range parser.ChildrenIter(node) {
		total += e.work(child, e.inside(node, over))
	}

	return total
}

// inside returns over which time the parts of a part are evaluated.
func (e *Evaluator) inside(node parser.Node, over stretch) stretch {
	if sub, is := node.(*parser.SubqueryExpr); is {
		return stretch{span: over.span + sub.Range, step: e.stepOf(sub)}
	}

	return over
}

func (e *Evaluator) stepOf(sub *parser.SubqueryExpr) time.Duration {
	if sub.Step == 0 {
		return e.interval
	}

	return sub.Step
}

// relabels says whether an expression writes labels.
func relabels(expr parser.Expr) bool {
	found := false

	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		call, is := node.(*parser.Call)
		found = found || is && strings.HasPrefix(call.Func.Name, "label_")

		return nil
	})

	return found
}

// tooLong refuses to evaluate an expression that may write too many labels: each label_replace may multiply
// what the one inside it has written.
func (e *Evaluator) tooLong(expr parser.Expr) error {
	bytes, work := e.written(expr)
	if bytes > maxRelabelled {
		return errRelabel
	}

	return e.budget.spend(work)
}

// written estimates how many bytes of labels the result of a part of an expression has, and what it costs to
// write them.
func (e *Evaluator) written(node parser.Node) (bytes, work float64) {
	if _, selector := node.(*parser.VectorSelector); selector {
		return float64(e.store.labelBytes), 0
	}

	for child := range parser.ChildrenIter(node) {
		childBytes, childWork := e.written(child)
		bytes, work = bytes+childBytes, work+childWork
	}

	call, is := node.(*parser.Call)
	if !is || !strings.HasPrefix(call.Func.Name, "label_") {
		return bytes, work
	}

	factor, literal := 1, 0

	for _, argument := range call.Args {
		text := literalOf(argument)
		factor += strings.Count(text, "$")
		literal += len(text)
	}

	if call.Func.Name == "label_join" {
		factor = len(call.Args)
	}

	work += bytes * float64(literal) / perMatch

	return bytes*float64(factor) + float64(literal*(len(e.store.series)+1)), work
}

// literalOf returns the text that an argument is, empty where it is none.
func literalOf(expr parser.Expr) string {
	switch part := expr.(type) {
	case *parser.StringLiteral:
		return part.Val
	case *parser.ParenExpr:
		return literalOf(part.Expr)
	case *parser.StepInvariantExpr:
		return literalOf(part.Expr)
	default:
		return ""
	}
}
