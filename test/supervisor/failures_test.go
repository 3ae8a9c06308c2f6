package supervisor_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ks-core/ks-controller-manager/pkg/kube/guard"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// fault is what breaks a controller until it is mended.
type fault struct{ mended atomic.Bool }

func (f *fault) mend() { f.mended.Store(true) }

// strike panics as long as the fault is there.
func (f *fault) strike(what string) {
	if !f.mended.Load() {
		panic(what) //nolint:forbidigo // it is what must be survived
	}
}

// A panic ended the process with all its controllers, again and again.
func TestPanickingReconciler(t *testing.T) {
	captureLog(t)

	gadgetController, suffers := gadgets()
	widgetController, watched := widgets()
	before := goroutines()

	withGadgets(t)

	broken := &fault{}

	suffers.set(func(_ context.Context, name string) error {
		if name == "bad" {
			broken.strike("out of order")
		}

		return nil
	})

	started := start(t, manager.Catalog{gadgetController, widgetController})
	others := watchBystander(t, started, watched)

	bad := gadget("bad", "a")
	create(t, bad)

	row := started.waitFor(t, "gadget", manager.Degraded, manager.ReasonPanicking)
	says(t, row, "bad", "out of order")
	goesOn(t, "good")

	eventually(t, timeout, "it is made anew", func(ctx context.Context) error {
		row, err := started.row(ctx, "gadget")
		if err == nil && (row.Restarts == 0 || row.Starts < 2 ||
			!strings.Contains(row.LastFailure, "panic: reconcile bad: out of order")) {
			err = fmt.Errorf("the page: %+v", row)
		}

		return err
	})
	goesOn(t, "good-too")
	names(t, started, guard.Panicking, "bad")

	for _, series := range []string{
		`ks_reconcile_outcomes_total{controller="gadget",outcome="panic"}`,
		`ks_controller_restarts_total{controller="gadget"}`,
	} {
		isCounted(t, started, series)
	}

	broken.mend()

	mended := time.Now()

	eventually(t, timeout, "it is reconciled", func(ctx context.Context) error { return observed(ctx, bad) })
	t.Logf("reconciled %s after it was mended", time.Since(mended))
	started.waitFor(t, "gadget", manager.Running, manager.ReasonRunning)
	t.Logf("running %s after it was mended", time.Since(mended))
	others.check(t)

	if err := started.stop(); err != nil {
		t.Error(err)
	}

	noGoroutinesLeft(t, before)
}

// goesOn holds that the controller serves a new gadget at once.
func goesOn(t *testing.T, name string) {
	t.Helper()

	object := gadget(name, "a")
	create(t, object)

	created := time.Now()

	eventually(t, prompt, "others go on", func(ctx context.Context) error { return observed(ctx, object) })
	t.Logf("%s was reconciled after %s", name, time.Since(created))
}

// names holds that the page names an object in trouble.
func names(t *testing.T, started *running, kind, object string) {
	t.Helper()
	eventually(t, timeout, "the page names it", func(ctx context.Context) error {
		row, err := started.row(ctx, "gadget")
		if err == nil && !slices.ContainsFunc(row.Troubles, func(trouble guard.Trouble) bool {
			return trouble.Kind == kind && trouble.Object == object
		}) {
			err = fmt.Errorf("the troubles: %+v", row.Troubles)
		}

		return err
	})
}

// isCounted holds that a metric is not zero.
func isCounted(t *testing.T, started *running, series string) {
	t.Helper()

	count, err := started.metric(t.Context(), series)
	if err != nil {
		t.Fatal(err)
	}

	t.Logf("%s %v", series, count)

	if count < 1 {
		t.Errorf("%s is %v", series, count)
	}
}

