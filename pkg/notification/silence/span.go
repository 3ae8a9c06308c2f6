package silence

import (
	"time"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

// maxJoined is how many windows without a gap are followed to find the end of a silence; with more, no end is in
// sight.
const maxJoined = 64

// spanAt finds the state at a time, and until when it is the same.
func (s *Silence) spanAt(at time.Time) span {
	switch {
	case !s.enabled:
		return span{state: State{Phase: notificationv2beta2.SilenceDisabled}, from: at}
	case !s.end.IsZero() && !at.Before(s.end):
		return span{state: State{Phase: notificationv2beta2.SilenceExpired}, from: at}
	case s.recurring:
		return s.recurringAt(at)
	default:
		return s.onceAt(at)
	}
}

// onceAt is for a silence with one window; at is before its end.
func (s *Silence) onceAt(at time.Time) span {
	if at.Before(s.start) {
		return pending(at, s.start)
	}

	until := s.end

	if s.duration > 0 {
		until = earlier(s.end, s.start.Add(s.duration))
	}

	if !until.IsZero() && !at.Before(until) {
		return span{state: State{Phase: notificationv2beta2.SilenceExpired}, from: at}
	}

	return span{
		state: State{Phase: notificationv2beta2.SilenceActive, ActiveUntil: until},
		from:  at,
		until: until,
	}
}

// recurringAt is for a silence with a schedule; at is before its end.
func (s *Silence) recurringAt(at time.Time) span {
	start, some := s.schedule.Last(at)
	if !some || !at.Before(start.Add(s.duration)) {
		next := s.next(at)
		if next.IsZero() {
			return span{state: State{Phase: notificationv2beta2.SilenceExpired}, from: at}
		}

		return pending(at, next)
	}

	until, inSight := s.follow(start.Add(s.duration))
	made := span{
		state: State{Phase: notificationv2beta2.SilenceActive},
		from:  at,
		until: until,
	}

	if !inSight {
		return made
	}

	made.state.ActiveUntil = until

	if s.end.IsZero() || until.Before(s.end) {
		made.state.NextStart = s.next(until)
	}

	return made
}

// follow gives the end of windows that join: where one ends, or before, the next begins. Where it does not see the
// end, it tells how far it saw.
func (s *Silence) follow(until time.Time) (time.Time, bool) {
	for range maxJoined {
		if !s.end.IsZero() && !until.Before(s.end) {
			return s.end, true
		}

		start, _ := s.schedule.Last(until)

		further := start.Add(s.duration)
		if !further.After(until) {
			return until, true
		}

		until = further
	}

	return until, false
}

// next gives the first start after an instant; zero where there is none before the end.
func (s *Silence) next(after time.Time) time.Time {
	start, some := s.schedule.Next(after)
	if !some || !s.end.IsZero() && !start.Before(s.end) {
		return time.Time{}
	}

	return start
}

func pending(at, start time.Time) span {
	return span{
		state: State{Phase: notificationv2beta2.SilencePending, NextStart: start},
		from:  at,
		until: start,
	}
}

// earlier gives the earlier of two instants, of which the first may be zero for never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}

	return a
}
