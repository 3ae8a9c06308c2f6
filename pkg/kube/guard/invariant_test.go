package guard_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ks-core/ks-controller-manager/pkg/kube/guard"
)

// auditor stands between a guard and its reconciler and looks for what a guard
// must never let happen.
type auditor struct {
	mu       sync.Mutex
	starts   map[string][]time.Time
	running  map[string]bool
	breaches []string
}

// watch returns the reconciler under audit.
func (a *auditor) watch(inner reconcile.Reconciler) reconcile.Func {
	a.starts, a.running = map[string][]time.Time{}, map[string]bool{}

	return func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
		a.begin(request.Name)
		defer a.end(request.Name)

		return inner.Reconcile(ctx, request)
	}
}

func (a *auditor) begin(object string) {
	a.mu.Lock()
	defer a.mu.Unlock()

	if a.running[object] {
		a.breaches = append(a.breaches, "two runs of "+object+" at once")
	}

	a.running[object] = true
	a.starts[object] = append(a.starts[object], time.Now())
}

func (a *auditor) end(object string) {
	a.mu.Lock()
	defer a.mu.Unlock()

	a.running[object] = false
}

// runs returns how many there were.
func (a *auditor) runs() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()

	total := 0
	for _, starts := range a.starts {
		total += len(starts)
	}

	return uint64(total)
}

// report returns all breaches: two runs at once, and any stretch of time with
// more runs of an object than a full bucket and its refill allow.
func (a *auditor) report() []string {
	a.mu.Lock()
	defer a.mu.Unlock()

	breaches := slices.Clone(a.breaches)

	for _, object := range slices.Sorted(maps.Keys(a.starts)) {
		if breach := crowd(a.starts[object]); breach != "" {
			breaches = append(breaches, object+" had "+breach)
		}
	}

	return breaches
}

// crowd describes the first stretch with too many runs.
func crowd(starts []time.Time) string {
	for last, end := range starts {
		for first, begin := range starts[:last+1] {
			runs, elapsed := last-first+1, end.Sub(begin)
			if runs > burst+int(elapsed/interval) {
				return fmt.Sprintf("%d runs in %s", runs, elapsed)
			}
		}
	}

	return ""
}

// dice draws from bytes until there are none left, and then zeros.
type dice struct {
	mu    sync.Mutex
	bytes []byte
}

func (d *dice) roll() byte {
	d.mu.Lock()
	defer d.mu.Unlock()

	if len(d.bytes) == 0 {
		return 0
	}

	rolled := d.bytes[0]
	d.bytes = d.bytes[1:]

	return rolled
}

func (d *dice) empty() bool {
	d.mu.Lock()
	defer d.mu.Unlock()

	return len(d.bytes) == 0
}

func times(n int, unit time.Duration) time.Duration { return time.Duration(n) * unit }

// run ends in one of all the ways there are.
func (d *dice) run(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	rolled := d.roll()
	amount := int(rolled >> 3)

	switch rolled & 7 {
	case 0:
		return reconcile.Result{RequeueAfter: times(amount, time.Millisecond)}, nil
	case 1:
		return reconcile.Result{}, errors.New("no luck")
	case 2:
		return reconcile.Result{}, reconcile.TerminalError(errors.New("never"))
	case 3:
		blow(amount)
	case 4:
		runtime.Goexit()
	case 5: // Takes its time, possibly more than it has.
		pass(times(amount, 10*time.Second))
	case 6: // Obeys, possibly too late.
		<-ctx.Done()
		pass(times(amount, time.Second))
	default:
		pass(times(amount, time.Millisecond))
	}

	return reconcile.Result{}, ctx.Err()
}

// play lets two impatient workers ask for each of three objects until the dice
// are used up.
func play(ctx context.Context, r reconcile.Reconciler, d *dice) {
	var workers sync.WaitGroup

	for worker := range 6 {
		workers.Go(func() {
			for !d.empty() {
				result, err := r.Reconcile(ctx, request(strconv.Itoa(worker%3)))

				wait := result.RequeueAfter
				if err != nil || wait == 0 || d.roll()%2 == 0 { // A retry, or an event.
					wait = 5 * time.Millisecond
				}

				pass(wait)
			}
		})
	}

	workers.Wait()
}

// rolls returns as many bytes as make a game, the same ones for the same seed.
func rolls(seed uint64) []byte {
	var rolled []byte

	for block := range uint64(40) {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, seed), block))
		rolled = append(rolled, sum[:]...)
	}

	return rolled
}

func FuzzGuard(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(rolls(seed))
	}

	f.Fuzz(func(t *testing.T, rolled []byte) {
		synctest.Test(t, func(t *testing.T) {
			d := &dice{bytes: rolled}
			audit := &auditor{}
			history := guard.NewHistory()
			g := guard.New(audit.watch(reconcile.Func(d.run)), guard.Options{History: history})
			ctx := (&logbook{}).context(t.Context())

			play(ctx, g, d)

			if left := g.Wait(ctx); left != 0 {
				t.Errorf("Wait = %d; want 0", left)
			}

			if breaches := audit.report(); breaches != nil {
				t.Errorf("breaches: %v", breaches)
			}

			if counted := history.Snapshot().Runs; counted != audit.runs() {
				t.Errorf("counted %d runs; want %d", counted, audit.runs())
			}

			for _, trouble := range history.Troubles(time.Now()) {
				if trouble.Kind == guard.Hanging {
					t.Errorf("%v, though all runs have ended", trouble)
				}
			}
		})
	})
}

// What the invariants are worth: each is found broken where its keeper is missing.
func TestAuditorFindsBreaches(t *testing.T) {
	t.Parallel()

	bare := func(r reconcile.Reconciler) reconcile.Reconciler { return r }
	bottomless := func(r reconcile.Reconciler) reconcile.Reconciler {
		return guard.New(r, guard.Options{Interval: time.Nanosecond})
	}
	whole := func(r reconcile.Reconciler) reconcile.Reconciler { return guard.New(r, guard.Options{}) }

	hot := func(t *testing.T, r reconcile.Reconciler) { follow(t, r, "a", time.Microsecond) }
	twice := func(t *testing.T, r reconcile.Reconciler) {
		var workers sync.WaitGroup

		for range 2 {
			workers.Go(func() {
				if _, err := r.Reconcile(t.Context(), request("slow")); err != nil {
					t.Error(err)
				}
			})
		}

		workers.Wait()
	}

	cases := map[string]struct {
		guarded func(reconcile.Reconciler) reconcile.Reconciler
		use     func(*testing.T, reconcile.Reconciler)
		breach  string
	}{
		"hot loop":               {whole, hot, ""},
		"hot loop, no bucket":    {bottomless, hot, "a had 11 runs in 10ns"},
		"hot loop, no guard":     {bare, hot, "a had 11 runs in 10ns"},
		"two workers":            {whole, twice, ""},
		"two workers, no guard":  {bare, twice, "two runs of slow at once"},
		"two workers, no bucket": {bottomless, twice, ""},
	}

	runs := behaviors{"a": restless, "slow": func(context.Context, reconcile.Request) (reconcile.Result, error) {
		pass(time.Second)

		return reconcile.Result{}, nil
	}}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				audit := &auditor{}
				tc.use(t, tc.guarded(audit.watch(runs)))

				if diff := cmpBreaches(tc.breach, audit.report()); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func cmpBreaches(want string, got []string) string {
	if joined := strings.Join(got, ", "); joined != want {
		return fmt.Sprintf("breaches = %q; want %q", joined, want)
	}

	return ""
}