// A controller that cannot be made is tried again, and concerns nobody else.
func TestPanickingConstructor(t *testing.T) {
	captureLog(t)

	gadgetController, _ := gadgets()
	widgetController, watched := widgets()
	broken, construct := &fault{}, gadgetController.New
	before := goroutines()

	gadgetController.New = func(dependencies manager.Dependencies) (*manager.Controller, error) {
		broken.strike("a part is missing")

		return construct(dependencies)
	}

	withGadgets(t)

	object := gadget("waiting", "a")
	create(t, object)

	started := start(t, manager.Catalog{gadgetController, widgetController})
	others := watchBystander(t, started, watched)
	row := started.waitFor(t, "gadget", manager.Failed, manager.ReasonBackOff)
	says(t, row, "panic", "a part is missing")
	others.check(t)

	broken.mend()

	mended := time.Now()
	row = started.waitFor(t, "gadget", manager.Running, manager.ReasonRunning)
	t.Logf("running %s after it was mended", time.Since(mended))

	if row.Starts != 1 || row.Restarts == 0 {
		t.Errorf("the page: %+v", row)
	}

	eventually(t, timeout, "it works", func(ctx context.Context) error { return observed(ctx, object) })
	others.check(t)

	if err := started.stop(); err != nil {
		t.Error(err)
	}

	noGoroutinesLeft(t, before)
}

// panickingHandler cannot digest the arrival of one object.
type panickingHandler struct {
	handler.EventHandler

	broken *fault
}

// Create implements handler.EventHandler.
func (p panickingHandler) Create(
	ctx context.Context, created event.CreateEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request],
) {
	if created.Object.GetName() == "bad" {
		p.broken.strike("indigestible")
	}

	p.EventHandler.Create(ctx, created, queue)
}

// Event handlers run in goroutines of the informers, where a panic ends the process.
func TestPanickingHandler(t *testing.T) {
	captureLog(t)

	gadgetController, _ := gadgets()
	widgetController, watched := widgets()
	broken, construct := &fault{}, gadgetController.New
	before := goroutines()

	gadgetController.New = func(dependencies manager.Dependencies) (*manager.Controller, error) {
		made, err := construct(dependencies)
		if err == nil {
			made.Watches[0].Handler = panickingHandler{EventHandler: made.Watches[0].Handler, broken: broken}
		}

		return made, err
	}

	withGadgets(t)

	started := start(t, manager.Catalog{gadgetController, widgetController})
	others := watchBystander(t, started, watched)

	bad := gadget("bad", "a")
	create(t, bad)

	row := started.waitFor(t, "gadget", manager.Degraded, manager.ReasonPanicking)
	says(t, row, "event handler", "indigestible")
	goesOn(t, "good")

	broken.mend()

	mended := time.Now()

	eventually(t, timeout, "what was missed is made up for", func(ctx context.Context) error {
		return observed(ctx, bad)
	})
	t.Logf("reconciled %s after it was mended", time.Since(mended))

	if row = started.waitFor(t, "gadget", manager.Running, manager.ReasonRunning); row.Restarts == 0 {
		t.Errorf("it was not made anew: %+v", row)
	}

	others.check(t)

	if err := started.stop(); err != nil {
		t.Error(err)
	}

	noGoroutinesLeft(t, before)
}

// hang is a run that ignores its context.
type hang struct {
	letGo chan struct{}
	free  func()
}

func newHang() *hang {
	made := &hang{letGo: make(chan struct{})}
	made.free = sync.OnceFunc(func() { close(made.letGo) })

	return made
}

// holds has all runs of an object hang until they are let go.
func (h *hang) holds(t *testing.T, suffers *behaviour, object string) {
	t.Helper()
	t.Cleanup(h.free)
	suffers.set(func(_ context.Context, name string) error {
		if name == object {
			<-h.letGo
		}

		return nil
	})
}

const (
	runTime  = time.Second
	runGrace = 2 * time.Second
)

// quickToGiveUp shortens the patience with a run.
func quickToGiveUp(config *manager.Config) { config.RunTimeout, config.RunGrace = runTime, runGrace }

