package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/grouping"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/store"
	"github.com/ks-core/ks-controller-manager/pkg/notification/target"
)

// History is the name of the receiver that is told of everything that was delivered or given up. No object has it.
const History = "@history"

var (
	// errUnresolved is a target that lacks something.
	errUnresolved = errors.New("the target cannot be used yet")
	// errPanic is a defect of a channel.
	errPanic = errors.New("the channel has a defect; please report it")
)

// Receipt is what one attempt to deliver came to.
type Receipt struct {
	// Task is what was tried, as it is after the attempt.
	Task delivery.Task
	// Tenant is whose receiver it is; empty for a global one.
	Tenant string
	// Type is the type of the channel.
	Type channel.Type
	// Verdict is what becomes of it.
	Verdict delivery.Verdict
	// At is when the attempt ended, and Took how long it took.
	At   time.Time
	Took time.Duration
}

// result is what became of a task under way.
type result struct {
	id      uint64
	attempt delivery.Attempt
	took    time.Duration
}

// dispatch makes the tasks of a notification: one for each target of the channel, all with the same alerts.
func (e *Engine) dispatch(now time.Time, told *grouping.Notification) {
	name, kind := unline(told.Group.Receiver)

	receiver := e.receivers[name]
	if receiver == nil {
		return
	}

	to := receiver.Of(kind)
	if len(to) == 0 {
		return
	}

	number := e.number(now)

	var payload []byte
	for _, one := range told.Alerts {
		payload = alert.Append(payload, one)
	}

	e.dirty.add(store.Change{Table: store.Payloads, Key: delivery.Key(number), Value: payload})

	for _, one := range to {
		e.enqueue(now, receiver, one, &delivery.Task{
			ID: e.number(now), Receiver: name, Target: one.Key, Group: told.Group.Labels.Map(),
			Payload: number, Alerts: len(told.Alerts), Created: now, Held: receiver.opens(now),
		})
	}
}

// number is the next of all numbers. It grows with the time, so that a store that was emptied does not give one twice.
func (e *Engine) number(now time.Time) uint64 {
	const perMillisecond = 16

	e.last = max(e.last+1, uint64(now.UnixMilli())<<perMillisecond)

	return e.last
}

// enqueue puts a task into its line, and into the store.
func (e *Engine) enqueue(now time.Time, of *member, to *target.Target, task *delivery.Task) {
	where := of.where(to)
	e.payloads[task.Payload]++
	e.queue.Push(now, &where, task)
	e.keep(task)
	e.digest(now, &where, task)
}

// keep writes a task down as it is.
func (e *Engine) keep(task *delivery.Task) {
	e.dirty.add(task.Row(store.Tasks))
}

// drop takes a task that has ended off the store, and its alerts with the last one that has them.
func (e *Engine) drop(task *delivery.Task) {
	e.dirty.add(store.Change{Table: store.Tasks, Key: delivery.Key(task.ID)})
	e.release(task.Payload)
}

func (e *Engine) release(payload uint64) {
	e.payloads[payload]--

	if e.payloads[payload] == 0 {
		delete(e.payloads, payload)
		e.dirty.add(store.Change{Table: store.Payloads, Key: delivery.Key(payload)})
	}
}

// send starts what may go now, and gives when the next may.
func (e *Engine) send(ctx context.Context, now time.Time) time.Time {
	for e.underway < e.options.Abreast {
		task, at := e.queue.Next(now)
		if task == nil {
			return at
		}

		e.start(ctx, now, task)
	}

	return time.Time{} // when one has ended
}

// start sends a task, in a goroutine of its own, if there is a way to its target.
func (e *Engine) start(ctx context.Context, now time.Time, task *delivery.Task) {
	to, err := e.find(task)
	if err != nil {
		e.conclude(now, &result{id: task.ID, attempt: delivery.Attempt{Parts: task.Parts, Of: task.Parted, Err: err}})

		return
	}

	// What the goroutine works on is its own.
	work := &errand{
		task: *task, to: to, from: e.options.Store, clock: e.options.Clock, fresh: e.dirty.payload(task.Payload),
	}
	e.underway++

	go func() { e.results <- work.run(ctx) }()
}

// find gives the target of a task. One that was taken away is not coming back; one that lacks something may get it.
func (e *Engine) find(task *delivery.Task) (*target.Target, *channel.Error) {
	receiver := e.receivers[task.Receiver]
	if receiver == nil {
		return nil, gone(fmt.Errorf("there is no receiver %s", task.Receiver))
	}

	to, found := receiver.ByKey(task.Target)
	if !found {
		return nil, gone(fmt.Errorf("receiver %s has no target %s any more", task.Receiver, task.Target))
	}

	if to.Channel == nil {
		return nil, &channel.Error{Class: channel.Transient, Err: fmt.Errorf("%w: %w", errUnresolved, to.Broken)}
	}

	return to, nil
}

func gone(err error) *channel.Error {
	return &channel.Error{Class: channel.Permanent, Err: err}
}

// finish takes what became of a task under way.
func (e *Engine) finish(one *result) {
	e.underway--
	e.conclude(e.options.Clock.Now(), one)
}

