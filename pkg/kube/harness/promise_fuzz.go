package harness

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

var errUnsettled = errors.New("it does not stop writing on a strange object")

// CopesWithAnything checks that there is no object that makes the reconciler
// panic, nor one on which it never comes to rest: each world is tried in variants
// with fields that are changed, filled and dropped, also in metadata and status,
// with objects missing, and with objects that are being deleted and never go.
func CopesWithAnything(ctx context.Context, b Backend, s Subject) error {
	return forEachWorld(s, func(world World) error {
		restful, err := rests(ctx, b, s, world)
		if err != nil {
			return err
		}

		for seed := range s.seeds() {
			err := inTrial(ctx, b, s, func(ctx context.Context, tr *trial) error {
				return tr.copes(ctx, newFuzzer(s, seed).variants(world.Objects), restful)
			})
			if err != nil {
				return fmt.Errorf("fuzzed with seed %d: %w", seed, err)
			}
		}

		return nil
	})
}

// rests tells whether the reconciler comes to rest in a world as it is.
func rests(ctx context.Context, b Backend, s Subject, world World) (bool, error) {
	restful := false

	err := inTrial(ctx, b, s, func(ctx context.Context, tr *trial) error {
		sound, err := tr.settled(ctx, world)
		if err != nil {
			return err
		}

		restful = sound.quiet

		return sound.panicked()
	})

	return restful, err
}

// copes runs the reconciler on objects as they come, through their deletion.
// That it comes to rest is asked only of one that does so in a sound world.
func (tr *trial) copes(ctx context.Context, objects []client.Object, restful bool) error {
	for _, obj := range objects {
		// What the server refuses the reconciler will never see.
		_ = tr.plantOne(ctx, obj)
	}

	p := tr.start(0)
	if err := p.rests(ctx, restful); err != nil {
		return err
	}

	if err := tr.removePrimaries(ctx); err != nil {
		return err
	}

	return p.rests(ctx, restful)
}

func (p *process) rests(ctx context.Context, restful bool) error {
	done, err := p.settle(ctx)
	if err != nil {
		return err
	}

	if err := done.panicked(); err != nil {
		return err
	}

	if restful && !done.quiet {
		return fmt.Errorf("%w: %s", errUnsettled, done.lastWrites())
	}

	if restful {
		return p.trial.restarted(ctx)
	}

	return nil
}

// chance is true once in n times.
func chance(random *rand.Rand, n int) bool {
	return random.IntN(n) == 0
}