// One run that hangs held up its controller for good, and the process when it was told to stop.
func TestHangingReconciler(t *testing.T) {
	log := captureLog(t)
	gadgetController, suffers := gadgets()
	widgetController, watched := widgets()
	before := goroutines()

	withGadgets(t)

	first, second := newHang(), newHang()
	first.holds(t, suffers, "stuck")

	started := start(t, manager.Catalog{gadgetController, widgetController}, quickToGiveUp)
	others := watchBystander(t, started, watched)

	stuck := gadget("stuck", "a")
	create(t, stuck)
	eventually(t, timeout, "it hangs", func(context.Context) error { return ran(suffers, stuck.Name) })
	goesOn(t, "behind-it")

	row := started.waitFor(t, "gadget", manager.Degraded, manager.ReasonHanging)
	says(t, row, "stuck")
	names(t, started, guard.Hanging, "stuck")
	isCounted(t, started, `ks_reconcile_outcomes_total{controller="gadget",outcome="abandoned"}`)
	goesOn(t, "beside-it")
	others.check(t)

	if count := suffers.count(stuck.Name); count != 1 {
		t.Errorf("%d runs of it at the same time", count)
	}

	first.free()

	freed := time.Now()

	eventually(t, timeout, "it is reconciled again", func(ctx context.Context) error { return observed(ctx, stuck) })
	t.Logf("reconciled %s after it was let go", time.Since(freed))

	if row = started.waitFor(t, "gadget", manager.Running, manager.ReasonRunning); row.Restarts != 0 {
		t.Errorf("it was made anew: %+v", row)
	}

	second.holds(t, suffers, stuck.Name)

	runs := suffers.count(stuck.Name)
	change(t, stuck, "b")
	eventually(t, timeout, "it hangs again", func(context.Context) error {
		if suffers.count(stuck.Name) == runs {
			return fmt.Errorf("%d runs", runs)
		}

		return nil
	})

	stopsQuietly(t, started, log)
	second.free()
	noGoroutinesLeft(t, before)
}

// stopsQuietly holds that a manager with a run that hangs ends without it, and finds nothing in it.
func stopsQuietly(t *testing.T, started *running, log *logged) {
	t.Helper()

	lines, told := len(log.lines()), time.Now()
	err := started.stop()
	took := time.Since(told)
	t.Logf("ended %s after it was told to", took)

	if err != nil || took > runGrace+quiet {
		t.Errorf("it ended after %s with %v", took, err)
	}

	for _, line := range log.lines()[lines:] {
		if !strings.HasPrefix(line, "I") || strings.Contains(line, "Left behind") {
			t.Errorf("it said: %s", line)
		}
	}
}

// A reconciler that wakes itself by what it writes kept a worker busy for good, and the API server.
func TestHotLoop(t *testing.T) {
	captureLog(t)

	gadgetController, suffers := gadgets()
	widgetController, watched := widgets()
	before := goroutines()

	withGadgets(t)
	suffers.set(func(ctx context.Context, name string) error {
		if name != "hot" {
			return nil
		}

		patch := fmt.Sprintf(`{"metadata":{"annotations":{"run":"%d"}}}`, suffers.count(name))

		return admin.Patch(ctx, gadget(name, ""), client.RawPatch("application/merge-patch+json", []byte(patch)))
	})

	started := start(t, manager.Catalog{gadgetController, widgetController})
	others := watchBystander(t, started, watched)
	started.waitFor(t, "gadget", manager.Running, manager.ReasonRunning)

	const (
		watching = 10 * time.Second
		burst    = 10
		margin   = 3
	)

	create(t, gadget("hot", "a"))

	begun := time.Now()

	goesOn(t, "cool")
	always(t, watching-time.Since(begun), "it loops", func(context.Context) error { return nil })

	runs, most := suffers.count("hot"), burst+int(watching/time.Second)+margin
	t.Logf("%d runs in %s", runs, time.Since(begun))

	if runs > most || runs <= burst {
		t.Errorf("%d runs in %s, want more than %d and at most %d", runs, watching, burst, most)
	}

	goesOn(t, "still-cool")
	names(t, started, guard.HotLoop, "hot")
	isCounted(t, started, `ks_reconcile_outcomes_total{controller="gadget",outcome="throttled"}`)

	row, err := started.row(t.Context(), "gadget")
	if err != nil || row.Runs.Throttled == 0 {
		t.Errorf("the page: %+v, %v", row, err)
	}

	others.check(t)

	if err := started.stop(); err != nil {
		t.Error(err)
	}

	noGoroutinesLeft(t, before)
}

