package scale

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/ks-core/ks-controller-manager/test/scale/report"
)

// depthPeriod is the pause between two looks at the queues while the manager goes through everything.
const depthPeriod = 500 * time.Millisecond

// edit has users edit, one after the other, while the manager goes through everything again and again.
func (r *runner) edit(ctx context.Context, w *world, manager *child) error {
	if r.Edits == 0 {
		return nil
	}

	made := &edits{runner: r, world: w, manager: manager, took: map[string][]time.Duration{}}

	err := r.phase(w, "edits", func() error {
		ctx, cancel := context.WithTimeout(ctx, r.Timeout)
		defer cancel()

		group, inGroup := errgroup.WithContext(ctx)
		resyncing, stop := context.WithCancel(inGroup)

		group.Go(func() error { return made.resync(resyncing) })
		group.Go(func() error {
			defer stop()

			return made.all(inGroup)
		})

		return group.Wait()
	}, manager)
	if err != nil {
		return fmt.Errorf("edits: %w", err)
	}

	made.judge(r.result)

	return nil
}

// edits are those that were made.
type edits struct {
	*runner

	world   *world
	manager *child

	took map[string][]time.Duration
	busy int
	made int
}

// resync starts a round as soon as the one before is through, until the context ends.
func (e *edits) resync(ctx context.Context) error {
	for round := 0; ctx.Err() == nil; round++ {
		if err := e.Scenario.Resync(ctx, e.world.admin, e.Size, round); err != nil && ctx.Err() == nil {
			return fmt.Errorf("round %d through everything: %w", round, err)
		}

		e.Logf("round %d through everything", round)

		// The error is the end of the context.
		_ = wait.PollUntilContextCancel(ctx, depthPeriod, false, func(ctx context.Context) (bool, error) {
			depth, err := e.manager.depth(ctx)

			return err == nil && depth == 0, nil
		})
	}

	return nil
}

func (e *edits) all(ctx context.Context) error {
	// One kind after the other: what an edit of one kind sets off would be in the way of the next of another.
	for _, kind := range e.Scenario.Edits {
		for number := range e.Edits {
			if err := e.one(ctx, kind, number); err != nil {
				return fmt.Errorf("edit %q, number %d: %w", kind.Name, number, err)
			}
		}
	}

	return nil
}

func (e *edits) one(ctx context.Context, kind Edit, number int) error {
	prepared, err := kind.Prepare(ctx, e.world.admin, e.Size, number)
	if err != nil {
		return err
	}

	if prepared.Close != nil {
		defer prepared.Close()
	}

	depth, err := e.manager.depth(ctx)
	if err != nil {
		return err
	}

	e.made++
	if depth > 0 {
		e.busy++
	}

	took, err := timed(func() error {
		if err := prepared.Make(ctx); err != nil {
			return err
		}

		return prepared.Await(ctx)
	})

	e.took[kind.Name] = append(e.took[kind.Name], took)

	return err
}

func (e *edits) judge(result *report.Result) {
	var all []time.Duration

	for name, took := range e.took {
		all = append(all, took...)

		result.Set("edit."+name+".p50", report.Seconds, quantile(took, 0.5).Seconds(),
			"half of these edits are effective by then")
		result.Set("edit."+name+".p99", report.Seconds, quantile(took, 0.99).Seconds(), "nearly all of these are")
	}

	result.Set("edit.p99", report.Seconds, quantile(all, 0.99).Seconds(),
		"nearly all edits are effective by then, while the manager goes through everything")
	result.Set("edit.max", report.Seconds, quantile(all, 1).Seconds(), "all edits are")
	result.Set("edit.busy", report.Ratio, float64(e.busy)/float64(e.made), "edits that found the queues full")
}

// quantile is the smallest value that a part of the values does not exceed.
func quantile(values []time.Duration, part float64) time.Duration {
	if len(values) == 0 {
		return 0
	}

	sorted := slices.Sorted(slices.Values(values))
	index := int(math.Ceil(part*float64(len(sorted)))) - 1

	return sorted[max(index, 0)]
}
