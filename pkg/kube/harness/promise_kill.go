package harness

import (
	"context"
	"fmt"
)

const (
	// maxKills bounds the number of writes after which a process is killed.
	maxKills = 200
	// fewKills is the bound for one that never stops writing.
	fewKills = 10
)

// SurvivesBeingKilled checks that a process may die after any of its writes,
// also while everything is being deleted: the next one ends in the same state.
func SurvivesBeingKilled(ctx context.Context, b Backend, s Subject) error {
	return forEachWorld(s, func(world World) error {
		for _, deleting := range []bool{false, true} {
			wanted, quiet, err := endState(ctx, b, s, world, deleting)
			if err != nil {
				return err
			}

			kills := maxKills
			if !quiet {
				kills = fewKills
			}

			die := func(ctx context.Context, tr *trial, lifetime int) (bool, error) {
				if err := tr.prepare(ctx, world, deleting); err != nil {
					return false, err
				}

				return tr.dies(ctx, lifetime, wanted)
			}
			if err := killed(ctx, b, s, kills, die); err != nil {
				return fmt.Errorf("deleting: %t: %w", deleting, err)
			}
		}

		return nil
	})
}

// endState is the state of a world in which nothing unusual happens, after its
// birth or after its deletion, and whether all was quiet then.
func endState(ctx context.Context, b Backend, s Subject, world World, deleting bool) (state, bool, error) {
	var (
		end  state
		done outcome
	)

	err := inTrial(ctx, b, s, func(ctx context.Context, tr *trial) error {
		if err := tr.prepare(ctx, world, deleting); err != nil {
			return err
		}

		var err error
		if done, err = tr.start(0).settle(ctx); err != nil {
			return err
		}

		end, err = tr.state(ctx)

		return err
	})

	return end, done.quiet, err
}

// killed lets processes die after their first write, their second, and so on
// until one has nothing left to write.
func killed(
	ctx context.Context, b Backend, s Subject, kills int, die func(context.Context, *trial, int) (bool, error),
) error {
	died := true

	for lifetime := 1; died && lifetime <= kills; lifetime++ {
		err := inTrial(ctx, b, s, func(ctx context.Context, tr *trial) error {
			var err error

			died, err = die(ctx, tr, lifetime)

			return err
		})
		if err != nil {
			return fmt.Errorf("killed after write %d: %w", lifetime, err)
		}
	}

	return nil
}

// prepare plants a world and, to look at its deletion, lets it settle first.
func (tr *trial) prepare(ctx context.Context, world World, deleting bool) error {
	if !deleting {
		return tr.plant(ctx, world.Objects)
	}

	if _, err := tr.settled(ctx, world); err != nil {
		return err
	}

	return tr.removePrimaries(ctx)
}

// dies says whether a process has lived to its last write.
func (tr *trial) dies(ctx context.Context, lifetime int, wanted state) (bool, error) {
	victim := tr.start(lifetime)
	if _, err := victim.settle(ctx); err != nil {
		return false, err
	}

	if !victim.meter.dead() {
		return false, nil
	}

	if _, err := tr.start(0).settle(ctx); err != nil {
		return true, err
	}

	got, err := tr.state(ctx)
	if err != nil {
		return true, err
	}

	return true, same(wanted, got)
}