// sequence is the order in which objects were run.
type sequence struct {
	mutex sync.Mutex
	names []string
}

// slowly has each run take a moment, and notes it.
func (s *sequence) slowly(ctx context.Context, name string) error {
	const moment = 20 * time.Millisecond

	s.mutex.Lock()
	s.names = append(s.names, name)
	s.mutex.Unlock()

	timer := time.NewTimer(moment)
	defer timer.Stop()

	select {
	case <-timer.C:
	case <-ctx.Done():
	}

	return nil
}

// soFar returns the names of those that were run, in their order.
func (s *sequence) soFar() []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	return slices.Clone(s.names)
}

// After a restart everything is looked at again. What somebody waits for must not stand in line behind it.
func TestFreshChangesOvertakeResync(t *testing.T) {
	const count = 300

	gadgetController, suffers := gadgets()
	widgetController, watched := widgets()
	catalog := manager.Catalog{gadgetController, widgetController}
	before := goroutines()

	captureLog(t)
	withGadgets(t)

	objects := make([]*Gadget, count)
	for i := range objects {
		objects[i] = gadget(fmt.Sprintf("old-%03d", i), "a")
		if err := admin.Create(t.Context(), objects[i]); err != nil {
			t.Fatal(err)
		}
	}

	first := start(t, catalog)

	for _, object := range objects {
		eventually(t, timeout, "all is settled", func(ctx context.Context) error { return observed(ctx, object) })
	}

	if err := first.stop(); err != nil {
		t.Fatal(err)
	}

	order := &sequence{}
	suffers.set(order.slowly)

	restarted := time.Now()
	again := start(t, catalog)
	eventually(t, timeout, "the first is looked at", func(context.Context) error {
		if len(order.soFar()) == 0 {
			return fmt.Errorf("none of %d", count)
		}

		return nil
	})

	fresh := lastInLine(objects, order.soFar())
	change(t, fresh, "b")

	line := len(order.soFar())

	eventually(t, timeout, "the change is served", func(ctx context.Context) error { return observed(ctx, fresh) })

	place := slices.Index(order.soFar()[line:], fresh.Name)
	t.Logf("%d of %d were looked at before the change, and %d between the change and its run", line, count, place)

	if seen := order.soFar(); len(seen) > count/2 {
		t.Errorf("the change was served after %d of %d runs", len(seen), count)
	}

	others := watchBystander(t, again, watched)
	others.check(t)
	eventually(t, timeout, "the others are looked at too", func(context.Context) error {
		if seen := order.soFar(); len(seen) < count {
			return fmt.Errorf("%d of %d", len(seen), count)
		}

		return nil
	})

	made := slices.DeleteFunc(again.calls.writes(restarted), func(call string) bool {
		return strings.Contains(call, "/widgets/")
	})
	if len(made) != 1 {
		t.Errorf("a restart has written more than the one change: %v", made)
	}

	if err := again.stop(); err != nil {
		t.Error(err)
	}

	noGoroutinesLeft(t, before)
}

// lastInLine returns an object that has not been run yet.
func lastInLine(objects []*Gadget, seen []string) *Gadget {
	for _, object := range slices.Backward(objects) {
		if !slices.Contains(seen, object.Name) {
			return object
		}
	}

	return objects[0]
}
