package grouping

import (
	"iter"
	"maps"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
)

// Table is all groups and the alerts they hold. One goroutine owns it.
type Table struct {
	groups  map[string]*Group
	of      map[string]map[*Group]struct{} // by receiver
	active  map[alert.Fingerprint]*Entry
	queue   queue
	changes changes
}

// NewTable makes an empty table.
func NewTable() *Table {
	return &Table{
		groups:  map[string]*Group{},
		of:      map[string]map[*Group]struct{}{},
		active:  map[alert.Fingerprint]*Entry{},
		changes: newChanges(),
	}
}

// Add takes an alert for a receiver. What it gives is due with the next Flush at the earliest.
func (t *Table) Add(now time.Time, receiver string, timing *Timing, posted *alert.Alert) {
	key, common := keyOf(receiver, timing, posted.Labels)

	group := t.groups[key]
	if group == nil {
		group = t.insert(receiver, key, common)
	}

	group.timing = *timing

	if timing.Mode == Relay {
		t.relay(now, group, posted)
	} else {
		t.join(now, group, posted)
	}
}

func (t *Table) insert(receiver, key string, common labels.Labels) *Group {
	group := &Group{
		Receiver: receiver, Labels: common, key: key, members: map[alert.Fingerprint]*Entry{}, place: nowhere,
	}
	t.groups[key] = group

	if t.of[receiver] == nil {
		t.of[receiver] = map[*Group]struct{}{}
	}

	t.of[receiver][group] = struct{}{}

	return group
}

// relay keeps an alert until the group tells it: at once, or at the end of the window that an earlier one opened.
func (t *Table) relay(now time.Time, group *Group, posted *alert.Alert) {
	id := posted.Fingerprint()
	group.members[id] = &Entry{Alert: *posted, ID: id}
	t.changes.wait(group, id)

	due := now
	if opened := group.told.at; !opened.IsZero() && !group.full() {
		due = later(now, opened.Add(group.timing.Window))
	}

	t.queue.set(group, due)
}

// full tells a group that has gathered as many alerts as it may.
func (g *Group) full() bool {
	return g.timing.Most > 0 && len(g.members) >= g.timing.Most
}

// join makes an alert one of its group, or brings the one that is there up to date.
func (t *Table) join(now time.Time, group *Group, posted *alert.Alert) {
	group.admit(t.update(posted))

	fresh := group.place == nowhere

	switch {
	case !group.told.flushed && posted.StartsAt.Add(group.timing.Wait).Before(now):
		t.queue.set(group, now) // it has waited long enough where it comes from
	case fresh:
		t.queue.set(group, now.Add(group.timing.Wait))
	}

	if fresh {
		t.changes.group(group)
	}
}

// admit makes an alert one of the group.
func (g *Group) admit(entry *Entry) {
	if g.members[entry.ID] == nil {
		g.members[entry.ID] = entry
		entry.groups++
	}
}

// update keeps one entry for each alert that groups hold.
func (t *Table) update(posted *alert.Alert) *Entry {
	id := posted.Fingerprint()

	entry := t.active[id]
	if entry == nil {
		entry = &Entry{Alert: *posted, ID: id}
		t.active[id] = entry
	} else {
		entry.Alert = merge(&entry.Alert, posted)
	}

	t.changes.alert(id)

	return entry
}

// merge is what is known of an alert after a further post: what was said last, and when it began.
func merge(known, posted *alert.Alert) alert.Alert {
	merged := *posted

	again := known.Status == alert.Resolved && posted.Status == alert.Firing
	if !again && known.StartsAt.Before(posted.StartsAt) {
		merged.StartsAt = known.StartsAt
	}

	return merged
}

// Next is when the next group is due; zero if none is.
func (t *Table) Next() time.Time {
	if len(t.queue) == 0 {
		return time.Time{}
	}

	return t.queue[0].due
}

// Flush gives what the groups that are due have to tell.
func (t *Table) Flush(now time.Time, muted Muted) []Notification {
	var notifications []Notification

	for len(t.queue) > 0 && !t.queue[0].due.After(now) {
		group := t.queue[0]

		notification, tells := t.flush(now, group, muted)
		if tells {
			notifications = append(notifications, notification)
		}
	}

	return notifications
}

// leastInterval has a group without an interval wait at all: it would be due again and again.
const leastInterval = time.Second

