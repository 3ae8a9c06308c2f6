package grouping

import (
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
)

// Muted says whether an alert is not to be told to a receiver now: it is silenced, or another alert says it.
type Muted func(receiver string, one *alert.Alert) bool

// snapshot is what a group could tell at one moment.
type snapshot struct {
	firing, resolved []*Entry
}

// look takes the alerts of a group that are not muted, as they are now.
func (g *Group) look(now time.Time, muted Muted) snapshot {
	var s snapshot

	for _, entry := range g.members {
		if muted(g.Receiver, &entry.Alert) {
			continue
		}

		if entry.resolved(now) {
			s.resolved = append(s.resolved, entry)
		} else {
			s.firing = append(s.firing, entry)
		}
	}

	slices.SortFunc(s.firing, byLabels)
	slices.SortFunc(s.resolved, byLabels)

	return s
}

func byLabels(a, b *Entry) int { return labels.Compare(a.Alert.Labels, b.Alert.Labels) }

// resolved tells whether an alert holds no more: it was said so, or nobody has said for too long that it does.
func (e *Entry) resolved(now time.Time) bool {
	return e.Alert.Status == alert.Resolved || !e.Alert.EndsAt.IsZero() && !e.Alert.EndsAt.After(now)
}

// decide says whether a group of an engine tells what it has, and why: Alertmanager's rules, with what was told last
// as its notification log.
func (g *Group) decide(now time.Time, s snapshot) (Why, bool) {
	firing, resolved := identities(s.firing), identities(s.resolved)

	switch {
	case len(firing)+len(resolved) == 0:
		return "", false
	case g.told.at.IsZero():
		// Nobody who has not heard of an alert needs to hear that it is over.
		return First, len(firing) > 0
	case !within(firing, g.told.firing):
		return NewFiring, true
	case len(firing) == 0:
		return AllResolved, len(g.told.firing) > 0 && !g.timing.OnlyFiring
	case !g.timing.OnlyFiring && !within(resolved, g.told.resolved):
		return NewResolved, true
	default:
		return Repeated, g.told.at.Before(now.Add(-g.timing.Repeat))
	}
}

// tell notes what is told and gives it.
func (g *Group) tell(now time.Time, s snapshot, why Why) Notification {
	g.told.at, g.told.firing, g.told.resolved = now, identities(s.firing), identities(s.resolved)

	told := s.firing
	if !g.timing.OnlyFiring {
		told = slices.Concat(s.firing, s.resolved)
	}

	notification := Notification{Group: g, Why: why, Alerts: make([]*alert.Alert, 0, len(told))}

	for i, entry := range told {
		one := entry.Alert // what is told does not change when the alert does

		if i < len(s.firing) {
			one.EndsAt = time.Time{} // until when it is taken to hold is nobody's business
		} else {
			one.Status = alert.Resolved
		}

		notification.Alerts = append(notification.Alerts, &one)
	}

	return notification
}

// identities are sorted, so that sets can be compared.
func identities(entries []*Entry) []alert.Fingerprint {
	ids := make([]alert.Fingerprint, 0, len(entries))
	for _, entry := range entries {
		ids = append(ids, entry.ID)
	}

	slices.Sort(ids)

	return ids
}

// within tells whether all of one sorted set are in the other.
func within(part, whole []alert.Fingerprint) bool {
	for _, id := range part {
		if _, found := slices.BinarySearch(whole, id); !found {
			return false
		}
	}

	return true
}
