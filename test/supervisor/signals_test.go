package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

const (
	// goodbye is how soon a manager that is told to stop must have ended.
	goodbye = 10 * time.Second

	// failover is how soon a standby must work when the leader was killed: its Lease must run out first.
	failover = 20 * time.Second
)

// load changes things in the background until it is stopped.
type load struct {
	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

// changing starts to change things one after the other, round and round.
func changing(t *testing.T, things ...client.Object) *load {
	t.Helper()

	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	started := &load{cancel: cancel}

	started.tasks.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			object := things[i%len(things)]
			patch := fmt.Sprintf(`{"spec":{"value":"change-%d"}}`, i)

			err := admin.Patch(ctx, object, client.RawPatch("application/merge-patch+json", []byte(patch)))
			if err != nil && ctx.Err() == nil {
				t.Errorf("change %s: %v", object.GetName(), err)

				return
			}
		}
	})

	t.Cleanup(started.stop)

	return started
}

func (l *load) stop() {
	l.cancel()
	l.tasks.Wait()
}

// makeGadgets makes gadgets that the controller holds with a finalizer.
func makeGadgets(t *testing.T, count int) []client.Object {
	t.Helper()

	made := make([]client.Object, 0, count)

	for i := range count {
		object := gadget(fmt.Sprintf("held-%03d", i), "new")
		object.Spec.Finalize = true
		create(t, object)
		t.Cleanup(func() { letGo(t, object) })

		made = append(made, object)
	}

	return made
}

