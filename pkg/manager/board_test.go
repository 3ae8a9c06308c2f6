package manager

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
)

func TestBoard(t *testing.T) {
	t.Parallel()

	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := clocktesting.NewFakePassiveClock(start)
	board := newBoard(clock)

	off := Row{Name: "off", Domain: Edge, State: Disabled, Reason: ReasonNotSelected, Since: start}
	row := func(state State, reason string, after time.Duration) Row {
		return Row{Name: "one", Domain: Tenancy, State: state, Reason: reason, Since: start.Add(after)}
	}

	board.put(off)

	steps := []struct {
		name string
		put  Row
		want Row
	}{
		{"it starts", row(Starting, ReasonDiscovering, 0), row(Starting, ReasonDiscovering, 0)},
		{"for another reason", row(Starting, ReasonCachesSyncing, 0), row(Starting, ReasonCachesSyncing, time.Second)},
		{"it runs", row(Running, ReasonRunning, 0), row(Running, ReasonRunning, 2*time.Second)},
		{"it still runs", row(Running, ReasonRunning, 0), row(Running, ReasonRunning, 2*time.Second)},
	}

	for _, step := range steps {
		board.put(step.put)

		if diff := cmp.Diff([]Row{off, step.want}, board.snapshot()); diff != "" {
			t.Errorf("after %q (-want +got):\n%s", step.name, diff)
		}

		clock.SetTime(clock.Now().Add(time.Second))
	}
}
