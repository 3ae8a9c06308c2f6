package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/store"
)

// atOnce is how many posts one turn takes at most: those that follow wait for the next.
const atOnce = 256

// Run has the engine work until the context ends: it takes up what the store has kept, and ends with everything
// written.
func (e *Engine) Run(ctx context.Context) error {
	defer close(e.stopped)

	e.starting.Lock()
	e.started = true
	e.starting.Unlock()

	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()

	if err := e.restore(); err != nil {
		return fmt.Errorf("taking up what was kept: %w", err)
	}

	next := e.turn(sending)

	for {
		timer := e.options.Clock.NewTimer(e.until(next))

		select {
		case <-ctx.Done():
			timer.Stop()

			return e.stop(stop)
		case one := <-e.posts:
			e.take(one)
		case one := <-e.edits:
			e.apply(one)
		case one := <-e.results:
			e.finish(one)
		case <-timer.C():
		}

		timer.Stop()
		e.takeMore()

		next = e.turn(sending)
	}
}

// until is how long nothing is to be done.
func (e *Engine) until(next time.Time) time.Duration {
	const idle = time.Minute

	if next.IsZero() {
		return idle
	}

	return min(max(next.Sub(e.options.Clock.Now()), 0), idle)
}

// takeMore takes what has come meanwhile, without waiting for anything.
func (e *Engine) takeMore() {
	e.takeEdits()

	for range cap(e.results) {
		select {
		case one := <-e.results:
			e.finish(one)
		default:
		}
	}

	for range atOnce {
		select {
		case one := <-e.posts:
			e.take(one)
		default:
			return
		}
	}
}

func (e *Engine) takeEdits() {
	for {
		select {
		case one := <-e.edits:
			e.apply(one)
		default:
			return
		}
	}
}

func (e *Engine) apply(one *edit) {
	one.apply(e.options.Clock.Now())
	close(one.done)
}

// turn tells what is due, writes what has changed, and only then acknowledges and sends. It gives when the next turn
// is due.
func (e *Engine) turn(sending context.Context) time.Time {
	now := e.options.Clock.Now()
	e.expire(now)

	for _, notification := range e.groups.Flush(now, e.muted(now)) {
		e.dispatch(now, &notification)
	}

	e.bury(now)
	e.dirty.add(e.groups.Changes()...)

	if answersFirst {
		e.acknowledge()
	}

	e.write()
	e.acknowledge()

	next := e.send(sending, now)
	e.observe()

	return earliest(next, e.groups.Next(), e.again(now))
}

// write commits what has changed. What the store does not take is kept for the next turn.
func (e *Engine) write() {
	if len(e.dirty) == 0 {
		return
	}

	start := e.options.Clock.Now()
	e.failure = e.options.Store.Commit(e.dirty.rows())
	e.commit = e.options.Clock.Since(start)

	if e.failure == nil {
		e.dirty = dirty{}
	}
}

// acknowledge tells those who wait whether their alerts are taken.
func (e *Engine) acknowledge() {
	for _, one := range e.waiting {
		one.taken <- e.failure
	}

	e.waiting = e.waiting[:0]
}

// again is when a store that has failed is tried again.
func (e *Engine) again(now time.Time) time.Time {
	const pause = time.Second

	if e.failure == nil {
		return time.Time{}
	}

	return now.Add(pause)
}

func earliest(times ...time.Time) time.Time {
	var first time.Time

	for _, one := range times {
		if !one.IsZero() && (first.IsZero() || one.Before(first)) {
			first = one
		}
	}

	return first
}

// stop waits for messages under way, as long as they may take, and writes what has become of them.
func (e *Engine) stop(abandon func()) error {
	timer := e.options.Clock.NewTimer(e.options.Grace)
	defer timer.Stop()

	for e.underway > 0 {
		select {
		case one := <-e.results:
			e.finish(one)
		case <-timer.C():
			abandon() // each ends at once now, and is tried again by the next process
		}
	}

	e.dirty.add(e.groups.Changes()...)
	e.write()

	for _, one := range e.waiting {
		one.taken <- errors.Join(ErrStopped, e.failure)
	}

	return e.failure
}

func (e *Engine) observe() {
	if e.options.Observer == nil {
		return
	}

	e.options.Observer.Turn(&State{
		Groups: e.groups.Len(), Active: e.groups.Active(), Pending: e.queue.Len(), UnderWay: e.underway,
		Dead: len(e.dead), Unread: e.unread, Unwritten: len(e.dirty), Err: e.failure, Commit: e.commit,
	})
}

// dirty are the changes that the store has not taken, the last one of each row.
type dirty map[row]store.Change

type row struct {
	table store.Table
	key   string
}

func (d dirty) add(changes ...store.Change) {
	for _, change := range changes {
		d[row{table: change.Table, key: string(change.Key)}] = change
	}
}

func (d dirty) rows() []store.Change {
	rows := make([]store.Change, 0, len(d))
	for _, change := range d {
		rows = append(rows, change)
	}

	return rows
}
