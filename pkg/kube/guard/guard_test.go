package guard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ks-core/ks-controller-manager/pkg/kube/guard"
)

// The defaults, which tests use unless they say otherwise.
const (
	timeout  = time.Minute
	grace    = 10 * time.Second
	burst    = 10
	interval = time.Second
)

func request(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "n", Name: name}}
}

// behaviors says per object what a run does. Objects it does not know are well.
type behaviors map[string]reconcile.Func

// Reconcile implements reconcile.Reconciler.
func (b behaviors) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	if behave, found := b[request.Name]; found {
		return behave(ctx, request)
	}

	return reconcile.Result{}, nil
}

// blow panics with the value.
func blow(value any) {
	panic(value) //nolint:forbidigo // This is what the guard is for.
}

// panics is a run that panics with the value.
func panics(value any) reconcile.Func {
	return func(context.Context, reconcile.Request) (reconcile.Result, error) {
		blow(value)

		return reconcile.Result{}, nil
	}
}

// hangs is a run that ends with the gate, whatever its context says.
func hangs(gate <-chan struct{}) reconcile.Func {
	return func(context.Context, reconcile.Request) (reconcile.Result, error) {
		<-gate

		return reconcile.Result{}, nil
	}
}

// pass lets time go by, in a bubble.
func pass(d time.Duration) { <-time.After(d) }

// logbook collects what is logged.
type logbook struct {
	mu    sync.Mutex
	lines []string
}

func (l *logbook) context(ctx context.Context) context.Context {
	return log.IntoContext(ctx, funcr.New(func(_, line string) {
		l.mu.Lock()
		defer l.mu.Unlock()

		l.lines = append(l.lines, line)
	}, funcr.Options{}))
}

func (l *logbook) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()

	taken := l.lines
	l.lines = nil

	return taken
}

// wantRun fails unless the request is run and ends well.
func wantRun(t *testing.T, g *guard.Guard, name string) {
	t.Helper()

	result, err := g.Reconcile(t.Context(), request(name))
	if diff := cmp.Diff(reconcile.Result{}, result); diff != "" || err != nil {
		t.Errorf("Reconcile(%s) = %v, %v; want a run that ends well", name, result, err)
	}
}

// wantPutOff fails unless the request is put off by the given time.
func wantPutOff(t *testing.T, g *guard.Guard, name string, by time.Duration) {
	t.Helper()

	result, err := g.Reconcile(t.Context(), request(name))
	if diff := cmp.Diff(reconcile.Result{RequeueAfter: by}, result); diff != "" || err != nil {
		t.Errorf("Reconcile(%s) = %v, %v; want it put off by %s", name, result, err, by)
	}
}

func wantCounts(t *testing.T, h *guard.History, want guard.Counts) {
	t.Helper()

	if diff := cmp.Diff(want, h.Snapshot()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func wantTroubles(t *testing.T, h *guard.History, want ...guard.Trouble) {
	t.Helper()

	got := h.Troubles(time.Now())
	for i := range got {
		if got[i].Since.IsZero() || got[i].Since.After(time.Now()) {
			t.Errorf("%s is in trouble since %s", got[i].Object, got[i].Since)
		}

		got[i].Since = time.Time{}
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("troubles (-want +got):\n%s", diff)
	}
}

func TestGuardHandsOnOutcomes(t *testing.T) {
	t.Parallel()

	failure := errors.New("no luck")
	priority := 7

	cases := map[string]struct {
		result reconcile.Result
		err    error
		counts guard.Counts
	}{
		"nothing":         {reconcile.Result{}, nil, guard.Counts{Runs: 1}},
		"again":           {reconcile.Result{RequeueAfter: time.Hour, Priority: &priority}, nil, guard.Counts{Runs: 1}},
		"error":           {reconcile.Result{}, failure, guard.Counts{Runs: 1, Errors: 1}},
		"error and again": {reconcile.Result{RequeueAfter: time.Hour}, failure, guard.Counts{Runs: 1, Errors: 1}},
		"terminal error":  {reconcile.Result{}, reconcile.TerminalError(failure), guard.Counts{Runs: 1, Errors: 1}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			history := guard.NewHistory()
			g := guard.New(behaviors{"a": func(_ context.Context, seen reconcile.Request) (reconcile.Result, error) {
				if diff := cmp.Diff(request("a"), seen); diff != "" {
					t.Errorf("request (-want +got):\n%s", diff)
				}

				return tc.result, tc.err
			}}, guard.Options{History: history})

			result, err := g.Reconcile(t.Context(), request("a"))
			if err != tc.err { //nolint:errorlint // The very same error is wanted.
				t.Errorf("error = %v; want %v", err, tc.err)
			}

			if diff := cmp.Diff(tc.result, result); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}

			wantCounts(t, history, tc.counts)
			wantTroubles(t, history)
		})
	}
}

