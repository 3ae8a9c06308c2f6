package scale

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/test/cluster/process"
	"github.com/ks-core/ks-controller-manager/test/scale/audit"
	"github.com/ks-core/ks-controller-manager/test/scale/bare"
	"github.com/ks-core/ks-controller-manager/test/scale/report"
)

// Options say what to measure, and how long to look.
type Options struct {
	Scenario Scenario
	Size     Size
	Seed     uint64

	// Manager is what is measured. Restarted takes its place in the restart; its zero value is the same again.
	Manager   Program
	Restarted Program

	// Root is the checkout with the definitions, roles and policies to install.
	Root string
	// Dir takes clusters, one at a time, and what they write.
	Dir string

	// Workers are the numbers of workers to apply the same without a manager with; none leaves that out.
	Workers []int
	// Edits is how many edits to make while the manager goes through everything; zero leaves that out.
	Edits int

	// Quiet is how long nothing may happen before all is taken to be done.
	Quiet time.Duration
	// Settle is how long a manager with nothing to do is left alone before its memory is looked at, and Look how long
	// that takes.
	Settle, Look time.Duration
	// Timeout bounds each phase.
	Timeout time.Duration

	// Logf tells of the progress.
	Logf func(format string, args ...any)
}

// runner is one run.
type runner struct {
	Options

	result  *report.Result
	intents []bare.Intent
	cold    time.Duration
}

// Run plays all phases and returns what it has found. Every run begins with the same cluster, made once: users'
// objects alone, and kube-controller-manager done with them.
func Run(ctx context.Context, options Options) (*report.Result, error) {
	started := time.Now()
	r := &runner{Options: options, result: &report.Result{
		Scenario: options.Scenario.Name, Size: options.Size.Name, Seed: options.Seed, Started: started.UTC(),
		Run: started.UTC().Format("20060102-150405") + "-" + options.Scenario.Name,
	}}

	if r.Restarted.Path == "" {
		r.Restarted = r.Manager
	}

	if err := r.measureGround(ctx); err != nil {
		return nil, fmt.Errorf("with nothing to do: %w", err)
	}

	if err := r.generate(ctx); err != nil {
		return nil, fmt.Errorf("generating: %w", err)
	}

	if err := r.measureManager(ctx); err != nil {
		return nil, err
	}

	for _, workers := range r.Workers {
		if err := r.measureBare(ctx, workers); err != nil {
			return nil, fmt.Errorf("without a manager, %d workers: %w", workers, err)
		}
	}

	r.summarize()

	return r.result, discard(r.seedDir())
}

func (r *runner) seedDir() string { return filepath.Join(r.Dir, "seed") }

// generate makes the cluster that all others begin with.
func (r *runner) generate(ctx context.Context) error {
	return r.in(ctx, r.seedDir(), "", func(w *world) error {
		err := r.populate(ctx, w, "generate", r.Scenario.Generate(r.Size, r.Seed))
		r.Logf("etcd keeps %d MiB on disk", w.stateBytes()>>20)

		return err
	})
}

// populate installs what the manager needs, and makes what users have made.
func (r *runner) populate(ctx context.Context, w *world, phase string, stages []Stage) error {
	if err := w.install(ctx, r.Root, r.Scenario.Components); err != nil {
		return err
	}

	return r.phase(w, phase, func() error {
		if err := fill(ctx, w.admin, stages, r.Logf); err != nil {
			return err
		}

		return w.awaitIdle(ctx, r.Quiet, r.Timeout)
	})
}

// in does something in a cluster and ends that.
func (r *runner) in(ctx context.Context, dir, state string, do func(*world) error) error {
	w, err := boot(ctx, r.Options, dir, state)
	if err != nil {
		return err
	}

	err = w.awaitIdle(ctx, r.Quiet, r.Timeout)
	if err == nil {
		err = do(w)
	}

	return errors.Join(err, w.Stop())
}

// phase does something and notes what it took.
func (r *runner) phase(w *world, name string, do func() error, children ...*child) error {
	r.Logf("%s", name)

	from, err := w.log.End()
	if err != nil {
		return err
	}

	before, err := w.usage(children...)
	if err != nil {
		return err
	}

	took, err := timed(do)
	if err != nil {
		return err
	}

	after, errUsage := w.usage(children...)
	calls, errCalls := w.callsSince(from)

	r.result.Phases = append(r.result.Phases, report.Phase{
		Name: name, Seconds: took.Seconds(), Calls: calls.Table(), Processes: since(before, after),
	})

	return errors.Join(errUsage, errCalls)
}

