package guard

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	defaultTimeout  = time.Minute
	defaultGrace    = 10 * time.Second
	defaultBurst    = 10
	defaultInterval = time.Second

	// overdueDelay is how long requests for an object are put off while an
	// abandoned run of it lives. Nothing tells the queue when that ends.
	overdueDelay = 5 * time.Second
)

// errVanished is the outcome of a run that left its goroutine with
// runtime.Goexit, which looks like neither a return nor a panic.
var errVanished = errors.New("the run ended its goroutine without returning")

// Options say how much a Guard lets pass. Whatever is zero gets its default.
type Options struct {
	// Timeout bounds the context of one run; 1 min by default.
	Timeout time.Duration
	// Grace is how much longer a run may take to obey its ended context before
	// it is abandoned; 10 s by default.
	Grace time.Duration
	// Burst is how many runs an object may have at once after a quiet time; 10
	// by default.
	Burst int
	// Interval is the least time between two runs of an object in the long run;
	// 1 s by default.
	Interval time.Duration
	// Clock tells the time for buckets and quarantine. Timers are always real, as
	// those of contexts are.
	Clock clock.PassiveClock
	// History is that of the controller, and of no other: it knows objects by
	// their names alone. Without one, a new one is made that nobody else sees.
	History *History
	// OnPanic is told after each panic of which object and what it was, in the
	// goroutine of the run; may be nil.
	OnPanic func(object types.NamespacedName, value any)
}

// withDefaults fills in what is not set.
func (o Options) withDefaults() Options {
	set := o

	if set.Timeout <= 0 {
		set.Timeout = defaultTimeout
	}

	if set.Grace <= 0 {
		set.Grace = defaultGrace
	}

	if set.Burst <= 0 {
		set.Burst = defaultBurst
	}

	if set.Interval <= 0 {
		set.Interval = defaultInterval
	}

	if set.Clock == nil {
		set.Clock = clock.RealClock{}
	}

	if set.History == nil {
		set.History = NewHistory()
	}

	if set.OnPanic == nil {
		set.OnPanic = func(types.NamespacedName, any) {}
	}

	return set
}

// Guard runs a reconciler for a work queue.
type Guard struct {
	reconciler reconcile.Reconciler
	options    Options
	history    *History
	// tooLong is the cause of a context that ends by the guard's own timeout. It
	// is a value of this guard, so that guards inside guards count apart.
	tooLong error
	buckets buckets // Guarded by history.mu.
}

var _ reconcile.Reconciler = &Guard{}

// New returns a guard around reconciler. A controller that is built anew gets a
// new guard with the same History.
func New(reconciler reconcile.Reconciler, options Options) *Guard {
	options = options.withDefaults()

	return &Guard{
		reconciler: reconciler,
		options:    options,
		history:    options.History,
		tooLong:    fmt.Errorf("no end after %s", options.Timeout),
		buckets:    newBuckets(options.Burst, options.Interval),
	}
}

// run is one run of the reconciler.
type run struct {
	guard   *Guard
	object  types.NamespacedName
	started time.Time

	// done is closed when the run has ended. What follows is not to be read before.
	done     chan struct{}
	result   reconcile.Result
	err      error
	panicked bool

	// abandoned is when the worker went on without the run; zero before.
	abandoned time.Time // Guarded by History.mu.
	putOff    int       // Guarded by History.mu: requests that came in the meantime.
}

// Reconcile implements reconcile.Reconciler. A request that may not run now is
// asked for again at the time it may, which is no error. When ctx has ended
// nothing is run and no error is reported: the queue is being drained, and
// whoever starts next reconciles everything.
func (g *Guard) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	if ended(ctx) {
		return reconcile.Result{}, nil
	}

	current, wait := g.admit(request.NamespacedName)
	if current == nil {
		return reconcile.Result{RequeueAfter: wait}, nil
	}

	limited, cancel := context.WithTimeoutCause(ctx, g.options.Timeout, g.tooLong)
	defer cancel()

	go g.do(limited, request, current)

	result, err := g.await(limited, current)

	if errors.Is(context.Cause(limited), g.tooLong) {
		g.history.timeouts.Add(1)
	}

	if err == nil {
		return result, nil
	}

	if ended(ctx) {
		return reconcile.Result{}, nil
	}

	g.history.errors.Add(1)

	return result, err
}

func ended(ctx context.Context) bool {
	return ctx.Err() != nil
}

// admit registers a run of the object, or says how long there must be none.
func (g *Guard) admit(object types.NamespacedName) (*run, time.Duration) {
	now := g.options.Clock.Now()

	g.history.mu.Lock()
	defer g.history.mu.Unlock()

	if wait := g.history.refuse(object, now); wait > 0 {
		return nil, wait
	}

	if wait := g.buckets.take(object, now); wait > 0 {
		g.history.throttle(object, now)

		return nil, wait
	}

	admitted := &run{guard: g, object: object, started: now, done: make(chan struct{})}
	g.history.begin(admitted)

	return admitted, 0
}

// do is the run, in a goroutine of its own. Its end is kept in the books there
// too, whether somebody still waits for it or not.
func (g *Guard) do(ctx context.Context, request reconcile.Request, current *run) {
	defer close(current.done)

	defer func() {
		if value := recover(); value != nil {
			current.panicked = true
			current.err = g.panicked(ctx, current.object, value)
		}

		g.end(ctx, current)
	}()

	current.err = errVanished
	current.result, current.err = g.reconciler.Reconcile(ctx, request)
}

// panicked tells everybody about a panic and returns it as an error. It never
// wraps the value: an error in there could pass for one that needs no retry.
func (g *Guard) panicked(ctx context.Context, object types.NamespacedName, value any) error {
	text := fmt.Sprint(value)
	err := fmt.Errorf("panic: %s", text)

	log.FromContext(ctx).Error(err, "A run panicked", "stack", string(debug.Stack()))
	g.history.panicked(object, text, g.options.Clock.Now())
	g.options.OnPanic(object, value)

	return err
}

// end takes a run out of the books. Of an abandoned one the log is the only
// place that tells how it ended.
func (g *Guard) end(ctx context.Context, current *run) {
	if !g.history.end(current) {
		return
	}

	log.FromContext(ctx).Info("An abandoned run has ended",
		"duration", g.options.Clock.Since(current.started), "error", current.err)
}

// await returns the outcome of a run. One that does not obey its context is
// abandoned, and the worker is free for other objects.
func (g *Guard) await(ctx context.Context, current *run) (reconcile.Result, error) {
	select {
	case <-current.done:
		return current.result, current.err
	case <-ctx.Done():
	}

	grace := time.NewTimer(g.options.Grace)
	defer grace.Stop()

	select {
	case <-current.done:
	case <-grace.C:
		if g.history.abandon(current, g.options.Clock.Now()) {
			return reconcile.Result{}, fmt.Errorf("still running %s after its context ended: abandoned",
				g.options.Grace)
		}

		<-current.done // It ended in this very moment.
	}

	return current.result, current.err
}

// Abandoned returns how many abandoned runs of this guard still live.
func (g *Guard) Abandoned() int {
	return len(g.history.abandonedBy(g))
}

// Wait waits until all abandoned runs of this guard have ended, or until ctx
// has, and returns how many are left. It is for the owner, after the workers
// have stopped and before what runs may use goes away.
func (g *Guard) Wait(ctx context.Context) int {
	for {
		left := g.history.abandonedBy(g)
		if len(left) == 0 {
			return 0
		}

		select {
		case <-left[0].done:
		case <-ctx.Done():
			return g.Abandoned()
		}
	}
}
