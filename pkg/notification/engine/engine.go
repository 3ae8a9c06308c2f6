// Package engine brings posted alerts to people: it routes them, groups them, keeps them on disk until they have
// arrived, and tries again until they have. What it acknowledges is on disk.
//
// One goroutine owns all that is decided. It takes what has come since its last turn (alerts, edits, what became of
// messages), decides, writes what has changed in one commit, and only then acknowledges and sends. So a hundred
// clients that post at once wait for the disk once, and nothing needs a lock. Messages are sent by goroutines of
// their own, of which there are at most Options.Abreast; there is none for a group, a target or a timer.
package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/grouping"
	"github.com/ks-core/ks-controller-manager/pkg/notification/inhibition"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
	"github.com/ks-core/ks-controller-manager/pkg/notification/silence"
	"github.com/ks-core/ks-controller-manager/pkg/notification/store"
	"github.com/ks-core/ks-controller-manager/pkg/notification/target"
)

// Why alerts are not taken. Whoever posts them is to post them again: they are on nobody's account yet.
var (
	// ErrBusy is an engine that has as much before it as it may.
	ErrBusy = errors.New("too much is waiting to be delivered")
	// ErrStopped is an engine that is stopping.
	ErrStopped = errors.New("is stopping")
)

// Options are what an engine works with.
type Options struct {
	// Store keeps what is taken.
	Store *store.Store
	// Clock tells the time.
	Clock clock.Clock
	// Random draws numbers from 0 up to 1.
	Random func() float64
	// Abreast is how many messages may be under way at once.
	Abreast int
	// Pending is how many messages may wait before no more alerts are taken.
	Pending int
	// Grace is how long messages under way may take to end when the engine stops.
	Grace time.Duration
	// Observer hears of what happens; nil if nobody does.
	Observer Observer
}

// Observer hears of what happens. The engine waits for it, so it returns at once.
type Observer interface {
	// Delivery is told of each attempt to deliver.
	Delivery(receipt *Receipt)
	// Turn is told at the end of each turn how things stand.
	Turn(state *State)
}

// State is how things stand.
type State struct {
	// Groups, Active and Pending are the numbers of groups, of alerts that hold, and of messages that wait.
	Groups, Active, Pending int
	// UnderWay is how many messages are being sent.
	UnderWay int
	// Dead is how many messages were given up and are kept.
	Dead int
	// Unread is how many rows of the store could not be read at the start.
	Unread int
	// Unwritten is how many changes the store has not taken; above zero it has failed.
	Unwritten int
	// Err is why it has failed.
	Err error
	// Commit is how long the store took to take the last changes.
	Commit time.Duration
}

// Settings are what holds for all receivers.
type Settings struct {
	// Routing is who is told.
	Routing routing.Config
	// Timing is when.
	Timing grouping.Timing
	// Limits are how often it is tried.
	Limits delivery.Limits
	// Cluster is the name that alerts get that say none.
	Cluster string
}

// Engine is an engine. New makes one, and Run has it work.
type Engine struct {
	options Options
	posts   chan *post
	edits   chan *edit
	results chan *result
	stopped chan struct{}

	starting sync.Mutex
	started  bool

	// All that follows belongs to the goroutine of Run, once it has started.
	settings  Settings
	receivers map[string]*member
	routes    *routing.Table
	silences  silence.Set
	inhibits  inhibition.Set
	sources   map[alert.Fingerprint]source
	expired   time.Time
	groups    *grouping.Table
	queue     *delivery.Queue
	payloads  map[uint64]int
	dead      map[uint64]*delivery.Task
	buried    time.Time
	underway  int
	unread    int
	last      uint64
	dirty     dirty
	failure   error
	commit    time.Duration
	waiting   []*post
	routed    routing.Result
}

// member is a receiver, and how it is told.
type member struct {
	*target.Receiver

	timing grouping.Timing
}

// post is alerts that somebody waits to see taken.
type post struct {
	alerts []alert.Alert
	taken  chan error
}

// edit is a change of what the engine goes by.
type edit struct {
	apply func(now time.Time)
	done  chan struct{}
}

// Queues in front of the engine. They hold what comes during one turn.
const (
	postsAhead = 1024
	editsAhead = 256
)

// New makes an engine that knows nothing yet. What is put before Run is in force at once: Run takes up what the store
// has kept, and what waits for a receiver that it does not know is given up.
func New(options Options) *Engine {
	limits := delivery.DefaultLimits()

	return &Engine{
		options: options,
		posts:   make(chan *post, postsAhead),
		edits:   make(chan *edit, editsAhead),
		results: make(chan *result, options.Abreast),
		stopped: make(chan struct{}),

		settings:  Settings{Limits: limits},
		receivers: map[string]*member{},
		routes:    routing.NewTable(routing.Config{}),
		groups:    grouping.NewTable(),
		queue:     delivery.NewQueue(limits, options.Random),
		sources:   map[alert.Fingerprint]source{},
		payloads:  map[uint64]int{},
		dead:      map[uint64]*delivery.Task{},
		dirty:     dirty{},
	}
}

// Ingest gives alerts to the engine and returns when they are on disk. After an error they are not taken.
func (e *Engine) Ingest(ctx context.Context, alerts []alert.Alert) error {
	one := &post{alerts: alerts, taken: make(chan error, 1)}

	select {
	case e.posts <- one:
	case <-e.stopped:
		return ErrStopped
	default:
		return ErrBusy
	}

	select {
	case err := <-one.taken:
		return err
	case <-e.stopped:
		return ErrStopped
	case <-ctx.Done():
		// It may be taken yet. Who posts it again has it told again at worst.
		return context.Cause(ctx)
	}
}

// change has the engine make a change between two turns, and returns when it is in force.
func (e *Engine) change(ctx context.Context, apply func(now time.Time)) error {
	if e.prepare(apply) {
		return nil
	}

	one := &edit{apply: apply, done: make(chan struct{})}

	select {
	case e.edits <- one:
	case <-e.stopped:
		return ErrStopped
	case <-ctx.Done():
		return context.Cause(ctx)
	}

	select {
	case <-one.done:
		return nil
	case <-e.stopped:
		return ErrStopped
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// prepare makes a change of an engine that does not work yet.
func (e *Engine) prepare(apply func(now time.Time)) bool {
	e.starting.Lock()
	defer e.starting.Unlock()

	if !e.started {
		apply(e.options.Clock.Now())
	}

	return !e.started
}
