package agent

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// health is what the process is asked from outside.
type health struct {
	beat  atomic.Int64 // when something was last begun, in nanoseconds; 0 before the first time
	ready atomic.Bool
}

func (h *health) alive() { h.beat.Store(time.Now().UnixNano()) }

// Alive tells whether the agent goes on: it has begun something lately, or has not been let begin yet.
func (a *Agent) Alive() error {
	const margin = time.Minute

	last := a.health.beat.Load()
	since := time.Since(time.Unix(0, last))

	if last != 0 && since > a.options.Resync+a.options.Reloading+a.options.Confirming+margin {
		return fmt.Errorf("nothing has happened for %s", since.Round(time.Second))
	}

	return nil
}

var errNotReady = errors.New("the evaluator has not shown rules of ours yet; see the log")

// Ready tells whether the evaluator has once shown what it should. What comes later does not take it out of service.
func (a *Agent) Ready() error {
	if !a.health.ready.Load() {
		return errNotReady
	}

	return nil
}
