package kube

import (
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// conflictDelay is how long a run that lost a race waits before it looks again:
// long enough for the cache to have seen the winner's write.
const conflictDelay = 200 * time.Millisecond

// StalledError says that an object can never work as it stands: only a change
// of its spec, which arrives as an event, makes another try worthwhile.
type StalledError struct {
	// Reason is the CamelCase reason for the Stalled condition.
	Reason string
	// Err says what is wrong, in words for the object's author.
	Err error
}

// Stalled returns err as one that retrying cannot cure.
func Stalled(reason string, err error) error {
	return &StalledError{Reason: reason, Err: err}
}

// Error implements error.
func (e *StalledError) Error() string {
	if e.Err == nil {
		return e.Reason
	}

	return e.Err.Error()
}

// Unwrap returns what is wrong.
func (e *StalledError) Unwrap() error {
	return e.Err
}

// Result turns the outcome of a run into what the work queue understands:
//
//   - nothing but conflicts: look again shortly, and no error, as losing a race
//     is nobody's fault;
//   - a StalledError: a terminal error, which is counted and logged, not retried;
//   - anything else, also when joined with the former: err itself, retried with
//     backoff.
func Result(err error) (reconcile.Result, error) {
	if err == nil {
		return reconcile.Result{}, nil
	}

	switch seen := classify(err); {
	case seen.other:
		return reconcile.Result{}, err
	case seen.conflict:
		return reconcile.Result{RequeueAfter: conflictDelay}, nil
	default:
		return reconcile.Result{}, reconcile.TerminalError(err)
	}
}

// classes says which kinds of error an error, possibly joined of many, holds.
type classes struct {
	conflict, stalled, other bool
}

// classify looks at every leaf. errors.As would stop at the first match and hide
// a real failure behind a conflict that happens to come first.
func classify(err error) classes {
	switch e := err.(type) { //nolint:errorlint // Walks the tree itself, one level at a time.
	case *StalledError:
		return classes{stalled: true}
	case apierrors.APIStatus:
		return classes{conflict: apierrors.IsConflict(err), other: !apierrors.IsConflict(err)}
	case interface{ Unwrap() []error }:
		return classifyAll(e.Unwrap())
	case interface{ Errors() []error }: // apimachinery's Aggregate
		return classifyAll(e.Errors())
	}

	if inner := errors.Unwrap(err); inner != nil {
		return classify(inner)
	}

	return classes{other: true}
}

func classifyAll(errs []error) classes {
	var all classes

	for _, err := range errs {
		if err == nil {
			continue
		}

		one := classify(err)
		all.conflict = all.conflict || one.conflict
		all.stalled = all.stalled || one.stalled
		all.other = all.other || one.other
	}

	return all
}
