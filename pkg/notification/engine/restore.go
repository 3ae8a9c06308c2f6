package engine

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/grouping"
	"github.com/ks-core/ks-controller-manager/pkg/notification/store"
)

// restore takes up what the store has kept. A row that cannot be read is left where it is and counted, for one of
// them must not keep the others from being told.
func (e *Engine) restore() error {
	now := e.options.Clock.Now()

	for _, read := range []func(time.Time) error{
		e.restoreTasks, e.restoreDead, e.restorePayloads, e.restoreGroups, e.restoreWaiting,
	} {
		if err := read(now); err != nil {
			return err
		}
	}

	return nil
}

func (e *Engine) restoreTasks(now time.Time) error {
	return e.eachTask(store.Tasks, func(task *delivery.Task) {
		where := e.whereOf(task)
		e.queue.Push(now, &where, task)
	})
}

// whereOf is what the target of a task shares with others, as far as there is one.
func (e *Engine) whereOf(task *delivery.Task) delivery.Where {
	receiver := e.receivers[task.Receiver]
	if receiver == nil {
		return delivery.Where{}
	}

	to, found := receiver.ByKey(task.Target)
	if !found {
		return delivery.Where{}
	}

	return receiver.where(to)
}

func (e *Engine) restoreDead(time.Time) error {
	return e.eachTask(store.Dead, func(task *delivery.Task) { e.dead[task.ID] = task })
}

// eachTask reads the tasks of a table, and counts whose alerts are needed.
func (e *Engine) eachTask(table store.Table, do func(task *delivery.Task)) error {
	err := e.options.Store.Each(table, func(_, value []byte) error {
		task, err := delivery.ReadTask(value)
		if err != nil {
			e.unread++

			return nil //nolint:nilerr // counted
		}

		e.last = max(e.last, task.ID, task.Payload)
		e.payloads[task.Payload]++
		do(task)

		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the tasks: %w", err)
	}

	return nil
}

// restorePayloads drops alerts of notifications that no task is about.
func (e *Engine) restorePayloads(time.Time) error {
	known := map[string]struct{}{}
	for number := range maps.Keys(e.payloads) {
		known[string(delivery.Key(number))] = struct{}{}
	}

	return e.options.Store.Each(store.Payloads, func(key, _ []byte) error {
		if _, needed := known[string(key)]; !needed {
			e.dirty.add(store.Change{Table: store.Payloads, Key: slices.Clone(key)})
		}

		return nil
	})
}

// restoreGroups puts the alerts that hold into the groups of the receivers of today.
func (e *Engine) restoreGroups(now time.Time) error {
	memory, unread, err := grouping.ReadMemory(e.options.Store)
	if err != nil {
		return fmt.Errorf("reading the groups: %w", err)
	}

	e.unread += unread

	err = e.options.Store.Each(store.Alerts, func(key, value []byte) error {
		one, _, err := alert.Read(value)
		if err != nil {
			e.unread++

			return nil //nolint:nilerr // counted
		}

		if !e.rejoin(now, &one, memory) {
			e.dirty.add(store.Change{Table: store.Alerts, Key: slices.Clone(key)})
		}

		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the alerts: %w", err)
	}

	e.dirty.add(e.groups.Sweep(memory)...)

	if e.settings.Timing.Mode == grouping.Relay {
		e.leaveEngine(now)
	}

	return nil
}

// rejoin puts an alert back into its groups, and tells whether there are any.
func (e *Engine) rejoin(now time.Time, one *alert.Alert, memory grouping.Memory) bool {
	e.note(one)
	e.routes.Route(one.Labels, &e.routed)

	for _, match := range e.routed.Matches {
		name := match.Receiver.Name
		timing := e.receivers[name].timing
		timing.Mode = grouping.Engine // only those of an engine keep alerts

		for kind := range match.Receiver.Types(match.Channels) {
			e.groups.Rejoin(now, line(name, channel.Type(kind)), &timing, one, memory)
		}
	}

	return len(e.routed.Matches) > 0
}

// restoreWaiting puts back what a relay had gathered.
func (e *Engine) restoreWaiting(now time.Time) error {
	err := e.options.Store.Each(store.Pending, func(key, value []byte) error {
		one, _, err := alert.Read(value)
		if err == nil {
			err = e.groups.Await(now, key, &one, e.timingOf)
		}

		if err != nil {
			e.unread++
		}

		return nil
	})
	if err != nil {
		return fmt.Errorf("reading what was gathered: %w", err)
	}

	return nil
}
