package harness

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Subject is a reconciler on trial, and the worlds it is tried in.
type Subject struct {
	// Name names the subject in messages.
	Name string
	// Scheme knows every kind the reconciler touches.
	Scheme *runtime.Scheme
	// Primary is an empty object of the kind that is reconciled: every object of
	// that kind, present or gone, is a request.
	Primary client.Object
	// Kinds are empty lists of all kinds the reconciler reads or writes. What
	// their objects look like at the end is the state that promises compare.
	Kinds []client.ObjectList
	// StatusKinds are empty objects of the kinds, beyond the built-in ones, whose
	// status is a subresource.
	StatusKinds []client.Object
	// Indexes are the field indexes the reconciler looks things up with.
	Indexes []Index
	// New constructs the reconciler, as the process does when it starts.
	New func(Environment) reconcile.Reconciler
	// Worlds are what the reconciler may find. Each promise must hold in each.
	Worlds []World
	// Drifts are changes by others that must be undone. That a child vanishes and
	// that a label of ours on it changes is tried anyway.
	Drifts []Drift
	// MaxReads and MaxWrites bound the API calls of a single run.
	MaxReads, MaxWrites int

	// Volatile names fields, at any depth, that may differ between equal states.
	// The usual ones (UIDs, versions, times of transition) are known.
	Volatile []string
	// Remains tells of a child that is to outlive the object it was made for.
	Remains func(client.Object) bool
	// Unrepaired tells of a child that is made once and then left to others.
	Unrepaired func(client.Object) bool
	// NoConditions is for primary kinds that have no conditions to tell of.
	NoConditions bool
	// Fuzz are fill functions, as sigs.k8s.io/randfill takes them, for types that
	// cannot be filled blindly.
	Fuzz []any
	// Seeds is the number of shuffled and of fuzzed variants of each world; zero
	// means 20.
	Seeds int
}

// Environment is what a reconciler is given to work with.
type Environment struct {
	// Client counts calls, and can fail.
	Client client.Client
	// Recorder counts events.
	Recorder events.EventRecorder
	// Clock moves on by a second whenever it is read.
	Clock func() time.Time
}

// World is a set of objects that the reconciler finds.
type World struct {
	// Name names the world in messages.
	Name string
	// Objects are created in this order, with their status. One with a deletion
	// timestamp is created and deleted, and needs a finalizer to be there at all.
	Objects []client.Object
	// Together is set where the objects must all be there before the first run, for
	// what happens cannot be made up for: an object that is being deleted is not
	// held for what comes after it was let go.
	Together bool
	// Fails is set where runs may end in an error however often they are repeated.
	Fails bool
}

// Drift is a change by somebody else.
type Drift struct {
	// Name names the drift in messages.
	Name string
	// World is the name of the world it happens in; empty means each.
	World string
	// Make makes the change. Whatever it does must be undone.
	Make func(context.Context, client.Client) error
}

// Index is a field index, as given to a manager's FieldIndexer.
type Index struct {
	Object  client.Object
	Field   string
	Extract client.IndexerFunc
}

const defaultSeeds = 20

func (s Subject) seeds() int {
	if s.Seeds > 0 {
		return s.Seeds
	}

	return defaultSeeds
}

var errIncomplete = errors.New("the subject is incomplete")

// validate says what a subject lacks. A promise about nothing must not pass.
func (s Subject) validate() error {
	var missing error

	switch {
	case s.Scheme == nil:
		missing = errors.New("no Scheme")
	case s.Primary == nil:
		missing = errors.New("no Primary")
	case len(s.Kinds) == 0:
		missing = errors.New("no Kinds")
	case s.New == nil:
		missing = errors.New("no New")
	case len(s.Worlds) == 0:
		missing = errors.New("no Worlds")
	case s.MaxReads < 1 || s.MaxWrites < 1:
		missing = errors.New("no MaxReads or MaxWrites")
	}

	if missing != nil {
		return fmt.Errorf("%s: %w: %w", s.Name, errIncomplete, missing)
	}

	return nil
}
