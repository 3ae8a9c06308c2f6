package engine

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/grouping"
	"github.com/ks-core/ks-controller-manager/pkg/notification/inhibition"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
	"github.com/ks-core/ks-controller-manager/pkg/notification/silence"
	"github.com/ks-core/ks-controller-manager/pkg/notification/target"
)

// Configure replaces the settings. Groups go on with their timers; only where the way of telling changes, those of
// the other way end, with all they have gathered told.
func (e *Engine) Configure(ctx context.Context, settings Settings) error {
	return e.change(ctx, func(now time.Time) {
		before := e.settings.Timing.Mode
		e.settings = settings

		for _, receiver := range e.receivers {
			e.join(receiver.Receiver)
		}

		e.routes.Configure(settings.Routing)
		e.queue.SetLimits(settings.Limits)

		if before == grouping.Engine && settings.Timing.Mode == grouping.Relay {
			e.leaveEngine(now)
		}

		e.reviewAll(now)
	})
}

// reviewAll has every group hold what is chosen for it now.
func (e *Engine) reviewAll(now time.Time) {
	for _, receiver := range e.receivers {
		e.review(now, receiver)
	}
}

// review has the groups of a receiver hold what is chosen for them now.
func (e *Engine) review(now time.Time, receiver *member) {
	if e.settings.Timing.Mode == grouping.Relay {
		return // it holds nothing that it has told
	}

	name := receiver.Route.Name

	for _, one := range receiver.Route.Channels {
		e.groups.Review(now, line(name, channel.Type(one.Type)), &receiver.timing, func(held *alert.Alert) bool {
			return e.chooses(name, one.Type, held)
		})
	}
}

// chooses says whether a channel of a receiver is told of an alert.
func (e *Engine) chooses(name, kind string, one *alert.Alert) bool {
	e.routes.Route(one.Labels, &e.routed)

	for _, match := range e.routed.Matches {
		if match.Receiver.Name == name {
			return slices.Contains(slices.Collect(match.Receiver.Types(match.Channels)), kind)
		}
	}

	return false
}

// leaveEngine tells what groups have not told yet, and ends them: from now on somebody upstream groups and repeats.
func (e *Engine) leaveEngine(now time.Time) {
	e.groups.Hasten(now, grouping.Engine)

	for _, notification := range e.groups.Flush(now, e.muted(now)) {
		e.dispatch(now, &notification)
	}

	e.groups.Leave(grouping.Engine)
}

// PutReceiver adds a receiver, or replaces the one of its name: from the next turn on all goes by it. No other one's
// groups are touched. What waits for a target that was mended is tried at once.
func (e *Engine) PutReceiver(ctx context.Context, receiver *target.Receiver) error {
	return e.change(ctx, func(now time.Time) { e.put(now, receiver) })
}

func (e *Engine) put(now time.Time, receiver *target.Receiver) {
	name := receiver.Route.Name
	of := e.join(receiver)
	e.routes.PutReceiver(receiver.Route)

	e.review(now, of)

	for i := range receiver.Targets {
		to := &receiver.Targets[i]
		where := of.where(to)
		e.queue.Describe(now, name, to.Key, &where)
		e.queue.Wake(now, name, to.Key)
	}
}

// DeleteReceiver takes a receiver out. What waits for it is given up.
func (e *Engine) DeleteReceiver(ctx context.Context, name string) error {
	return e.change(ctx, func(now time.Time) {
		receiver := e.receivers[name]
		if receiver == nil {
			return
		}

		delete(e.receivers, name)
		e.routes.DeleteReceiver(name)

		for _, one := range receiver.Route.Channels {
			e.groups.Forget(line(name, channel.Type(one.Type)))
		}

		for i := range receiver.Targets {
			e.abandon(now, name, receiver.Targets[i].Key)
		}
	})
}

// abandon gives up what waits for a target that is there no more.
func (e *Engine) abandon(now time.Time, receiver, target string) {
	for _, task := range e.queue.Drop(now, receiver, target) {
		task.Reason = delivery.ReasonGone
		e.giveUp(task)
		e.tell(now, task, delivery.Dead, 0)
	}
}

// PutHistory has a receiver told of everything that was delivered or given up; nil ends that.
func (e *Engine) PutHistory(ctx context.Context, targets []target.Target) error {
	return e.change(ctx, func(now time.Time) {
		if targets == nil {
			delete(e.receivers, History)

			return
		}

		e.join(&target.Receiver{Route: &routing.Receiver{Name: History}, Targets: targets})

		for i := range targets {
			e.queue.Wake(now, History, targets[i].Key)
		}
	})
}

// PutRouter adds or replaces a router, and DeleteRouter takes one out.
func (e *Engine) PutRouter(ctx context.Context, router *routing.Router) error {
	return e.change(ctx, func(now time.Time) {
		e.routes.PutRouter(router)
		e.reviewAll(now)
	})
}

// DeleteRouter takes a router out.
func (e *Engine) DeleteRouter(ctx context.Context, name string) error {
	return e.change(ctx, func(now time.Time) {
		e.routes.DeleteRouter(name)
		e.reviewAll(now)
	})
}

// PutSilence adds or replaces a silence. It counts for what is told from now on, also of alerts that wait.
func (e *Engine) PutSilence(ctx context.Context, one *silence.Silence) error {
	return e.change(ctx, func(time.Time) { e.silences.Put(one) })
}

// DeleteSilence takes a silence out.
func (e *Engine) DeleteSilence(ctx context.Context, name string) error {
	return e.change(ctx, func(time.Time) { e.silences.Delete(name) })
}

// PutInhibitRule adds or replaces a rule, which looks at the alerts that hold.
func (e *Engine) PutInhibitRule(ctx context.Context, rule *inhibition.Rule) error {
	return e.change(ctx, func(time.Time) { e.inhibits.Put(rule, e.firing()) })
}

// DeleteInhibitRule takes a rule out.
func (e *Engine) DeleteInhibitRule(ctx context.Context, name string) error {
	return e.change(ctx, func(time.Time) { e.inhibits.Delete(name) })
}

// Explain says who is told of an alert, and why others are not.
func (e *Engine) Explain(ctx context.Context, set labels.Labels, names ...string) (routing.Explanation, error) {
	var explanation routing.Explanation

	err := e.change(ctx, func(now time.Time) {
		silenced := func(owner selector.Owner, set labels.Labels) (string, bool) {
			if found := e.silences.For(owner, set, now); found != nil {
				return found.Name(), true
			}

			return "", false
		}
		named := e.named(&alert.Alert{Labels: set})
		explanation = e.routes.Explain(named.Labels, silenced, names...)
	})

	return explanation, err
}

// firing are the alerts that hold, as far as groups hold them.
func (e *Engine) firing() iter.Seq2[alert.Fingerprint, labels.Labels] {
	return func(yield func(alert.Fingerprint, labels.Labels) bool) {
		for id, one := range e.groups.Alerts() {
			if one.Status == alert.Firing && !yield(id, one.Labels) {
				return
			}
		}
	}
}
