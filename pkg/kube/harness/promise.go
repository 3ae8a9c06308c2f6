package harness

import (
	"context"
	"fmt"
	"testing"
)

// Promise is something every reconciler keeps.
type Promise struct {
	// Name is the name of the subtest.
	Name string
	// Check returns what shows that the subject does not keep it.
	Check func(context.Context, Backend, Subject) error
}

// Promises returns all of them.
func Promises() []Promise {
	return []Promise{
		{"SecondRunWritesNothing", SecondRunWritesNothing},
		{"DriftIsRepaired", DriftIsRepaired},
		{"AnyOrderEndsTheSame", AnyOrderEndsTheSame},
		{"SurvivesBeingKilled", SurvivesBeingKilled},
		{"CopesWithAnything", CopesWithAnything},
		{"NoEventWithoutAChange", NoEventWithoutAChange},
		{"BoundedCalls", BoundedCalls},
		{"ConditionsTellOneStory", ConditionsTellOneStory},
		{"DeletionFinishes", DeletionFinishes},
	}
}

// Run tries a subject in memory, one subtest per promise.
func Run(t *testing.T, s Subject) {
	t.Helper()
	RunOn(t, Fake(), s)
}

// RunOn tries a subject on a backend, one subtest per promise.
func RunOn(t *testing.T, b Backend, s Subject) {
	t.Helper()

	for _, promise := range Promises() {
		t.Run(promise.Name, func(t *testing.T) {
			if err := promise.Check(t.Context(), b, s); err != nil {
				t.Errorf("%s: %v", s.Name, err)
			}
		})
	}
}

// forEachWorld calls do for each world, and says in which one it failed.
func forEachWorld(s Subject, do func(World) error) error {
	if err := s.validate(); err != nil {
		return err
	}

	for _, world := range s.Worlds {
		if err := do(world); err != nil {
			return fmt.Errorf("in the world %q: %w", world.Name, err)
		}
	}

	return nil
}

// inEachWorld runs do in a trial of its own for each world.
func inEachWorld(
	ctx context.Context, b Backend, s Subject, do func(context.Context, *trial, World) error,
) error {
	return forEachWorld(s, func(world World) error {
		return inTrial(ctx, b, s, func(ctx context.Context, tr *trial) error { return do(ctx, tr, world) })
	})
}
