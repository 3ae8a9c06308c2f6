package promql

import (
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

// Confined is an expression of which every selector carries the enforced matchers.
type Confined struct {
	// Text is the expression, in the form in which Prometheus prints it.
	Text string

	// Warnings tell what was changed against the author's wish.
	Warnings []string

	// Selectors is how many selectors it has.
	Selectors int

	// Reach is how far back from its evaluation it looks. Fixed tells that it also looks at a fixed time.
	Reach time.Duration
	Fixed bool
}

// Confine adds the enforced matchers to every selector of an expression, and proves the result. Every error is a
// *RefusalError.
func (l *Language) Confine(text string, enforcement *Enforcement) (Confined, error) {
	return l.confine(text, enforcement, nil)
}

// confine is Confine with a saboteur, for the tests.
func (l *Language) confine(
	text string, enforcement *Enforcement, sabotage func(part string) bool,
) (Confined, error) {
	written, err := l.parse(text)
	if err != nil {
		return Confined{}, err
	}

	if kind := written.Type(); kind != parser.ValueTypeVector && kind != parser.ValueTypeScalar {
		return Confined{}, refuse(ReasonNotAVector, "it is a "+string(kind)+
			", and a rule needs an instant vector or a scalar: wrap a range in a function such as rate()")
	}

	writer := printer{
		enforcement: enforcement, text: text, sabotage: sabotage,
		out: make([]byte, 0, 2*len(text)+64),
	}
	if err := writer.expr("", written); err != nil {
		return Confined{}, err
	}

	writer.found.Text = string(writer.out)

	printed, err := parseSafely(l.parser, writer.found.Text)
	if err != nil {
		return Confined{}, refuse(ReasonNotProven, "with the matchers added it cannot be parsed any more ("+
			err.Error()+"): write it in a simpler form")
	}

	if err := prove(written, printed, enforcement); err != nil {
		return Confined{}, err
	}

	return writer.found, nil
}