func TestGuardNeedsNoOptions(t *testing.T) {
	t.Parallel()

	wantRun(t, guard.New(behaviors{}, guard.Options{}), "a")
}

func TestRunWithoutReturnIsAnError(t *testing.T) {
	t.Parallel()

	history := guard.NewHistory()
	g := guard.New(behaviors{"a": func(context.Context, reconcile.Request) (reconcile.Result, error) {
		runtime.Goexit()

		return reconcile.Result{}, nil
	}}, guard.Options{History: history})

	if _, err := g.Reconcile(t.Context(), request("a")); err == nil {
		t.Error("Reconcile = nil; want an error")
	}

	wantCounts(t, history, guard.Counts{Runs: 1, Errors: 1})
	wantTroubles(t, history)
}

func TestTimeout(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		after time.Duration // How long after the end of its context the run ends.
		err   error
	}{
		"error at once":        {0, context.DeadlineExceeded},
		"error within grace":   {grace - 1, context.DeadlineExceeded},
		"success within grace": {grace - 1, nil},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				history := guard.NewHistory()
				g := guard.New(behaviors{"a": func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
					<-ctx.Done()
					pass(tc.after)

					return reconcile.Result{}, tc.err
				}}, guard.Options{History: history})

				start := time.Now()

				if _, err := g.Reconcile(t.Context(), request("a")); !errors.Is(err, tc.err) {
					t.Errorf("Reconcile = %v; want %v", err, tc.err)
				}

				if took := time.Since(start); took != timeout+tc.after {
					t.Errorf("the run took %s; want %s", took, timeout+tc.after)
				}

				counts := guard.Counts{Runs: 1, Timeouts: 1}
				if tc.err != nil {
					counts.Errors = 1
				}

				wantCounts(t, history, counts)
				wantRun(t, g, "b")
			})
		})
	}
}

func TestAbandonedRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		history := guard.NewHistory()
		options := guard.Options{History: history}
		runs := behaviors{"a": hangs(gate)}
		g := guard.New(runs, options)
		logs := &logbook{}

		start := time.Now()

		_, err := g.Reconcile(logs.context(t.Context()), request("a"))
		if want := "still running 10s after its context ended: abandoned"; err == nil || err.Error() != want {
			t.Errorf("Reconcile = %v; want %q", err, want)
		}

		if took := time.Since(start); took != timeout+grace {
			t.Errorf("the worker was free after %s; want %s", took, timeout+grace)
		}

		wantRun(t, g, "b")
		wantPutOff(t, g, "a", 5*time.Second)
		wantPutOff(t, g, "a", 5*time.Second)
		// Who follows must not run it beside the old one either.
		wantPutOff(t, guard.New(runs, options), "a", 5*time.Second)
		wantCounts(t, history, guard.Counts{Runs: 2, Errors: 1, Timeouts: 1, Abandoned: 1})
		wantTroubles(t, history, guard.Trouble{
			Kind: guard.Hanging, Object: "n/a",
			Message: "a run ignores the end of its context", PutOff: 3,
		})

		if left := g.Abandoned(); left != 1 {
			t.Errorf("Abandoned = %d; want 1", left)
		}

		close(gate)
		synctest.Wait()

		if left := g.Abandoned(); left != 0 {
			t.Errorf("Abandoned after its end = %d; want 0", left)
		}

		wantRun(t, g, "a")
		wantTroubles(t, history)

		ended := `"An abandoned run has ended" "duration"="1m10s"`
		if lines := logs.take(); len(lines) != 1 || !strings.Contains(lines[0], ended) {
			t.Errorf("logged %q; want the end of the run", lines)
		}
	})
}

func TestAbandonedRunPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		history := guard.NewHistory()
		told := make(chan struct{}, 1)
		g := guard.New(behaviors{"a": func(context.Context, reconcile.Request) (reconcile.Result, error) {
			<-gate
			blow("late")

			return reconcile.Result{}, nil
		}}, guard.Options{History: history, OnPanic: func(types.NamespacedName, any) { told <- struct{}{} }})

		if _, err := g.Reconcile(t.Context(), request("a")); err == nil {
			t.Error("Reconcile = nil; want it abandoned")
		}

		close(gate)
		<-told
		synctest.Wait()

		wantPutOff(t, g, "a", time.Second)
		wantCounts(t, history, guard.Counts{Runs: 1, Errors: 1, Panics: 1, Timeouts: 1, Abandoned: 1})
		wantTroubles(t, history, guard.Trouble{Kind: guard.Panicking, Object: "n/a", Message: "late"})
	})
}

func TestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Abandoned after 70 s, they end 100 s and 130 s after their start.
		after := func(d time.Duration) reconcile.Func {
			return func(context.Context, reconcile.Request) (reconcile.Result, error) {
				pass(d)

				return reconcile.Result{}, nil
			}
		}
		g := guard.New(behaviors{"a": after(100 * time.Second), "b": after(130 * time.Second)}, guard.Options{})

		if left := g.Wait(t.Context()); left != 0 {
			t.Errorf("Wait without runs = %d; want 0", left)
		}

		start := time.Now()

		var workers sync.WaitGroup

		for _, name := range []string{"a", "b"} {
			workers.Go(func() {
				if _, err := g.Reconcile(t.Context(), request(name)); err == nil {
					t.Errorf("Reconcile(%s) = nil; want it abandoned", name)
				}
			})
		}

		workers.Wait()

		for _, step := range []struct {
			patience, until time.Duration
			left            int
		}{
			{0, 70 * time.Second, 2},
			{20 * time.Second, 90 * time.Second, 2},
			{20 * time.Second, 110 * time.Second, 1},
			{time.Hour, 130 * time.Second, 0},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), step.patience)
			left, since := g.Wait(ctx), time.Since(start)

			cancel()

			if left != step.left || since != step.until {
				t.Errorf("Wait = %d at %s; want %d at %s", left, since, step.left, step.until)
			}
		}
	})
}

func TestParentEnds(t *testing.T) {
	t.Parallel()

	failure := errors.New("no luck")
	obedient := func(outcome func() error) reconcile.Func {
		return func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
			<-ctx.Done()

			return reconcile.Result{}, outcome()
		}
	}

	cases := map[string]struct {
		run    reconcile.Func
		after  time.Duration // When the parent ends; zero is before the request.
		took   time.Duration
		left   int
		counts guard.Counts
	}{
		"before":  {panics("not run"), 0, 0, 0, guard.Counts{}},
		"error":   {obedient(func() error { return failure }), time.Second, time.Second, 0, guard.Counts{Runs: 1}},
		"success": {obedient(func() error { return nil }), time.Second, time.Second, 0, guard.Counts{Runs: 1}},
		"panic":   {obedient(func() error { blow("x"); return nil }), time.Second, time.Second, 0, guard.Counts{Runs: 1, Panics: 1}},
		"hanging": {nil, time.Second, time.Second + grace, 1, guard.Counts{Runs: 1, Abandoned: 1}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				gate := make(chan struct{})

				if tc.run == nil {
					tc.run = hangs(gate)
				}

				history := guard.NewHistory()
				g := guard.New(behaviors{"a": tc.run}, guard.Options{History: history})
				ctx, cancel := context.WithTimeout((&logbook{}).context(t.Context()), tc.after)

				defer cancel()

				start := time.Now()

				result, err := g.Reconcile(ctx, request("a"))
				if diff := cmp.Diff(reconcile.Result{}, result); diff != "" || err != nil {
					t.Errorf("Reconcile = %v, %v; want nothing", result, err)
				}

				if took := time.Since(start); took != tc.took {
					t.Errorf("Reconcile took %s; want %s", took, tc.took)
				}

				if left := g.Wait(ctx); left != tc.left {
					t.Errorf("Wait = %d; want %d", left, tc.left)
				}

				wantCounts(t, history, tc.counts)
				close(gate)
			})
		})
	}
}

func TestCountsAsJSON(t *testing.T) {
	t.Parallel()

	got, err := json.Marshal(guard.Counts{Runs: 1, Errors: 2, Panics: 3, Timeouts: 4, Abandoned: 5, Throttled: 6})
	if err != nil {
		t.Fatal(err)
	}

	want := `{"runs":1,"errors":2,"panics":3,"timeouts":4,"abandoned":5,"throttled":6}`
	if diff := cmp.Diff([]byte(want), bytes.TrimSpace(got)); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// idle does nothing, so that the benchmark sees the guard alone.
func idle(context.Context, reconcile.Request) (reconcile.Result, error) {
	return reconcile.Result{}, nil
}

func BenchmarkGuard(b *testing.B) {
	requests := make([]reconcile.Request, 10_000)
	for i := range requests {
		requests[i] = request(strconv.Itoa(i))
	}

	for _, objects := range []int{1, len(requests)} {
		b.Run(fmt.Sprintf("objects=%d", objects), func(b *testing.B) {
			b.ReportAllocs()

			g := guard.New(reconcile.Func(idle), guard.Options{Interval: time.Nanosecond})

			next := 0
			for b.Loop() {
				if _, err := g.Reconcile(b.Context(), requests[next%objects]); err != nil {
					b.Fatal(err)
				}

				next++
			}

			b.ReportMetric(float64(next)/b.Elapsed().Seconds(), "runs/s")
		})
	}
}
