// Package observe keeps what can be asked of the delivery service: numbers for metrics, the last receipts, and how
// each receiver fares. It is told by the engine, which waits for it, so it only notes.
package observe

import (
	"maps"
	"sync"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/engine"
)

// Observer is what the engine tells. It is safe for use by several goroutines.
type Observer struct {
	metrics *Metrics

	mutex   sync.Mutex
	ring    ring
	tallies map[string]Tally
	state   engine.State
	turned  time.Time
	alerted time.Time
	clock   func() time.Time
}

// Tally is how a receiver has fared since the process began.
type Tally struct {
	// Sent and Failed are how many messages were delivered, and given up.
	Sent, Failed int64
	// Success and Failure are the last attempts that arrived and that did not; nil where there was none.
	Success, Failure *Receipt
}

// New makes an observer that keeps so many receipts.
func New(metrics *Metrics, receipts int, clock func() time.Time) *Observer {
	return &Observer{metrics: metrics, ring: newRing(receipts), tallies: map[string]Tally{}, clock: clock}
}

// Delivery notes an attempt.
func (o *Observer) Delivery(receipt *engine.Receipt) {
	o.metrics.delivery(receipt)

	made := receiptOf(receipt)

	o.mutex.Lock()
	defer o.mutex.Unlock()

	if receipt.Task.Receiver == engine.History {
		// Each success of the history would push out the receipt that it is about.
		if made.Outcome != Delivered {
			o.ring.add(made)
		}

		return
	}

	o.ring.add(made)
	o.tallies[made.Receiver] = o.tallies[made.Receiver].with(&made, receipt.Verdict)
}

func (t Tally) with(made *Receipt, verdict delivery.Verdict) Tally {
	next := t

	switch verdict {
	case delivery.Delivered:
		next.Sent++
		next.Success = made
	case delivery.Dead:
		next.Failed++
		next.Failure = made
	case delivery.Again:
		next.Failure = made
	}

	return next
}

// Turn notes how things stand.
func (o *Observer) Turn(state *engine.State) {
	now := o.clock()

	o.mutex.Lock()
	before := o.state
	o.state, o.turned = *state, now
	o.mutex.Unlock()

	o.metrics.turn(state, &before)
}

// State is how things stood at the end of the last turn, and when that was; zero before the first.
func (o *Observer) State() (state engine.State, at time.Time) {
	o.mutex.Lock()
	defer o.mutex.Unlock()

	return o.state, o.turned
}

// Saw notes that alerts were taken.
func (o *Observer) Saw() {
	now := o.clock()

	o.mutex.Lock()
	defer o.mutex.Unlock()

	o.alerted = now
}

// LastAlert is when an alert was taken last; zero before the first.
func (o *Observer) LastAlert() time.Time {
	o.mutex.Lock()
	defer o.mutex.Unlock()

	return o.alerted
}

// Tallies are how all receivers have fared of which anything was tried.
func (o *Observer) Tallies() map[string]Tally {
	o.mutex.Lock()
	defer o.mutex.Unlock()

	return maps.Clone(o.tallies)
}

// Forget drops what is known of a receiver that is there no more. Its receipts stay.
func (o *Observer) Forget(receiver string) {
	o.mutex.Lock()
	defer o.mutex.Unlock()

	delete(o.tallies, receiver)
}

// Receipts gives the last receipts that a filter lets pass, newest first, at most so many.
func (o *Observer) Receipts(filter Filter, most int) []Receipt {
	o.mutex.Lock()
	defer o.mutex.Unlock()

	return o.ring.find(filter, most)
}
