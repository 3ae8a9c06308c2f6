package guard

import (
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// History is what is known about the runs of one controller through all its
// lives. It may be shared and read at any time.
type History struct {
	runs, errors, panics, timeouts, abandoned, throttled atomic.Uint64

	mu sync.Mutex // Guards what follows, and the buckets of the guards.
	// running has every run that has not ended, also those of earlier guards: a
	// new life of the controller must not run an object beside the old one.
	running    map[types.NamespacedName]*run
	quarantine quarantine
	hot        recent[heat]
}

// heat tells for how long an object has been throttled without a pause.
type heat struct {
	first, last time.Time
	times       int
}

// NewHistory returns a history without events.
func NewHistory() *History {
	return &History{
		running:    map[types.NamespacedName]*run{},
		quarantine: newQuarantine(),
		hot:        newRecent[heat](hotTime),
	}
}

// Counts are the numbers of a History since its beginning.
type Counts struct {
	// Runs have begun.
	Runs uint64 `json:"runs"`
	// Errors were reported to the work queue, be they terminal, panics, or about
	// abandoned runs.
	Errors uint64 `json:"errors"`
	// Panics were recovered.
	Panics uint64 `json:"panics"`
	// Timeouts are runs that took longer than they may.
	Timeouts uint64 `json:"timeouts"`
	// Abandoned runs did not obey their context, and may have ended since.
	Abandoned uint64 `json:"abandoned"`
	// Throttled requests were put off because the object had too many runs.
	Throttled uint64 `json:"throttled"`
}

// Snapshot returns the numbers as they are now.
func (h *History) Snapshot() Counts {
	return Counts{
		Runs:      h.runs.Load(),
		Errors:    h.errors.Load(),
		Panics:    h.panics.Load(),
		Timeouts:  h.timeouts.Load(),
		Abandoned: h.abandoned.Load(),
		Throttled: h.throttled.Load(),
	}
}

// refuse returns how long an object must not run whatever its rate, zero if it
// may. The caller holds the lock.
func (h *History) refuse(object types.NamespacedName, now time.Time) time.Duration {
	if running, found := h.running[object]; found {
		running.putOff++

		return overdueDelay
	}

	return h.quarantine.remaining(object, now)
}

// throttle notes a request that found no token. The caller holds the lock.
func (h *History) throttle(object types.NamespacedName, now time.Time) {
	h.throttled.Add(1)

	noted, found := h.hot.get(object, now)
	if !found || now.Sub(noted.last) > hotTime {
		noted = heat{first: now}
	}

	noted.last = now
	noted.times++
	h.hot.put(object, noted, now)
}

// begin notes a run. The caller holds the lock.
func (h *History) begin(started *run) {
	h.runs.Add(1)
	h.running[started.object] = started
}

// panicked notes a panic and shuts the object in.
func (h *History) panicked(object types.NamespacedName, text string, now time.Time) {
	h.panics.Add(1)

	h.mu.Lock()
	defer h.mu.Unlock()

	h.quarantine.add(object, text, now)
}

// abandon notes that nobody waits for a run any longer, unless it has ended.
func (h *History) abandon(late *run, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()

	if h.running[late.object] != late {
		return false
	}

	h.abandoned.Add(1)

	late.abandoned = now

	return true
}

// end notes the end of a run and tells whether it had been abandoned.
func (h *History) end(finished *run) bool {
	h.mu.Lock()
	defer h.mu.Unlock()

	delete(h.running, finished.object)

	if !finished.panicked {
		h.quarantine.recent.drop(finished.object)
	}

	return !finished.abandoned.IsZero()
}

// abandonedBy returns the runs that a guard has abandoned and that still live.
func (h *History) abandonedBy(guard *Guard) []*run {
	h.mu.Lock()
	defer h.mu.Unlock()

	var left []*run

	for _, candidate := range h.running {
		if candidate.guard == guard && !candidate.abandoned.IsZero() {
			left = append(left, candidate)
		}
	}

	return left
}
