package promql

import (
	"strings"

	"github.com/prometheus/prometheus/promql/parser/posrange"
)

// The reasons of refusals.
const (
	ReasonSyntax             = "SyntaxError"
	ReasonTooLong            = "TooLong"
	ReasonTooComplex         = "TooComplex"
	ReasonNotUTF8            = "NotUTF8"
	ReasonFunctionNotAllowed = "FunctionNotAllowed"
	ReasonExperimental       = "Experimental"
	ReasonNotAVector         = "NotAVector"
	ReasonForbiddenSelector  = "ForbiddenSelector"
	ReasonNotProven          = "NotProven"
)

// RefusalError is why an expression is not taken.
type RefusalError struct {
	// Reason is one word, one of those above.
	Reason string

	// Message says what is wrong and what would be right.
	Message string

	// Line and Column are where in the expression, from 1 on; 0 where that is not known.
	Line, Column int
}

// Error returns the message.
func (r *RefusalError) Error() string {
	return r.Message
}

// refuse returns a refusal without a place.
func refuse(reason, message string) *RefusalError {
	return &RefusalError{Reason: reason, Message: message}
}

// at adds the place of a byte of the text.
func (r *RefusalError) at(text string, offset posrange.Pos) *RefusalError {
	r.Line, r.Column = place(text, int(offset))

	return r
}

// place returns the line and the column of a byte of the text, from 1 on, and zeros for a byte outside of it.
func place(text string, offset int) (line, column int) {
	if offset < 0 || offset > len(text) {
		return 0, 0
	}

	before := text[:offset]

	return strings.Count(before, "\n") + 1, offset - strings.LastIndexByte(before, '\n')
}
