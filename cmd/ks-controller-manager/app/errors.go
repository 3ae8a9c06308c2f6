package app

import (
	"errors"
	"strings"
)

// usageError is a mistake in the command line, as opposed to one in the cluster.
type usageError struct{ error }

// Unwrap gives errors.As and errors.Is access to the cause.
func (e usageError) Unwrap() error { return e.error }

func isUsage(err error) bool {
	var usage usageError

	return errors.As(err, &usage)
}

// oneLine joins the lines of an error: logs and operators read lines.
func oneLine(err error) string {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}

	return strings.Join(lines, "; ")
}
