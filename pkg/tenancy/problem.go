package tenancy

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Problem is something in an object that its author has to change.
type Problem struct {
	// Reason is one word for conditions and alerts.
	Reason string

	// Err names the field, what is wrong with it and what would be right.
	Err *field.Error
}

// Problems are all that the author has to change, in the order of the fields.
type Problems []Problem

// Reason is the reason of the first problem.
func (p Problems) Reason() string {
	if len(p) == 0 {
		return ""
	}

	return p[0].Reason
}

// Message tells all problems in one line.
func (p Problems) Message() string {
	messages := make([]string, 0, len(p))
	for _, problem := range p {
		messages = append(messages, problem.Err.Error())
	}

	return strings.Join(messages, "; ")
}
