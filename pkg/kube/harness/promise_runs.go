package harness

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

var (
	errRestless = errors.New("it does not stop writing")
	errFailing  = errors.New("it still fails")
	errRewrites = errors.New("a fresh process writes although nothing has changed")
	errNoise    = errors.New("an event without a change")
	errTooMany  = errors.New("too many calls in a single run")
)

// SecondRunWritesNothing checks that runs come to an end: after a bounded number
// of rounds nothing is written, nothing fails (unless the world does, or the
// error is terminal), and a process that starts then writes nothing either.
func SecondRunWritesNothing(ctx context.Context, b Backend, s Subject) error {
	return inEachWorld(ctx, b, s, func(ctx context.Context, tr *trial, world World) error {
		done, err := tr.settled(ctx, world)
		if err != nil {
			return err
		}

		if !done.quiet {
			return fmt.Errorf("%w: %s", errRestless, done.lastWrites())
		}

		if err := done.lastFailure(); err != nil && !world.Fails {
			return err
		}

		return tr.restarted(ctx)
	})
}

// restarted checks that a fresh process finds nothing to do.
func (tr *trial) restarted(ctx context.Context) error {
	var again outcome

	writes, err := tr.start(0).round(ctx, &again)
	if err != nil {
		return err
	}

	if writes > 0 {
		again.last = again.runs

		return fmt.Errorf("%w: %s", errRewrites, again.lastWrites())
	}

	return nil
}

func (o outcome) lastWrites() string {
	var texts []string

	for _, one := range o.last {
		if len(one.done) > 0 {
			texts = append(texts, fmt.Sprintf("%s: %s", one.key, strings.Join(one.done, ", ")))
		}
	}

	return strings.Join(texts, "; ")
}

func (o outcome) lastFailure() error {
	for _, one := range o.last {
		if one.err != nil && !errors.Is(one.err, reconcile.TerminalError(nil)) {
			return fmt.Errorf("%w: %s: %w", errFailing, one.key, one.err)
		}
	}

	return nil
}

// NoEventWithoutAChange checks that a run that wrote nothing says nothing.
func NoEventWithoutAChange(ctx context.Context, b Backend, s Subject) error {
	return inEachWorld(ctx, b, s, func(ctx context.Context, tr *trial, world World) error {
		return tr.eachRun(ctx, world, func(one run) error {
			if len(one.done) == 0 && len(one.events) > 0 {
				return fmt.Errorf("%w: %s: %q", errNoise, one.key, one.events)
			}

			return nil
		})
	})
}

// BoundedCalls checks that no run makes more calls than the subject admits to.
func BoundedCalls(ctx context.Context, b Backend, s Subject) error {
	return inEachWorld(ctx, b, s, func(ctx context.Context, tr *trial, world World) error {
		return tr.eachRun(ctx, world, func(one run) error {
			if one.reads > s.MaxReads || len(one.writes) > s.MaxWrites {
				return fmt.Errorf("%w: %s: %d reads of %d, %d writes of %d %v",
					errTooMany, one.key, one.reads, s.MaxReads, len(one.writes), s.MaxWrites, one.writes)
			}

			return nil
		})
	})
}

// eachRun looks at all runs of a world, from the first to the end of the
// deletion of everything in it.
func (tr *trial) eachRun(ctx context.Context, world World, look func(run) error) error {
	if err := tr.plant(ctx, world.Objects); err != nil {
		return err
	}

	p := tr.start(0)

	living, err := p.settle(ctx)
	if err != nil {
		return err
	}

	if err := tr.removePrimaries(ctx); err != nil {
		return err
	}

	dying, err := p.settle(ctx)
	if err != nil {
		return err
	}

	for _, one := range append(living.runs, dying.runs...) {
		if err := look(one); err != nil {
			return err
		}
	}

	return nil
}

func (tr *trial) removePrimaries(ctx context.Context) error {
	objects, err := tr.primaries(ctx)
	if err != nil {
		return err
	}

	for _, obj := range objects {
		if err := tr.remove(ctx, obj); err != nil {
			return err
		}
	}

	return nil
}
