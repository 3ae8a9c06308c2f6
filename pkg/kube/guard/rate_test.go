package guard_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/util/workqueue"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/ks-core/ks-controller-manager/pkg/kube/guard"
)

// restless is a run that wants to be run again at once.
func restless(context.Context, reconcile.Request) (reconcile.Result, error) {
	return reconcile.Result{RequeueAfter: 1}, nil
}

// follow does what the answers say, as the queue would, for a while.
func follow(t *testing.T, r reconcile.Reconciler, name string, duration time.Duration) {
	for end := time.Now().Add(duration); !time.Now().After(end); {
		result, err := r.Reconcile(t.Context(), request(name))
		if err != nil || result.RequeueAfter <= 0 {
			t.Fatalf("Reconcile = %v, %v; want to be asked again", result, err)
		}

		pass(result.RequeueAfter)
	}
}

func TestHotLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const seconds = 300

		history := guard.NewHistory()
		g := guard.New(reconcile.Func(restless), guard.Options{History: history})

		follow(t, g, "a", seconds*time.Second)

		counts := history.Snapshot()
		if counts.Runs != burst+seconds {
			t.Errorf("%d runs in %d s; want %d", counts.Runs, seconds, burst+seconds)
		}

		// Each refusal names the time of the next token: one is enough.
		if counts.Throttled > counts.Runs {
			t.Errorf("%d requests throttled for %d runs", counts.Throttled, counts.Runs)
		}

		wantTroubles(t, history, guard.Trouble{
			Kind: guard.HotLoop, Object: "n/a",
			Message: "asks for more runs than it may have", PutOff: int(counts.Throttled), //nolint:gosec // a few
		})

		pass(time.Minute + interval)
		wantTroubles(t, history)
	})
}

func TestBucket(t *testing.T) {
	t.Parallel()

	const size, every = 3, 10 * time.Second

	clock := clocktesting.NewFakePassiveClock(time.Unix(1_000_000, 0))
	history := guard.NewHistory()
	g := guard.New(behaviors{}, guard.Options{Clock: clock, Burst: size, Interval: every, History: history})

	steps := []struct {
		after time.Duration
		runs  int // Then the next token comes after wait.
		wait  time.Duration
	}{
		{0, 3, 10 * time.Second},
		{4 * time.Second, 0, 6 * time.Second},
		{6 * time.Second, 1, 10 * time.Second},
		{25 * time.Second, 2, 5 * time.Second},
		{5 * time.Second, 1, 10 * time.Second},
		{30 * time.Second, 3, 10 * time.Second},
		{24 * time.Hour, 3, 10 * time.Second},
	}

	for i, step := range steps {
		clock.SetTime(clock.Now().Add(step.after))

		for range step.runs {
			wantRun(t, g, "a")
		}

		wantPutOff(t, g, "a", step.wait)

		if t.Failed() {
			t.Fatalf("at step %d", i)
		}
	}

	for range size {
		wantRun(t, g, "b")
	}

	// A new life begins with full buckets.
	wantRun(t, guard.New(behaviors{}, guard.Options{Clock: clock, History: history}), "a")
}

func TestTroublesAreTheLatestFew(t *testing.T) {
	t.Parallel()

	clock := clocktesting.NewFakePassiveClock(time.Unix(1_000_000, 0))
	history := guard.NewHistory()
	g := guard.New(behaviors{}, guard.Options{Clock: clock, Burst: 1, History: history})

	for _, name := range []string{"old", "z", "c", "a", "y", "b"} {
		clock.SetTime(clock.Now().Add(time.Second))
		wantRun(t, g, name)
		wantPutOff(t, g, name, interval)
	}

	var objects []string
	for _, trouble := range history.Troubles(clock.Now()) {
		objects = append(objects, trouble.Object)
	}

	if diff := cmp.Diff([]string{"n/a", "n/b", "n/c", "n/y", "n/z"}, objects); diff != "" {
		t.Errorf("troubles (-want +got):\n%s", diff)
	}
}

// lateFailures feeds one object that always fails to a real controller, more
// often than it may run at first, and returns its runs in the second half of the
// time.
func lateFailures(t *testing.T, limit func(*guard.Guard, limiter) limiter) uint64 {
	t.Helper()

	const half = 10 * time.Minute

	var late uint64

	synctest.Test(t, func(t *testing.T) {
		history := guard.NewHistory()
		g := guard.New(reconcile.Func(func(context.Context, reconcile.Request) (reconcile.Result, error) {
			return reconcile.Result{}, errors.New("no luck")
		}), guard.Options{History: history})

		stop := feed(t, g, limit(g, workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
			5*time.Millisecond, 1000*time.Second)))
		defer stop()

		pass(half)

		early := history.Snapshot().Runs

		pass(half)

		late = history.Snapshot().Runs - early
	})

	return late
}

// feed runs a controller whose only object has many events at first.
func feed(t *testing.T, r reconcile.Reconciler, limit limiter) context.CancelFunc {
	t.Helper()

	anonymous := true

	running, err := controller.NewUnmanaged("failing", controller.Options{
		Reconciler: r, RateLimiter: limit, SkipNameValidation: &anonymous, Logger: logr.Discard(),
	})
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())

	if err := running.Watch(source.Func(func(_ context.Context, queue queue) error {
		go func() {
			for range 2 * burst {
				queue.Add(request("a"))
				pass(10 * time.Millisecond)
			}
		}()

		return nil
	})); err != nil {
		t.Fatal(err)
	}

	go func() {
		if err := running.Start(ctx); err != nil {
			t.Error(err)
		}
	}()

	return cancel
}

type (
	limiter = workqueue.TypedRateLimiter[reconcile.Request]
	queue   = workqueue.TypedRateLimitingInterface[reconcile.Request]
)

func TestRateLimiterKeepsTheBackoffOfFailures(t *testing.T) {
	t.Parallel()

	if runs := lateFailures(t, (*guard.Guard).RateLimiter); runs > 2 {
		t.Errorf("%d runs in 10 min; want the queue to have backed off", runs)
	}

	// What it is for.
	if runs := lateFailures(t, func(_ *guard.Guard, plain limiter) limiter { return plain }); runs < 500 {
		t.Errorf("%d runs in 10 min without it: then the guard's limiter is of no use", runs)
	}
}
