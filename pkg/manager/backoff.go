package manager

import "time"

const (
	firstPause = time.Second
	maxPause   = 5 * time.Minute
	// forgiveAfter is how long nothing must have failed for the pauses to start small again.
	forgiveAfter = 10 * time.Minute
)

// backOff spaces the restarts of a controller.
type backOff struct {
	pause  time.Duration
	failed time.Time
	until  time.Time
}

// fail notes a failure and says until when to wait.
func (b *backOff) fail(now time.Time) time.Time {
	if b.pause == 0 || now.Sub(b.failed) > forgiveAfter+b.pause {
		b.pause = firstPause
	} else {
		b.pause = min(2*b.pause, maxPause)
	}

	b.failed = now
	b.until = now.Add(b.pause)

	return b.until
}

// remaining is how long to wait still.
func (b *backOff) remaining(now time.Time) time.Duration { return max(0, b.until.Sub(now)) }
