package scale

import (
	"context"

	"github.com/ks-core/ks-controller-manager/test/scale/audit"
	"github.com/ks-core/ks-controller-manager/test/scale/report"
)

// change makes the one change of the scenario in a cluster that is in order, and counts all that the manager does then.
func (r *runner) change(ctx context.Context, w *world, manager *child) error {
	if r.Scenario.Change == nil {
		return nil
	}

	from, err := w.log.End()
	if err != nil {
		return err
	}

	before, err := manager.runs(ctx)
	if err != nil {
		return err
	}

	var after drained

	err = r.phase(w, "change", func() error {
		if err := r.Scenario.Change.Make(ctx, w.admin, r.Size); err != nil {
			return err
		}

		if after, err = manager.awaitDrained(ctx, r.Quiet+r.Scenario.Change.Later, r.Timeout); err != nil {
			return err
		}

		return w.log.AwaitQuiet(ctx, r.Quiet, r.Timeout)
	}, manager)
	if err != nil {
		return err
	}

	calls, err := w.callsSince(from)
	if err != nil {
		return err
	}

	r.judgeChange(calls, looks(after.runs)-looks(before))

	return r.Scenario.Change.Effective(ctx, w.admin, r.Size)
}

func (r *runner) judgeChange(calls audit.Calls, looks float64) {
	var objects, status, strays int

	for _, call := range calls.Writes() {
		switch {
		case !r.Scenario.Change.Concerns(call, r.Size):
			r.Logf("the change needs no %s %s %s/%s", call.Verb, call.Target(), call.Namespace, call.Name)

			strays++
		case call.Subresource == "status":
			status++
		default:
			objects++
		}
	}

	r.result.Set("change.objects", report.Count, float64(objects), "objects written after one change")
	r.result.Set("change.status", report.Count, float64(status), "writes of the status of what was changed")
	r.result.Set("change.strays", report.Count, float64(strays), "writes of what the change does not concern")
	r.result.Set("change.reads", report.Count, float64(len(calls.OutsideCaches())), "reads beyond the caches")
	r.result.Set("change.looks", report.Count, looks, "looks of all controllers at any object")
}

// looks is how often all controllers have looked at an object.
func looks(runs map[string]uint64) float64 {
	total := 0.0
	for _, count := range runs {
		total += float64(count)
	}

	return total
}
