package channel

import (
	"errors"
	"fmt"
	"time"
)

// Class says what becomes of a message that was not sent.
type Class uint8

const (
	// Transient is a failure that may pass: it is tried again, later each time.
	Transient Class = iota
	// RateLimited is a provider that wants less: it is tried again after the time it asked for.
	RateLimited
	// Denied is a credential that is not accepted: it is tried again, with a new token, until somebody has
	// mended it.
	Denied
	// Permanent is a message that will never be taken: it goes to the dead letters.
	Permanent
)

// String is the reason as conditions, receipts and metrics name it.
func (c Class) String() string {
	switch c {
	case RateLimited:
		return "RateLimited"
	case Denied:
		return "Denied"
	case Permanent:
		return "Refused"
	case Transient:
		return "Unavailable"
	default:
		return "Unknown"
	}
}

// Error is why a message was not sent. It holds no secret: nothing of a credential, of a URL that carries one, or
// of a body that was sent.
type Error struct {
	// Class says what becomes of the message.
	Class Class
	// RetryAfter is how long the provider asked to be left alone; zero where it did not say.
	RetryAfter time.Duration
	// Code is the answer's own code (an HTTP status, an SMTP reply, a provider's error number); zero where none.
	Code int
	// Err says what was being done and what the provider answered, shortened.
	Err error
}

// Error says what happened.
func (e *Error) Error() string {
	if e.Code == 0 {
		return fmt.Sprintf("%s: %v", e.Class, e.Err)
	}

	return fmt.Sprintf("%s (%d): %v", e.Class, e.Code, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error {
	return e.Err
}

// AsError gives the Error in err. What is none is Transient: a failure nobody classified is tried again rather
// than lost.
func AsError(err error) *Error {
	if known, isOne := errors.AsType[*Error](err); isOne {
		return known
	}

	return &Error{Class: Transient, Err: err}
}
