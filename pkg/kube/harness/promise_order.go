package harness

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// AnyOrderEndsTheSame checks that it does not matter in which order objects
// arrive, nor how far the reconciler has come when they do: each shuffle must
// end in the state that finding everything at once ends in.
func AnyOrderEndsTheSame(ctx context.Context, b Backend, s Subject) error {
	return forEachWorld(s, func(world World) error {
		wanted, _, err := endState(ctx, b, s, world, false)
		if err != nil {
			return err
		}

		for seed := range s.seeds() {
			err := inTrial(ctx, b, s, func(ctx context.Context, tr *trial) error {
				return tr.shuffled(ctx, world, newRandom(seed), wanted)
			})
			if err != nil {
				return fmt.Errorf("shuffle %d: %w", seed, err)
			}
		}

		return nil
	})
}

// shuffled lets the objects of a world arrive in random order, with a few runs
// in between.
func (tr *trial) shuffled(ctx context.Context, world World, random *rand.Rand, wanted state) error {
	objects := slices.Clone(world.Objects)
	random.Shuffle(len(objects), func(i, j int) { objects[i], objects[j] = objects[j], objects[i] })

	p := tr.start(0)

	var waiting []client.Object

	if world.Together {
		if err := tr.plant(ctx, world.Objects); err != nil {
			return err
		}

		objects = nil
	}

	for _, obj := range objects {
		// What cannot be there before another comes together with the next.
		waiting = append(waiting, obj)
		if err := tr.plant(ctx, waiting); err == nil {
			waiting = nil
		} else {
			waiting = tr.absent(ctx, waiting)
		}

		if err := p.some(ctx, random); err != nil {
			return err
		}
	}

	if err := tr.plant(ctx, waiting); err != nil {
		return err
	}

	if _, err := p.settle(ctx); err != nil {
		return err
	}

	got, err := tr.state(ctx)
	if err != nil {
		return err
	}

	return same(wanted, got)
}

// absent returns those of objects that are not there yet.
func (tr *trial) absent(ctx context.Context, objects []client.Object) []client.Object {
	return slices.DeleteFunc(slices.Clone(objects), func(obj client.Object) bool {
		u, err := toUnstructured(tr.subject.Scheme, obj)

		return err == nil && tr.server.Get(ctx, client.ObjectKeyFromObject(u), emptyOf(u.GroupVersionKind())) == nil
	})
}

// some handles none to three requests.
func (p *process) some(ctx context.Context, random *rand.Rand) error {
	keys, err := p.trial.requests(ctx)
	if err != nil || len(keys) == 0 {
		return err
	}

	for range random.IntN(4) {
		p.reconcile(ctx, keys[random.IntN(len(keys))])
	}

	return nil
}
