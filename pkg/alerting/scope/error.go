package scope

import (
	"errors"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/internal/promql"
)

// The reasons of errors.
const (
	// ReasonSyntax is for what cannot be parsed.
	ReasonSyntax = promql.ReasonSyntax

	// ReasonTooLong is for a text that is longer than what is looked at.
	ReasonTooLong = promql.ReasonTooLong

	// ReasonTooComplex is for what costs out of proportion: depth, operators, regular expressions, loops.
	ReasonTooComplex = promql.ReasonTooComplex

	// ReasonNotUTF8 is for texts, labels and values that are not valid UTF-8.
	ReasonNotUTF8 = promql.ReasonNotUTF8

	// ReasonFunctionNotAllowed is for a PromQL function outside of the allowed ones.
	ReasonFunctionNotAllowed = promql.ReasonFunctionNotAllowed

	// ReasonExperimental is for PromQL that evaluators know only behind a feature flag.
	ReasonExperimental = promql.ReasonExperimental

	// ReasonNotAVector is for an expression that is neither an instant vector nor a scalar.
	ReasonNotAVector = promql.ReasonNotAVector

	// ReasonForbiddenSelector is for an equality that contradicts an enforced matcher, where that is an error.
	ReasonForbiddenSelector = promql.ReasonForbiddenSelector

	// ReasonNotProven is for an expression that could not be shown to be confined.
	ReasonNotProven = promql.ReasonNotProven

	// ReasonRangeTooLong is for an expression that looks back too far.
	ReasonRangeTooLong = "RangeTooLong"

	// ReasonTooManySelectors is for an expression with too many selectors.
	ReasonTooManySelectors = "TooManySelectors"

	// ReasonTemplateNotAllowed is for actions of templates whose effect cannot be seen from the text.
	ReasonTemplateNotAllowed = "TemplateNotAllowed"

	// ReasonQueryNotAllowed is for a template that queries and may not.
	ReasonQueryNotAllowed = "QueryNotAllowed"

	// ReasonQueryNotConstant is for a template that computes what it queries.
	ReasonQueryNotConstant = "QueryNotConstant"

	// ReasonReservedLabel is for a label that only the renderer sets.
	ReasonReservedLabel = "ReservedLabel"

	// ReasonInvalidName is for what is not the name of a label or an annotation.
	ReasonInvalidName = "InvalidName"
)

// Error is a refusal: what has to be changed, and into what.
type Error struct {
	// Field is where it stands in the rule: expr, labels[severity], annotations[summary].
	Field string

	// Reason is one word for conditions and warnings, one of those above.
	Reason string

	// Message says what is wrong and what would be right.
	Message string

	// Line and Column are where in the text of the field, from 1 on; 0 where that is not known. For a query inside
	// of a template they are where the query starts in the template.
	Line, Column int
}

// Error returns the field and the message.
func (e *Error) Error() string {
	return e.Field + ": " + e.Message
}

// refuse returns an error without a place.
func refuse(field, reason, message string) *Error {
	return &Error{Field: field, Reason: reason, Message: message}
}

// refusalOf returns the error for a field that PromQL has refused.
func refusalOf(field string, err error) *Error {
	var refusal *promql.RefusalError
	if !errors.As(err, &refusal) {
		return refuse(field, ReasonSyntax, err.Error())
	}

	return &Error{
		Field: field, Reason: refusal.Reason, Message: refusal.Message, Line: refusal.Line, Column: refusal.Column,
	}
}
