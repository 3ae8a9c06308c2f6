package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/store"
)

// What was given up is kept for somebody to look at and to try again: so many, for so long.
const (
	deadAtMost = 10_000
	deadFor    = 7 * 24 * time.Hour
	// digestAtMost is how many alerts one notification may tell of that stands for several.
	digestAtMost = 1000
)

// giveUp moves a task to the dead letters, and tells the history.
func (e *Engine) giveUp(task *delivery.Task) {
	now := e.options.Clock.Now()
	e.record(now, task)
	e.dead[task.ID] = task
	e.dirty.add(store.Change{Table: store.Tasks, Key: delivery.Key(task.ID)}, task.Row(store.Dead))
}

// bury forgets dead letters that are old, and the oldest of too many.
func (e *Engine) bury(now time.Time) {
	excess := len(e.dead) - deadAtMost
	if excess <= 0 && now.Sub(e.buried) < time.Hour {
		return
	}

	e.buried = now

	for i, task := range e.letters() {
		if i < excess || now.Sub(task.Created) > deadFor {
			e.unbury(task)
			e.release(task.Payload)
		}
	}
}

func (e *Engine) unbury(task *delivery.Task) {
	delete(e.dead, task.ID)
	e.dirty.add(store.Change{Table: store.Dead, Key: delivery.Key(task.ID)})
}

// DeadLetters gives what was given up, oldest first.
func (e *Engine) DeadLetters(ctx context.Context) ([]delivery.Task, error) {
	var copies []delivery.Task

	err := e.change(ctx, func(time.Time) {
		for _, task := range e.letters() {
			copies = append(copies, *task)
		}
	})

	return copies, err
}

func (e *Engine) letters() []*delivery.Task {
	tasks := make([]*delivery.Task, 0, len(e.dead))
	for _, task := range e.dead {
		tasks = append(tasks, task)
	}

	slices.SortFunc(tasks, func(a, b *delivery.Task) int {
		if a.ID < b.ID {
			return -1
		}

		return 1
	})

	return tasks
}

// Retry has a dead letter tried again as if it were new. It tells whether there is one of the number.
func (e *Engine) Retry(ctx context.Context, id uint64) (found bool, err error) {
	err = e.change(ctx, func(now time.Time) {
		task := e.dead[id]
		if task == nil {
			return
		}

		found = true

		e.unbury(task)

		again := *task
		again.Created, again.NotBefore, again.Attempts = now, time.Time{}, 0

		where := e.whereOf(&again)
		e.queue.Push(now, &where, &again)
		e.keep(&again)
	})

	return found, err
}

// digest makes one task of all that wait for a target, if these are too many: what arrives late arrives short.
func (e *Engine) digest(now time.Time, where *delivery.Where, newest *delivery.Task) {
	tasks := e.queue.Overflow(now, newest.Receiver, newest.Target)

	for len(tasks) > 1 {
		count := fitting(tasks)
		e.merge(now, where, tasks[:count])
		tasks = tasks[count:]
	}

	for _, task := range tasks {
		e.queue.Push(now, where, task)
	}
}

// fitting is how many of the tasks go into one, at least two.
func fitting(tasks []*delivery.Task) int {
	alerts := 0

	for i, task := range tasks {
		alerts += task.Alerts
		if alerts > digestAtMost && i >= 2 {
			return i
		}
	}

	return len(tasks)
}

// merge makes one task of several. Of each alert it tells the last that was to be told. Where the alerts of one cannot
// be read, all stay as they are.
func (e *Engine) merge(now time.Time, where *delivery.Where, tasks []*delivery.Task) {
	payload, count, err := e.union(tasks)
	if err != nil {
		for _, task := range tasks {
			e.queue.Push(now, where, task)
		}

		return
	}

	made := *tasks[0]
	made.ID, made.Payload, made.Alerts, made.NotBefore = e.number(now), e.number(now), count, time.Time{}
	made.Group, made.Digest = nil, 0

	// It is as old as the newest of them, and not told before any of them may be.
	for _, task := range tasks {
		made.Digest += max(task.Digest, 1)
		made.Created = latest(made.Created, task.Created)
		made.Held = latest(made.Held, task.Held)
		e.drop(task)
	}

	e.payloads[made.Payload]++
	e.queue.Push(now, where, &made)
	e.keep(&made)
	e.dirty.add(store.Change{Table: store.Payloads, Key: delivery.Key(made.Payload), Value: payload})
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}

	return b
}

// union are the alerts of several tasks, each once.
func (e *Engine) union(tasks []*delivery.Task) (payload []byte, count int, err error) {
	known := map[alert.Fingerprint]int{}

	var all []alert.Alert

	for _, task := range tasks {
		work := errand{task: *task, from: e.options.Store, fresh: e.dirty.payload(task.Payload)}

		alerts, err := work.alerts()
		if err != nil {
			return nil, 0, fmt.Errorf("making a digest: %w", err)
		}

		for _, one := range alerts {
			id := one.Fingerprint()

			if at, again := known[id]; again {
				all[at] = one

				continue
			}

			known[id] = len(all)
			all = append(all, one)
		}
	}

	for i := range all {
		payload = alert.Append(payload, &all[i])
	}

	return payload, len(all), nil
}

// payload gives the alerts of a notification that the store has not taken yet; nil if it has.
func (d dirty) payload(number uint64) []byte {
	return d[row{table: store.Payloads, key: string(delivery.Key(number))}].Value
}
