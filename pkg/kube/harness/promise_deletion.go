package harness

import (
	"context"
	"errors"
	"fmt"
)

var (
	errWedged   = errors.New("a deleted object does not go away")
	errLeftover = errors.New("a child is left behind")
)

// DeletionFinishes checks that deleted objects go away, and their children with
// them: by the reconciler's hand or, where they have owners, by the garbage
// collector's. Finalizers that the world itself put there stay.
func DeletionFinishes(ctx context.Context, b Backend, s Subject) error {
	return inEachWorld(ctx, b, s, func(ctx context.Context, tr *trial, world World) error {
		if err := tr.plant(ctx, world.Objects); err != nil {
			return err
		}

		p := tr.start(0)
		if _, err := p.settle(ctx); err != nil {
			return err
		}

		if err := tr.removePrimaries(ctx); err != nil {
			return err
		}

		if _, err := p.settle(ctx); err != nil {
			return err
		}

		if err := tr.unwedged(ctx, world); err != nil {
			return err
		}

		return tr.noLeftovers(ctx)
	})
}

// unwedged checks that nothing of the primary kind is left but what holds a
// finalizer from the world.
func (tr *trial) unwedged(ctx context.Context, world World) error {
	foreign := map[string]bool{}

	for _, obj := range world.Objects {
		for _, name := range obj.GetFinalizers() {
			foreign[name] = true
		}
	}

	objects, err := tr.primaries(ctx)
	if err != nil {
		return err
	}

	for _, obj := range objects {
		held := false
		for _, name := range obj.GetFinalizers() {
			held = held || foreign[name]
		}

		if !held {
			return fmt.Errorf("%w: %s has finalizers %v", errWedged, refOf(obj), obj.GetFinalizers())
		}
	}

	return nil
}

func (tr *trial) noLeftovers(ctx context.Context) error {
	children, err := tr.children(ctx)
	if err != nil {
		return err
	}

	for _, child := range children {
		typed, err := tr.typed(child)
		if err != nil {
			return err
		}

		if tr.subject.Remains == nil || !tr.subject.Remains(typed) {
			return fmt.Errorf("%w: %s", errLeftover, refOf(child))
		}
	}

	return nil
}
