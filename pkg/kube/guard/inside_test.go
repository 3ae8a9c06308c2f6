package guard

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// kept is how many objects the books of a guard know.
func kept(g *Guard) int {
	return g.buckets.recent.size() + g.history.quarantine.recent.size() + g.history.hot.size() + len(g.history.running)
}

func TestBooksAreBounded(t *testing.T) {
	t.Parallel()

	const objects, burst = 100_000, 2

	clock := clocktesting.NewFakePassiveClock(time.Unix(1_000_000, 0))
	g := New(reconcile.Func(func(context.Context, reconcile.Request) (reconcile.Result, error) {
		return reconcile.Result{}, nil
	}), Options{Clock: clock, Burst: burst})

	ask := func(name string) {
		request := reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}
		if _, err := g.Reconcile(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}

	for i := range objects {
		ask(strconv.Itoa(i))
	}

	if got := kept(g); got != objects {
		t.Errorf("the books know %d objects; want %d", got, objects)
	}

	// 100 others in a second, for a minute: what is known are those of less than three periods.
	for i := range 60 * 100 {
		clock.SetTime(clock.Now().Add(time.Second / 100))
		ask("later " + strconv.Itoa(i))
	}

	if got := kept(g); got > 3*100*burst {
		t.Errorf("the books know %d objects; want the latest", got)
	}

	// After a quiet time it is only the one that ends it.
	clock.SetTime(clock.Now().Add(2 * burst * time.Second))
	ask("last")

	if got := kept(g); got != 1 {
		t.Errorf("the books know %d objects after a quiet time; want 1", got)
	}
}

func TestRecentKeepsForOnePeriodAtLeast(t *testing.T) {
	t.Parallel()

	const period = 10

	object := types.NamespacedName{Name: "a"}
	other := types.NamespacedName{Name: "b"}

	// put is when the note is made; between is another one later; at is when it is looked for.
	for put := range 2 * period {
		for between := put; between <= put+4*period; between++ {
			for at := between; at <= put+4*period; at++ {
				noted := newRecent[int](period)
				noted.put(other, 0, time.Unix(0, 0))
				noted.put(object, put, time.Unix(0, int64(put)))
				noted.get(other, time.Unix(0, int64(between)))

				_, found := noted.get(object, time.Unix(0, int64(at)))
				if age := at - put; age < period && !found || age >= 3*period && found {
					t.Fatalf("noted at %d, turned at %d, found at %d: %v", put, between, at, found)
				}
			}
		}
	}
}

// A run may leave the books just before the worker gives it up, and tell its
// outcome just after.
func TestRunEndsWhileItIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(nil, Options{})
		failure := errors.New("no luck")

		late, _ := g.admit(types.NamespacedName{Name: "a"})
		g.history.end(late)

		go func() {
			<-time.After(2 * defaultGrace)

			late.err = failure

			close(late.done)
		}()

		ctx, cancel := context.WithCancel(t.Context())
		cancel()

		if _, err := g.await(ctx, late); !errors.Is(err, failure) {
			t.Errorf("await = %v; want %v", err, failure)
		}

		if counts := g.history.Snapshot(); counts.Abandoned != 0 {
			t.Errorf("counted %d abandoned runs; want none", counts.Abandoned)
		}
	})
}
