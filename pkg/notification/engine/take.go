package engine

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/grouping"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
	"github.com/ks-core/ks-controller-manager/pkg/notification/target"
)

// take puts posted alerts into the groups of all who are told of them.
func (e *Engine) take(one *post) {
	switch {
	case e.failure != nil: // what is not on disk is not taken, and would be told at each try
		one.taken <- e.failure

		return
	case e.options.Pending > 0 && e.queue.Len() >= e.options.Pending:
		one.taken <- ErrBusy

		return
	}

	now := e.options.Clock.Now()

	for i := range one.alerts {
		e.route(now, e.named(&one.alerts[i]))
	}

	e.waiting = append(e.waiting, one)
}

// named gives an alert the name of the cluster if it has none.
func (e *Engine) named(posted *alert.Alert) *alert.Alert {
	if e.settings.Cluster == "" || posted.Labels.Has(alert.Cluster) {
		return posted
	}

	named := *posted
	named.Labels = labels.NewBuilder(posted.Labels).Set(alert.Cluster, e.settings.Cluster).Labels()

	return &named
}

// route puts an alert into the group of each channel that tells of it.
func (e *Engine) route(now time.Time, posted *alert.Alert) {
	e.note(posted)
	e.routes.Route(posted.Labels, &e.routed)

	for _, match := range e.routed.Matches {
		name := match.Receiver.Name
		timing := &e.receivers[name].timing

		for kind := range match.Receiver.Types(match.Channels) {
			e.groups.Add(now, line(name, channel.Type(kind)), timing, posted)
		}
	}
}

// note keeps in mind which alerts fire, and until when: what they inhibit is not told.
func (e *Engine) note(posted *alert.Alert) {
	id := posted.Fingerprint()

	if posted.Status == alert.Resolved {
		e.inhibits.Remove(id, posted.Labels)
		delete(e.sources, id)

		return
	}

	e.inhibits.Add(id, posted.Labels)

	if !posted.EndsAt.IsZero() {
		e.sources[id] = source{labels: posted.Labels, until: posted.EndsAt}
	}
}

// source is an alert that fires for as long as somebody says so.
type source struct {
	labels labels.Labels
	until  time.Time
}

// expire forgets the alerts that nobody says any more to fire, which would fill the memory.
func (e *Engine) expire(now time.Time) {
	const every = 10 * time.Second

	if now.Sub(e.expired) < every {
		return
	}

	e.expired = now

	for id, one := range e.sources {
		if !one.until.After(now) {
			e.inhibits.Remove(id, one.labels)
			delete(e.sources, id)
		}
	}
}

// join makes a receiver one of the engine's.
func (e *Engine) join(receiver *target.Receiver) *member {
	made := &member{Receiver: receiver, timing: e.settings.Timing}
	made.timing.OnlyFiring = receiver.OnlyFiring
	e.receivers[receiver.Route.Name] = made

	return made
}

// where is what a target of the receiver shares with others, and what limits it.
func (m *member) where(to *target.Target) delivery.Where {
	where := to.Where
	if where.Limits == nil {
		where.Limits = m.Retry
	}

	return where
}

// opens is when the receiver wants to hear of what is told now; zero is at once.
func (m *member) opens(now time.Time) time.Time {
	if m.Open == nil {
		return time.Time{}
	}

	if open, opens := m.Open(now); !open {
		return opens
	}

	return time.Time{}
}

// timingOf is how the receiver of a line is told; one that is not there any more is told nothing.
func (e *Engine) timingOf(of string) *grouping.Timing {
	name, _ := unline(of)

	receiver := e.receivers[name]
	if receiver == nil {
		return &e.settings.Timing
	}

	return &receiver.timing
}

// muted says whether an alert is not told now: it is silenced, by the platform or the tenant whose receiver it is, or
// another alert says it.
func (e *Engine) muted(now time.Time) grouping.Muted {
	return func(of string, one *alert.Alert) bool {
		name, _ := unline(of)
		owner := selector.Owner{}

		if receiver := e.receivers[name]; receiver != nil {
			owner = receiver.Route.Owner
		}

		if e.silences.For(owner, one.Labels, now) != nil {
			return true
		}

		return e.settings.Timing.Mode == grouping.Engine && e.inhibited(now, one)
	}
}

// inhibited says whether an alert that still fires says another one. Those that nobody says any more are found here,
// for between two rounds of expire they count as little.
func (e *Engine) inhibited(now time.Time, one *alert.Alert) bool {
	for {
		by, inhibited := e.inhibits.Inhibited(one.Labels)
		if !inhibited {
			return false
		}

		from, known := e.sources[by.Source]
		if !known || from.until.After(now) {
			return true
		}

		e.inhibits.Remove(by.Source, from.labels)
		delete(e.sources, by.Source)
	}
}