// letGo takes the finalizers off an object whose controller has ended.
func letGo(t *testing.T, object client.Object) {
	t.Helper()

	err := admin.Patch(context.WithoutCancel(t.Context()), object,
		client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`)))
	if client.IgnoreNotFound(err) != nil {
		t.Errorf("let %s go: %v", object.GetName(), err)
	}
}

// allObserved returns nil when the controller has done all there is to do for things.
func allObserved(things ...client.Object) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, object := range things {
			if err := observed(ctx, object); err != nil {
				return fmt.Errorf("%s: %w", object.GetName(), err)
			}

			if thingOf(object).Spec.Finalize && len(object.GetFinalizers()) == 0 {
				return fmt.Errorf("%s is not held", object.GetName())
			}
		}

		return nil
	}
}

// wrote waits until a manager has made a number of writes more.
func (r *running) wrote(t *testing.T, count int) {
	t.Helper()

	before := len(r.calls.written())

	eventually(t, timeout, fmt.Sprintf("it makes %d writes", count), func(context.Context) error {
		if made := len(r.calls.written()) - before; made < count {
			return fmt.Errorf("it has made %d", made)
		}

		return nil
	})
}

// renewed waits until a leader has renewed its Lease of edge a number of times more.
func (r *running) renewed(t *testing.T, times int) {
	t.Helper()

	renewals := func() int { return len(r.calls.since(time.Time{}, "/leases/"+manager.LeaseName(manager.Edge))) }
	before := renewals()

	eventually(t, timeout, "it renews its Lease", func(context.Context) error {
		if made := renewals() - before; made < times {
			return fmt.Errorf("%d times", made)
		}

		return nil
	})
}

// A manager that is told to stop finishes what it is doing, gives its Leases back, and then writes nothing.
func TestSIGTERM(t *testing.T) {
	tests := map[string]struct {
		child         string
		things, wrote int
	}{
		"under load":          {plainChild, 20, 50},
		"with runs that last": {stubbornChild, 3, 3},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			withGadgets(t)

			things := makeGadgets(t, test.things)
			started := startChildAs(t, test.child, accountName)

			eventually(t, timeout, "it is ready", started.ready)
			eventually(t, timeout, "it works", started.works)
			eventually(t, timeout, "all is settled", allObserved(things...))

			busy := changing(t, things...)

			started.wrote(t, test.wrote)
			always(t, stubbornFor/2, "a run that lasts has begun", func(context.Context) error { return nil })

			told := started.signal(t, syscall.SIGTERM)
			_ = started.ended(t, goodbye)
			t.Logf("ended %s after SIGTERM", time.Since(told).Round(time.Millisecond))

			busy.stop()
			checkGoodbye(t, started, told)
		})
	}
}

// checkGoodbye holds that a child that was told to stop has ended as it should.
func checkGoodbye(t *testing.T, ended *child, told time.Time) {
	t.Helper()

	if !ended.exitedWell() {
		t.Errorf("it did not end with code 0: %v", ended.err)
	}

	lines := ended.lines(t)
	if last := lines[len(lines)-1]; !strings.Contains(last, "Stopped") {
		t.Errorf("the last line does not tell that it stopped: %q", last)
	}

	for _, domain := range []manager.Domain{manager.Edge, manager.Alerting} {
		if found := holderNow(t, domain); found != "" {
			t.Errorf("the Lease of %s is held by %q still", domain, found)
		}
	}

	t.Logf("it has made %d writes after it was told to stop", len(ended.calls.writes(told)))
	checkGivenBackLast(t, ended.calls)
}

// ready returns nil when the probes of the child succeed.
func (c *child) ready(ctx context.Context) error {
	for _, path := range []string{"/healthz", "/readyz"} {
		answer, err := get(ctx, "http://"+c.probes+path)
		if err != nil {
			return err
		}

		if string(answer) != "ok" {
			return fmt.Errorf("%s says %q", path, answer)
		}
	}

	return nil
}

// checkGivenBackLast holds that nothing was written after the first of the Leases was given back. That is the last
// call to each of them that changes it.
func checkGivenBackLast(t *testing.T, made *calls) {
	t.Helper()

	made.mutex.Lock()
	defer made.mutex.Unlock()

	last := map[string]time.Time{}

	for _, call := range made.all {
		if call.method == http.MethodPut && strings.Contains(call.path, "/leases/") {
			last[call.path] = call.at
		}
	}

	if len(last) != 2 {
		t.Errorf("Leases that were written: %v, want two", last)
	}

	for _, call := range made.all {
		for lease, at := range last {
			if call.at.After(at) && call.method != http.MethodGet && !strings.Contains(call.path, "/leases") {
				t.Errorf("%s %s came %s after %s was given back", call.method, call.path, call.at.Sub(at), lease)
			}
		}
	}
}

// A killed leader gives nothing back: the standby waits for the Lease to run out, and not much longer.
func TestSIGKILL(t *testing.T) {
	gadgetController, _ := gadgets()
	widgetController, _ := widgets()

	withGadgets(t)

	things := makeGadgets(t, 20)
	leader := startChild(t, accountName)

	eventually(t, timeout, "the leader works", leader.works)
	eventually(t, timeout, "all is settled", allObserved(things...))

	standby := start(t, manager.Catalog{gadgetController, widgetController})
	checkStandby(t, standby)

	// Just renewed is the worst: the Lease lasts longest, and the standby has not looked at it yet.
	leader.renewed(t, 3)

	killed := leader.signal(t, syscall.SIGKILL)
	_ = leader.ended(t, goodbye)

	for _, object := range things {
		change(t, object, "meanwhile")
	}

	eventually(t, failover-time.Since(killed), "the standby has taken over", standby.works)
	t.Logf("taken over %s after the leader was killed", time.Since(killed).Round(time.Millisecond))
	eventually(t, failover-time.Since(killed), "what has changed is reconciled", allObserved(things...))
	t.Logf("all was reconciled %s after the leader was killed", time.Since(killed).Round(time.Millisecond))

	if err := overlap(leader.calls, standby.calls); err != nil {
		t.Error(err)
	}
}

// A manager that is killed in the middle of its work leaves nothing that its successor cannot finish.
func TestSIGKILLUnderLoad(t *testing.T) {
	const (
		rounds = 3
		count  = 200
	)

	gadgetController, _ := gadgets()
	widgetController, _ := widgets()
	catalog := manager.Catalog{gadgetController, widgetController}
	seed := rand.Uint64()                    //nolint:gosec // no secret
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // it is drawn again from the seed

	t.Logf("seed %d", seed)
	withGadgets(t)

	var things []client.Object

	for range rounds {
		started := startChild(t, accountName)
		eventually(t, timeout, "it works", started.works)

		if things == nil {
			things = makeGadgets(t, count)
		}

		busy := changing(t, things...)

		started.wrote(t, random.IntN(count))
		started.signal(t, syscall.SIGKILL)
		_ = started.ended(t, goodbye)

		busy.stop()

		// Nobody gives the Leases back, and the next round shall not wait for their end.
		dropLease(t, manager.Edge)
		dropLease(t, manager.Alerting)
	}

	last := start(t, catalog)
	eventually(t, timeout, "all is finished", allObserved(things...))

	if err := last.stop(); err != nil {
		t.Fatal(err)
	}

	restarted := time.Now()
	again := start(t, catalog)
	eventually(t, timeout, "it works", again.works)
	again.writesNothing(t, restarted)

	checkAllLetGo(t)
}

// checkAllLetGo holds that no gadget stays that was asked to go.
func checkAllLetGo(t *testing.T) {
	t.Helper()

	if err := admin.DeleteAllOf(t.Context(), &Gadget{}); err != nil {
		t.Fatal(err)
	}

	eventually(t, timeout, "all are let go", func(ctx context.Context) error {
		left := &GadgetList{}
		if err := admin.List(ctx, left); err != nil {
			return err
		}

		if len(left.Items) > 0 {
			return errors.New("some are there: " + left.Items[0].Name)
		}

		return nil
	})
}
