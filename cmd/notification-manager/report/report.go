// Package report writes into the status of objects what becomes of messages: how each Receiver fares, and how the
// service itself does. It writes what has changed, each object at most once a minute, and owns the fields it writes,
// beside those of the controllers.
package report

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/follow"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/observe"
	"github.com/ks-core/ks-controller-manager/pkg/notification/engine"
)

// FieldManager owns the fields that are written here.
const FieldManager = "notification-manager-delivery"

// Objects are the objects as they are stored.
type Objects interface {
	View() *follow.View
	Receiver(name string) *notificationv2beta2.Receiver
	Manager(name string) *notificationv2beta2.NotificationManager
}

// Observed is what is written.
type Observed interface {
	Tallies() map[string]observe.Tally
	State() (engine.State, time.Time)
	LastAlert() time.Time
}

// Apply writes the status of an object of a resource.
type Apply func(ctx context.Context, resource, name string, status any) error

// Options are what a Reporter works with.
type Options struct {
	Objects  Objects
	Observed Observed
	// LastWatchdog is when the alert of the watchdog came last.
	LastWatchdog func() time.Time
	// Durable says whether what is acknowledged outlives the pod.
	Durable func() Durable
	Apply   Apply
	Metrics *observe.Metrics
	Clock   clock.WithTicker
}

// Durable says whether what is acknowledged outlives the pod, and why.
type Durable struct {
	Yes             bool
	Reason, Message string
}

// Reporter writes.
type Reporter struct {
	options Options
	written map[key]entry
}

// key is an object.
type key struct {
	kind string
	uid  types.UID
}

// entry is what was written of an object.
type entry struct {
	// at is when it was written last, or tried to be.
	at time.Time
	// said is what was written.
	said any
	// sent and failed are what the status had when the process began.
	sent, failed int64
}

const (
	// look is how often is looked for what has changed.
	look = 5 * time.Second
	// pause is how long an object is left alone after it was written.
	pause = time.Minute
	// atOnce is how many objects one look writes at most, and abreast how many at a time.
	atOnce  = 100
	abreast = 4
	// patience is how long one write may take.
	patience = 10 * time.Second
)

// New makes a reporter.
func New(options Options) *Reporter {
	return &Reporter{options: options, written: map[key]entry{}}
}

// Run writes until the context ends.
func (r *Reporter) Run(ctx context.Context) {
	ticker := r.options.Clock.NewTicker(look)
	defer ticker.Stop()

	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
			r.look(ctx)
		}
	}
}

// write is one status to be written.
type write struct {
	key            key
	resource, name string
	said, status   any
}

// look writes what has changed and may be written again.
func (r *Reporter) look(ctx context.Context) {
	now := r.options.Clock.Now()
	writes := r.receivers(now)

	if one, some := r.manager(now); some {
		writes = append(writes, one)
	}

	var group errgroup.Group

	group.SetLimit(abreast)

	good := make([]bool, len(writes))

	for i, one := range writes {
		group.Go(func() error {
			good[i] = r.write(ctx, &one)

			return nil
		})
	}

	_ = group.Wait()

	for i, one := range writes {
		known := r.written[one.key]
		known.at = now

		if good[i] {
			known.said = one.said
		}

		r.written[one.key] = known
	}
}

func (r *Reporter) write(ctx context.Context, one *write) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	err := r.options.Apply(ctx, one.resource, one.name, one.status)

	switch {
	case err == nil:
		r.options.Metrics.Wrote(one.key.kind, "written")

		return true
	case apierrors.IsNotFound(err): // it is gone, or its kind has no status
		r.options.Metrics.Wrote(one.key.kind, "not_found")

		return true
	default:
		r.options.Metrics.Wrote(one.key.kind, "failed")
		klog.FromContext(ctx).Error(err, "Cannot write a status, tries again", "kind", one.key.kind, "name", one.name)

		return false
	}
}

// due tells whether an object may be written again.
func (r *Reporter) due(of key, now time.Time) bool {
	known, again := r.written[of]

	return !again || now.Sub(known.at) >= pause
}

// receivers are the Receivers to write.
func (r *Reporter) receivers(now time.Time) []write {
	tallies := r.options.Observed.Tallies()
	present := make(map[key]struct{}, len(tallies))

	var writes []write

	for name, tally := range tallies {
		object := r.options.Objects.Receiver(name)
		if object == nil {
			continue
		}

		of := key{"Receiver", object.UID}
		present[of] = struct{}{}

		if len(writes) >= atOnce || !r.due(of, now) {
			continue
		}

		known, again := r.written[of]
		if !again {
			known.sent, known.failed = countOf(object.Status.Sent), countOf(object.Status.Failed)
			r.written[of] = known
		}

		said := receiverOf(object, &tally, &known)
		if known.said != said {
			writes = append(writes, write{
				key: of, resource: "receivers", name: name, said: said, status: said.apply(object),
			})
		}
	}

	for of := range r.written {
		if _, needed := present[of]; !needed && of.kind == "Receiver" {
			delete(r.written, of)
		}
	}

	return writes
}

func countOf(number *int64) int64 {
	if number == nil {
		return 0
	}

	return *number
}

// manager is the NotificationManager, if it is to be written.
func (r *Reporter) manager(now time.Time) (write, bool) {
	view := r.options.Objects.View()
	if view == nil {
		return write{}, false
	}

	object := r.options.Objects.Manager(view.Manager.Name)
	if object == nil {
		return write{}, false
	}

	of := key{"NotificationManager", object.UID}
	if !r.due(of, now) {
		return write{}, false
	}

	state, _ := r.options.Observed.State()
	said := managerSaid{
		pending: int64(state.Pending), dead: int64(state.Dead), durable: r.options.Durable(),
		lastAlert:    orBefore(r.options.Observed.LastAlert(), object.Status.LastAlert),
		lastWatchdog: orBefore(r.options.LastWatchdog(), object.Status.LastWatchdog),
		generation:   object.Generation,
	}

	if state.Err != nil {
		said.durable = Durable{
			Reason: "StoreFailed", Message: fmt.Sprintf("nothing is acknowledged now: %v", state.Err),
		}
	}

	if r.written[of].said == said {
		return write{}, false
	}

	return write{
		key: of, resource: "notificationmanagers", name: object.Name, said: said, status: said.apply(object),
	}, true
}
