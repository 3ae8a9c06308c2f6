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

	descriptor := Descriptor{Name: "one", Domain: Tenancy}
	off := Row{Name: "off", Domain: Edge, State: Disabled, Reason: ReasonNotSelected, Since: start}
	row := func(state State, reason string, after time.Duration) []Row {
		return []Row{off, {Name: "one", Domain: Tenancy, State: state, Reason: reason, Since: start.Add(after)}}
	}

	board.put(off)

	steps := []struct {
		name string
		do   func()
		want []Row
	}{
		{"it starts", func() { board.starting(descriptor, 2) }, row(Starting, ReasonCachesSyncing, 0)},
		{"one source is there", func() { board.sourceSynced("one") }, row(Starting, ReasonCachesSyncing, 0)},
		{"all are there", func() { board.sourceSynced("one") }, row(Standby, ReasonNotLeader, 2*time.Second)},
		{"it leads", board.becameLeader, row(Running, ReasonRunning, 3*time.Second)},
		{"it still leads", board.becameLeader, row(Running, ReasonRunning, 3*time.Second)},
	}

	for _, step := range steps {
		step.do()

		if diff := cmp.Diff(step.want, board.snapshot()); diff != "" {
			t.Errorf("after %q (-want +got):\n%s", step.name, diff)
		}

		clock.SetTime(clock.Now().Add(time.Second))
	}
}
