package evaluation

import (
	"errors"
	"fmt"
	"math"
)

// ErrBudget is what every error wraps that says there is too much to do.
var ErrBudget = errors.New("over the budget")

// What work costs, in samples read. The prices are measured: a sample that a sub-query reads takes a third of
// a microsecond.
const (
	priceStored     = 10  // a sample that is kept: what it costs is memory
	priceEvaluation = 60  // evaluating anything
	priceNode       = 20  // evaluating each part of an expression
	priceNodeStep   = 0.5 // the same once more, in a sub-query
	priceFunction   = 130 // calling a function in a template
	priceTemplate   = 40  // executing a template, or a turn of a loop in it
	perByte         = 8   // so many bytes of text cost as much as a sample
)

// Budget is the work that may still be done. Several evaluators may share one, one after the other.
type Budget struct {
	evaluations, samples int
	spent                Spent
	err                  error
}

// Spent is the work that was done.
type Spent struct{ Evaluations, Samples int }

// NewBudget returns a budget of so many evaluations of an expression and so many samples to be read by them.
func NewBudget(evaluations, samples int) *Budget {
	return &Budget{evaluations: evaluations, samples: samples}
}

// Err returns why nothing can be afforded any more, nil while something can.
func (b *Budget) Err() error { return b.err }

// Spent returns what was used up.
func (b *Budget) Spent() Spent { return b.spent }

// Left returns how many evaluations are left.
func (b *Budget) Left() int { return b.evaluations - b.spent.Evaluations }

// evaluate pays for one evaluation of an expression.
func (b *Budget) evaluate() error {
	if b.err == nil && b.Left() <= 0 {
		b.err = fmt.Errorf("%w: more than %d evaluations", ErrBudget, b.evaluations)
	}

	if b.err == nil {
		b.spent.Evaluations++
	}

	return b.err
}

// spend pays for work of so many samples. It takes a float because estimates may be beyond any integer.
func (b *Budget) spend(samples float64) error {
	left := float64(b.samples - b.spent.Samples)
	if b.err == nil && (samples > left || math.IsNaN(samples)) {
		b.err = fmt.Errorf("%w: more samples to read and to keep than %d", ErrBudget, b.samples)
	}

	if b.err == nil {
		b.spent.Samples += int(samples)
	}

	return b.err
}
