package delivery

import "time"

// Limits are how often something is tried.
type Limits struct {
	// MaxAge is how old a task may become before it is given up.
	MaxAge time.Duration
	// MinBackoff is how long a task waits after its first failure; each further one doubles it up to MaxBackoff.
	MinBackoff, MaxBackoff time.Duration
	// Failures is how many failures in a row open the circuit breaker of a credential.
	Failures int
	// Abreast is how many messages one credential may have under way.
	Abreast int
	// Pending is how many tasks may wait for one target before they are made one.
	Pending int
}

// DefaultLimits hold where nobody says otherwise. A minute of back-off at most brings everything out within two
// minutes of a provider's recovery.
func DefaultLimits() Limits {
	return Limits{
		MaxAge:     24 * time.Hour,
		MinBackoff: time.Second,
		MaxBackoff: time.Minute,
		Failures:   5,
		Abreast:    8,
		Pending:    100,
	}
}

// backoff is how long to wait after so many failures: between half of it and all of it, drawn, so that what failed
// together is not tried together.
func (l *Limits) backoff(failures int, random func() float64) time.Duration {
	const doublings = 30 // more would leave the range of a duration

	wait := l.MinBackoff << min(max(failures-1, 0), doublings)
	if wait > l.MaxBackoff || wait <= 0 {
		wait = l.MaxBackoff
	}

	return wait/2 + time.Duration(random()*float64(wait/2))
}

// Rate is how many messages may go out in a time; its zero value is without a limit.
type Rate struct {
	Messages int
	Per      time.Duration
}

// window holds a Rate: in no stretch of its time, wherever that begins, go more messages than it says. A bucket that
// fills up while others are sent would let go twice as many in the first of these times, and there are providers that
// lock out for that.
type window struct {
	rate Rate
	// sent are the times of the last messages, as many as the rate allows at most, oldest first.
	sent []time.Time
}

// set changes the rate; what was sent counts.
func (w *window) set(rate Rate) {
	w.rate = rate
	w.trim()
}

func (w *window) limited() bool { return w.rate.Messages > 0 && w.rate.Per > 0 }

// trim forgets the times that hold nothing up.
func (w *window) trim() {
	w.sent = w.sent[max(len(w.sent)-max(w.rate.Messages, 0), 0):]
}

// ready is when the next message may go.
func (w *window) ready(now time.Time) time.Time {
	if !w.limited() || len(w.sent) < w.rate.Messages {
		return now
	}

	return later(now, w.sent[0].Add(w.rate.Per))
}

// clear is when no message that was sent counts any more.
func (w *window) clear(now time.Time) time.Time {
	if !w.limited() || len(w.sent) == 0 {
		return now
	}

	return later(now, w.sent[len(w.sent)-1].Add(w.rate.Per))
}

// take notes messages that went. A notification that became several may take more than there was room for; the next one
// waits.
func (w *window) take(now time.Time, messages int) {
	if !w.limited() {
		return
	}

	for range min(messages, w.rate.Messages) {
		w.sent = append(w.sent, now)
	}

	w.trim()
}