// measureManager starts the manager on what users have made, starts it again, and edits.
func (r *runner) measureManager(ctx context.Context) error {
	dir := filepath.Join(r.Dir, "manager")

	err := r.in(ctx, dir, r.seedDir(), func(w *world) error {
		if err := r.coldStart(ctx, w); err != nil {
			return fmt.Errorf("cold start: %w", err)
		}

		if err := r.record(ctx, w); err != nil {
			return fmt.Errorf("recording what the manager has made: %w", err)
		}

		return r.restart(ctx, w)
	})
	if err != nil {
		return err
	}

	return discard(dir)
}

func (r *runner) coldStart(ctx context.Context, w *world) error {
	from, err := w.log.End()
	if err != nil {
		return err
	}

	return r.running(ctx, w, r.Manager, "manager-cold", func(manager *child) error {
		if err := r.phase(w, "cold", func() error { return r.converge(ctx, w, manager) }, manager); err != nil {
			return err
		}

		calls, err := w.callsSince(from)
		if err != nil {
			return err
		}

		writes := calls.Writes()
		r.cold = writes.Last().Sub(manager.started)

		r.result.Set("cold.seconds", report.Seconds, r.cold.Seconds(),
			"from the start of the process to its last write")
		r.result.Set("cold.writes", report.Count, float64(len(writes)), "writes of the manager, of all kinds")
		r.result.Set("cold.refused", report.Count, float64(len(writes.Failed())),
			"writes that were refused and made again")
		r.result.Set("cold.events", report.Count, float64(len(writes.Of("events"))), "events among these writes")
		r.result.Set("cold.writeRate", report.Rate, float64(len(writes))/r.cold.Seconds(), "writes in a second")

		return r.memory(ctx, manager, "memory.cold", "resident, after a cold start, with nothing to do")
	})
}

// converge waits until the manager has nothing to do and everything is there.
func (r *runner) converge(ctx context.Context, w *world, manager *child) error {
	var last error

	err := wait.PollUntilContextTimeout(ctx, time.Second, r.Timeout, true, func(ctx context.Context) (bool, error) {
		if _, err := manager.awaitDrained(ctx, r.Quiet, r.Timeout); err != nil {
			return false, err
		}

		if err := w.log.AwaitQuiet(ctx, r.Quiet, r.Timeout); err != nil {
			return false, err
		}

		last = r.Scenario.Converged(ctx, w.admin, r.Size)

		return last == nil, nil
	})
	if err != nil {
		return process.Failure("the manager", manager.log, fmt.Errorf("does not converge: %w", errors.Join(err, last)))
	}

	return nil
}

// memory looks at the memory of a manager that has nothing to do.
func (r *runner) memory(ctx context.Context, manager *child, figure, text string) error {
	if err := pause(ctx, r.Settle); err != nil {
		return err
	}

	steady, err := steadyMemory(ctx, manager.PID(), r.Look)
	r.result.Set(figure, report.Bytes, float64(steady), text)

	return err
}

