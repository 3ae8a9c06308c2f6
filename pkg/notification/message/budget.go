package message

import (
	"errors"
	"fmt"
	"time"
)

// Budget is what one rendering may take. Bytes, Steps and Made are counted, so that the same data gives the same
// answer on a busy machine; Time is the net below them and needs the Set's clock.
type Budget struct {
	// Bytes is the longest text it may write.
	Bytes int
	// Steps is how many of its parts it may run, each turn of a range counted.
	Steps int
	// Made is how many bytes its functions may make, be they written or not.
	Made int
	// Time is how long it may run.
	Time time.Duration
}

// The budget of whoever gives none: a thousand alerts take less than a tenth of it.
const (
	defaultBytes = 4 << 20
	defaultSteps = 1_000_000
	defaultMade  = 16 << 20
	defaultTime  = time.Second
)

func (b Budget) orDefault() Budget {
	if b.Bytes <= 0 {
		b.Bytes = defaultBytes
	}

	if b.Steps <= 0 {
		b.Steps = defaultSteps
	}

	if b.Made <= 0 {
		b.Made = defaultMade
	}

	if b.Time <= 0 {
		b.Time = defaultTime
	}

	return b
}

// ErrBudget is in the error of every rendering that would have taken more than its budget.
var ErrBudget = errors.New("the template takes more than it may")

// run is one rendering: its output, and what it took so far. The writer is where a template can be stopped: it is
// called before each of its nodes (see instrument), and an error of it ends the rendering.
type run struct {
	budget Budget
	clock  func() time.Time

	now      time.Time
	deadline time.Time
	out      []byte
	steps    int
	made     int
}

// begin makes the run ready for the next rendering.
func (r *run) begin(now time.Time) {
	r.now, r.out, r.steps, r.made = now, r.out[:0], 0, 0

	if r.clock != nil {
		r.deadline = r.clock().Add(r.budget.Time)
	}
}

// Write takes what the template writes.
func (r *run) Write(text []byte) (int, error) {
	if err := r.step(); err != nil {
		return 0, err
	}

	if len(r.out)+len(text) > r.budget.Bytes {
		return 0, fmt.Errorf("%w: its text is longer than %d bytes", ErrBudget, r.budget.Bytes)
	}

	r.out = append(r.out, text...)

	return len(text), nil
}

func (r *run) step() error {
	const turnsPerLook = 64 // a look at the clock costs as much as a step

	r.steps++

	if r.steps > r.budget.Steps {
		return fmt.Errorf("%w: it runs more than %d steps; look for ranges within ranges", ErrBudget, r.budget.Steps)
	}

	if r.clock != nil && r.steps%turnsPerLook == 0 && r.clock().After(r.deadline) {
		return fmt.Errorf("%w: it runs longer than %s", ErrBudget, r.budget.Time)
	}

	return nil
}

// charge counts bytes that a function is about to make.
func (r *run) charge(bytes int) error {
	if bytes > r.budget.Made-r.made {
		return fmt.Errorf("%w: its functions make more than %d bytes", ErrBudget, r.budget.Made)
	}

	r.made += bytes

	return nil
}
