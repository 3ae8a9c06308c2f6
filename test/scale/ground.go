package scale

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/ks-core/ks-controller-manager/test/scale/report"
)

// measureGround looks at the memory of a manager where there is nothing to do for it, if the scenario tells that apart.
// Its cluster is one of its own: the one that all others begin with has never seen a manager.
func (r *runner) measureGround(ctx context.Context) error {
	ground := slices.DeleteFunc(r.Scenario.Generate(r.Size, r.Seed), func(stage Stage) bool { return !stage.Ground })
	if len(ground) == 0 {
		return nil
	}

	dir := filepath.Join(r.Dir, "ground")

	err := r.in(ctx, dir, "", func(w *world) error {
		if err := r.populate(ctx, w, "ground", ground); err != nil {
			return err
		}

		return r.running(ctx, w, r.Manager, "manager-idle", func(manager *child) error {
			if _, err := manager.awaitDrained(ctx, r.Quiet, r.Timeout); err != nil {
				return err
			}

			return r.memory(ctx, manager, "memory.ground", "resident, where there is nothing to do")
		})
	})
	if err != nil {
		return err
	}

	return discard(dir)
}

// judgeGrowth compares with the larger of the two: what a cold start leaves, and what a restart does.
func (r *runner) judgeGrowth() {
	ground := r.value("memory.ground")
	if ground == 0 {
		return
	}

	r.result.Set("memory.growth", report.Bytes, max(r.value("memory.cold"), r.value("memory.steady"))-ground,
		"resident, with nothing to do any more, beyond where there was nothing to do at all")
}