func pause(ctx context.Context, duration time.Duration) error {
	timer := time.NewTimer(duration)
	defer timer.Stop()

	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// record counts the objects, and reads what the manager owns of those of the kinds that it has written.
func (r *runner) record(ctx context.Context, w *world) error {
	written, err := w.callsSince(0)
	if err != nil {
		return err
	}

	client, err := w.dynamic()
	if err != nil {
		return err
	}

	// Events tell of the way, and are no intent.
	resources := slices.DeleteFunc(written.Writes().Resources(), func(resource schema.GroupVersionResource) bool {
		return resource.Resource == "events"
	})

	r.intents, err = bare.Record(ctx, client, resources, kube.ManagerName)
	if err != nil {
		return err
	}

	r.result.Set("cold.intents", report.Count, float64(len(r.intents)),
		"what the manager owns in the end: objects, parts of objects and status")
	r.result.Set("cold.again", report.Count,
		r.value("cold.writes")-r.value("cold.events")-r.value("cold.intents"),
		"writes beyond one for each of these, without events")
	r.Logf("the manager owns fields in %d places", len(r.intents))

	config := w.Config()
	config.WarningHandler = rest.NoWarnings{} // of old kinds, which are counted as well

	r.result.Objects, r.result.Made, err = census(ctx, config)

	return err
}

// restart starts the manager on what it has left in order, and has users edit.
func (r *runner) restart(ctx context.Context, w *world) error {
	from, err := w.log.End()
	if err != nil {
		return err
	}

	return r.running(ctx, w, r.Restarted, "manager-again", func(manager *child) error {
		var done drained

		err := r.phase(w, "restart", func() error {
			var err error
			if done, err = manager.awaitDrained(ctx, r.Quiet, r.Timeout); err != nil {
				return err
			}

			return w.log.AwaitQuiet(ctx, r.Quiet, r.Timeout)
		}, manager)
		if err != nil {
			return fmt.Errorf("restart: %w", err)
		}

		peak, err := usageOf(manager.PID())
		if err != nil {
			return err
		}

		if err := r.memory(ctx, manager, "memory.steady", "resident, after a restart, with nothing to do"); err != nil {
			return err
		}

		if err := r.judgeRestart(w, from, done, peak); err != nil {
			return err
		}

		r.judgeGrowth()

		if err := r.change(ctx, w, manager); err != nil {
			return fmt.Errorf("one change: %w", err)
		}

		return r.edit(ctx, w, manager)
	})
}

func (r *runner) judgeRestart(w *world, from audit.Mark, done drained, peak report.Process) error {
	calls, err := w.callsSince(from)
	if err != nil {
		return err
	}

	writes, reads := calls.Writes(), calls.OutsideCaches()
	for _, call := range slices.Concat(writes, reads)[:min(len(writes)+len(reads), 10)] {
		r.Logf("the restart needs no %s %s %s/%s", call.Verb, call.Target(), call.Namespace, call.Name)
	}

	steady := r.value("memory.steady")

	r.result.Set("restart.writes", report.Count, float64(len(writes)), "writes of a restart on what is in order")
	r.result.Set("restart.reads", report.Count, float64(len(reads)), "reads of a restart beyond one list of each kind")
	r.result.Set("restart.drained", report.Seconds, done.after.Seconds(),
		"from the start of the process until it has looked at everything")
	r.result.Set("restart.unseen", report.Count, r.unseen(done),
		"objects beyond the number of looks at objects; above zero it has not looked at all")
	r.result.Set("memory.peak", report.Bytes, float64(peak.ResidentPeak), "resident, at most, during a restart")
	r.result.Set("memory.start", report.Ratio, float64(peak.ResidentPeak)/steady, "the peak of a restart to what stays")

	return nil
}

// unseen tells how many objects a manager cannot have looked at: it must not be in order by not looking.
func (r *runner) unseen(done drained) float64 {
	return max(float64(r.Scenario.Objects(r.Size))-looks(done.runs), 0)
}

// measureBare applies what the manager has written, without it, in a cluster that began like the manager's.
func (r *runner) measureBare(ctx context.Context, workers int) error {
	dir := filepath.Join(r.Dir, "bare")

	err := r.in(ctx, dir, r.seedDir(), func(w *world) error {
		config, err := w.ServiceAccountConfig(ctx, accountNamespace, accountName)
		if err != nil {
			return err
		}

		var outcome bare.Outcome

		err = r.phase(w, fmt.Sprintf("bare, %d workers", workers), func() error {
			outcome, err = bare.Apply(ctx, config, r.intents, workers)

			return err
		})
		if err != nil {
			return err
		}

		r.Logf("%d workers apply %.0f a second, %d tried again", workers, outcome.Rate(), outcome.Retries)
		r.result.Set("bare.rate."+strconv.Itoa(workers), report.Rate, outcome.Rate(),
			"the same without a manager, in a second, by so many workers")

		// What is compared must be the same.
		return r.Scenario.Converged(ctx, w.admin, r.Size)
	})
	if err != nil {
		return err
	}

	return discard(dir)
}

// value is that of a figure.
func (r *runner) value(figure string) float64 { return r.result.Figures[figure].Value }

// summarize compares the manager with the best rate without it.
func (r *runner) summarize() {
	best := 0.0

	for _, name := range slices.Sorted(maps.Keys(r.result.Figures)) {
		for _, workers := range r.Workers {
			if name == "bare.rate."+strconv.Itoa(workers) {
				best = max(best, r.result.Figures[name].Value)
			}
		}
	}

	if best == 0 {
		return
	}

	rate := float64(len(r.intents)) / r.cold.Seconds()

	r.result.Set("cold.rate", report.Rate, rate, "intents in a second, from the start of the process")
	r.result.Set("cold.ratio", report.Ratio, rate/best, "that rate to the best without a manager")
}