// conclude has the queue judge an attempt, and does what follows from it.
func (e *Engine) conclude(now time.Time, one *result) {
	task := e.queue.Task(one.id)
	if task == nil {
		return
	}

	verdict := e.queue.Done(now, one.id, &one.attempt)

	switch verdict {
	case delivery.Again:
		e.keep(task)
	case delivery.Dead:
		e.giveUp(task)
	case delivery.Delivered:
		e.record(now, task)
		e.drop(task)
	}

	e.tell(now, task, verdict, one.took)
}

// tell tells the observer of an attempt.
func (e *Engine) tell(now time.Time, task *delivery.Task, verdict delivery.Verdict, took time.Duration) {
	if e.options.Observer == nil {
		return
	}

	receipt := &Receipt{Task: *task, Verdict: verdict, At: now, Took: took}

	if receiver := e.receivers[task.Receiver]; receiver != nil {
		receipt.Tenant = receiver.Tenant

		if to, found := receiver.ByKey(task.Target); found {
			receipt.Type = to.Type
		}
	}

	e.options.Observer.Delivery(receipt)
}

// record tells the history what became of a notification.
func (e *Engine) record(now time.Time, of *delivery.Task) {
	history := e.receivers[History]
	if history == nil || of.Receiver == History {
		return
	}

	for i := range history.Targets {
		to := &history.Targets[i]
		e.enqueue(now, history, to, &delivery.Task{
			ID: e.number(now), Receiver: History, Target: to.Key, About: of.Receiver, Group: of.Group,
			Payload: of.Payload, Alerts: of.Alerts, Created: now, Reason: of.Reason,
		})
	}
}

// errand is one attempt to deliver a task.
type errand struct {
	task  delivery.Task
	to    *target.Target
	from  *store.Store
	fresh []byte
	clock interface {
		Now() time.Time
		Since(at time.Time) time.Duration
	}
}

func (e *errand) run(ctx context.Context) *result {
	start := e.clock.Now()
	attempt := e.safely(ctx)

	return &result{id: e.task.ID, attempt: attempt, took: e.clock.Since(start)}
}

// safely makes a panic of a channel the end of this message alone: it would come again at each try, and at each start.
func (e *errand) safely(ctx context.Context) (attempt delivery.Attempt) {
	defer func() {
		if reason := recover(); reason != nil {
			attempt = delivery.Attempt{Parts: e.task.Parts, Of: e.task.Parted, Err: &channel.Error{
				Class: channel.Permanent, Err: fmt.Errorf("%w: %T", errPanic, reason), // its words may hold a secret
			}}
		}
	}()

	return e.attempt(ctx)
}

// attempt makes the messages of a task and sends those that have not arrived yet, up to the first that fails.
func (e *errand) attempt(ctx context.Context) delivery.Attempt {
	messages, err := e.messages()
	if err != nil {
		return delivery.Attempt{Err: channel.AsError(err)}
	}

	attempt := delivery.Attempt{Of: len(messages)}
	if e.task.Parted == attempt.Of {
		attempt.Parts = e.task.Parts
	}

	for ; attempt.Parts < attempt.Of; attempt.Parts++ {
		if err := e.deliver(ctx, messages[attempt.Parts]); err != nil {
			attempt.Err = channel.AsError(err)

			return attempt
		}

		attempt.Sent++
	}

	return attempt
}

func (e *errand) deliver(ctx context.Context, one channel.Message) error {
	ctx, cancel := context.WithTimeout(ctx, e.to.Timeout)
	defer cancel()

	return e.to.Channel.Send(ctx, one)
}

func (e *errand) messages() ([]channel.Message, error) {
	alerts, err := e.alerts()
	if err != nil {
		return nil, err
	}

	about := e.task.Receiver
	if e.task.About != "" {
		about = e.task.About
	}

	messages, err := e.to.Channel.Render(message.New(alerts, message.Notification{
		Receiver: about, GroupLabels: labels.FromMap(e.task.Group), Now: e.task.Created,
	}))
	if err != nil {
		return nil, &channel.Error{Class: channel.Permanent, Err: fmt.Errorf("making the message: %w", err)}
	}

	return messages, nil
}

// alerts reads the alerts of a task from the store: those of all tasks that wait would fill the memory.
func (e *errand) alerts() ([]alert.Alert, error) {
	encoded := e.fresh

	if encoded == nil {
		kept, err := e.from.Get(store.Payloads, delivery.Key(e.task.Payload))
		if err != nil {
			return nil, fmt.Errorf("reading the alerts of a task: %w", err)
		}

		encoded = kept
	}

	alerts, err := readAlerts(encoded)
	if err != nil {
		return nil, &channel.Error{Class: channel.Permanent, Err: err}
	}

	return alerts, nil
}

func readAlerts(encoded []byte) ([]alert.Alert, error) {
	var alerts []alert.Alert

	for len(encoded) > 0 {
		one, rest, err := alert.Read(encoded)
		if err != nil {
			return nil, fmt.Errorf("reading the alerts of a task: %w", err)
		}

		alerts, encoded = append(alerts, one), rest
	}

	if len(alerts) == 0 {
		return nil, errors.New("the alerts of the task are not in the store")
	}

	return slices.Clip(alerts), nil
}
