package harness

import (
	"sync"
	"time"

	k8sclock "k8s.io/utils/clock"
)

// epoch is when trials begin.
func epoch() time.Time {
	return time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)
}

// clock moves on by a second whenever it is read: who writes the time on every
// run is found out, and nobody has to wait.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.now = c.now.Add(time.Second)

	return c.now
}

// PassiveClock is the environment's clock in the form that reconcilers are given.
func (e Environment) PassiveClock() k8sclock.PassiveClock { return passiveClock(e.Clock) }

type passiveClock func() time.Time

// Now implements clock.PassiveClock.
func (p passiveClock) Now() time.Time { return p() }

// Since implements clock.PassiveClock.
func (p passiveClock) Since(t time.Time) time.Duration { return p().Sub(t) }