func (t *Table) flush(now time.Time, group *Group, muted Muted) (Notification, bool) {
	if group.timing.Mode == Relay {
		return t.flushRelay(now, group, muted)
	}

	snapshot := group.look(now, muted)

	var notification Notification

	why, tells := group.decide(now, snapshot)
	if tells {
		notification = group.tell(now, snapshot, why)
	}

	group.told.flushed = true
	t.leave(now, group)

	if len(group.members) == 0 {
		t.remove(group)
	} else {
		t.queue.set(group, now.Add(max(group.timing.Interval, leastInterval)))
	}

	if tells || len(group.members) == 0 {
		t.changes.group(group)
	}

	return notification, tells
}

// leave takes out what is resolved: it was told, or nobody needs to know.
func (t *Table) leave(now time.Time, group *Group) {
	for id, entry := range group.members {
		if entry.resolved(now) {
			delete(group.members, id)
			t.release(entry)
		}
	}
}

// release forgets an alert that no group holds.
func (t *Table) release(entry *Entry) {
	entry.groups--
	if entry.groups > 0 {
		return
	}

	delete(t.active, entry.ID)
	t.changes.alert(entry.ID)
}

// flushRelay tells all that was gathered; with nothing gathered the window is over, and so is the group.
func (t *Table) flushRelay(now time.Time, group *Group, muted Muted) (Notification, bool) {
	if len(group.members) == 0 {
		t.remove(group)

		return Notification{}, false
	}

	snapshot := group.look(now, muted)
	tells := len(snapshot.firing) > 0 || len(snapshot.resolved) > 0 && !group.timing.OnlyFiring

	var notification Notification
	if tells {
		notification = group.tell(now, snapshot, Posted)
	}

	for id := range group.members {
		t.changes.wait(group, id)
	}

	clear(group.members)

	group.told = told{at: now, flushed: true} // what was told is of no interest to who only relays
	t.queue.set(group, now.Add(group.timing.Window))

	return notification, tells
}

// remove forgets a group.
func (t *Table) remove(group *Group) {
	t.queue.remove(group)
	delete(t.groups, group.key)
	delete(t.of[group.Receiver], group)

	if len(t.of[group.Receiver]) == 0 {
		delete(t.of, group.Receiver)
	}
}

// Forget forgets the groups of a receiver that is there no more.
func (t *Table) Forget(receiver string) {
	for group := range maps.Clone(t.of[receiver]) {
		t.drop(group)
	}
}

// Review goes through the alerts that groups of an engine hold for a receiver, after an edit of what chooses or groups
// them: those that it does not want any more leave, and those that belong to another group now go there. Groups that
// stay as they are keep their timers.
func (t *Table) Review(now time.Time, receiver string, timing *Timing, wants func(one *alert.Alert) bool) {
	var move []alert.Alert

	for group := range maps.Clone(t.of[receiver]) {
		if group.timing.Mode == Relay {
			continue
		}

		for id, entry := range group.members {
			key, _ := keyOf(receiver, timing, entry.Alert.Labels)
			wanted := wants(&entry.Alert)

			if wanted && key == group.key {
				continue
			}

			if wanted {
				move = append(move, entry.Alert)
			}

			delete(group.members, id)
			t.release(entry)
		}

		if len(group.members) == 0 {
			t.drop(group)
		}
	}

	for i := range move {
		t.Add(now, receiver, timing, &move[i])
	}
}

// Hasten makes all groups that are told in a way due now.
func (t *Table) Hasten(now time.Time, mode Mode) {
	for _, group := range maps.Clone(t.groups) {
		if group.timing.Mode == mode {
			t.queue.set(group, now)
		}
	}
}

// Leave forgets all groups that were told in a way that is not the way any more.
func (t *Table) Leave(mode Mode) {
	for _, group := range maps.Clone(t.groups) {
		if group.timing.Mode == mode {
			t.drop(group)
		}
	}
}

func (t *Table) drop(group *Group) {
	for id, entry := range group.members {
		if group.timing.Mode == Relay {
			t.changes.wait(group, id)
		} else {
			t.release(entry)
		}
	}

	clear(group.members)
	t.remove(group)
	t.changes.group(group)
}

// Alerts are the alerts that groups of an engine hold.
func (t *Table) Alerts() iter.Seq2[alert.Fingerprint, *alert.Alert] {
	return func(yield func(alert.Fingerprint, *alert.Alert) bool) {
		for id, entry := range t.active {
			if !yield(id, &entry.Alert) {
				return
			}
		}
	}
}

// Len is the number of groups.
func (t *Table) Len() int { return len(t.groups) }

// Active is the number of alerts that the groups of an engine hold.
func (t *Table) Active() int { return len(t.active) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}

	return b
}
