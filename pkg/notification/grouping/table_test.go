package grouping

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/store"
)

func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func at(seconds int) time.Time { return start().Add(time.Duration(seconds) * time.Second) }

func relay() *Timing { return &Timing{By: []string{"alertname"}, Window: time.Minute, Most: 3} }

func engine() *Timing {
	return &Timing{
		Mode: Engine, By: []string{"alertname"},
		Wait: 30 * time.Second, Interval: 5 * time.Minute, Repeat: time.Hour,
	}
}

// firing is an alert of the group "down" that holds until something else is said.
func firing(pod string) *alert.Alert {
	return &alert.Alert{Labels: labels.FromStrings("alertname", "down", "pod", pod), StartsAt: start()}
}

func resolved(pod string, ended time.Time) *alert.Alert {
	one := firing(pod)
	one.Status, one.EndsAt = alert.Resolved, ended

	return one
}

func nobody(string, *alert.Alert) bool { return false }

// show is what notifications tell, in short: why, and the pods with a mark for those that are resolved.
func show(notifications []Notification) []string {
	shown := []string{}

	for _, one := range notifications {
		words := []string{string(one.Why) + ":"}

		for _, told := range one.Alerts {
			mark := ""
			if told.Status == alert.Resolved {
				mark = "-"
			}

			words = append(words, told.Labels.Get("pod")+mark)
		}

		shown = append(shown, strings.Join(words, " "))
	}

	return shown
}

// step is an alert that is posted, if there is one, and what is told then.
type step struct {
	at    int
	post  *alert.Alert
	mute  string
	tells []string
}

func play(t *testing.T, timing *Timing, steps []step) *Table {
	t.Helper()

	table := NewTable()

	for i, step := range steps {
		if step.post != nil {
			table.Add(at(step.at), "r", timing, step.post)
		}

		muted := func(_ string, one *alert.Alert) bool { return one.Labels.Get("pod") == step.mute }
		told := show(table.Flush(at(step.at), muted))

		if diff := cmp.Diff(append([]string{}, step.tells...), told); diff != "" {
			t.Fatalf("step %d at %d s: %s", i, step.at, diff)
		}
	}

	return table
}

func TestRelay(t *testing.T) {
	t.Parallel()

	tests := map[string][]step{
		"the first is told at once, what follows at the end of the window": {
			{at: 0, post: firing("a"), tells: []string{"posted: a"}},
			{at: 10, post: firing("b")},
			{at: 20, post: resolved("a", at(20))},
			{at: 59},
			{at: 60, tells: []string{"posted: b a-"}},
			{at: 119},
			{at: 120},
			{at: 125, post: firing("b"), tells: []string{"posted: b"}},
		},
		"what is posted again is told again": {
			{at: 0, post: firing("a"), tells: []string{"posted: a"}},
			{at: 300, post: firing("a"), tells: []string{"posted: a"}},
		},
		"a full group does not wait": {
			{at: 0, post: firing("a"), tells: []string{"posted: a"}},
			{at: 1, post: firing("b")},
			{at: 2, post: firing("c")},
			{at: 3, post: firing("d"), tells: []string{"posted: b c d"}},
		},
		"what is muted when it is told is not told": {
			{at: 0, post: firing("a"), mute: "a"},
			{at: 1, post: firing("b")},
			{at: 60, tells: []string{"posted: b"}},
		},
	}

	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			table := play(t, relay(), steps)
			table.Flush(at(10_000), nobody)

			if table.Len() != 0 || len(table.of) != 0 {
				t.Errorf("%d groups stay", table.Len())
			}
		})
	}
}

func TestRelayOnlyFiring(t *testing.T) {
	t.Parallel()

	timing := relay()
	timing.OnlyFiring = true

	play(t, timing, []step{
		{at: 0, post: resolved("a", start())},
		{at: 1, post: firing("b")},
		{at: 2, post: resolved("c", at(2))},
		{at: 60, tells: []string{"posted: b"}},
	})
}

func TestEngine(t *testing.T) {
	t.Parallel()

	tests := map[string][]step{
		"waits for others": {
			{at: 0, post: firing("a")},
			{at: 29, post: firing("b")},
			{at: 30, tells: []string{"first notification: a b"}},
			{at: 330},
		},
		"does not wait for what has waited elsewhere": {
			{at: 31, post: firing("a"), tells: []string{"first notification: a"}},
		},
		"tells what is new at the next interval": {
			{at: 0, post: firing("a")},
			{at: 30, tells: []string{"first notification: a"}},
			{at: 40, post: firing("b")},
			{at: 329},
			{at: 330, tells: []string{"new alerts in group: a b"}},
		},
		"tells that one is resolved, and once": {
			{at: 0, post: firing("a")},
			{at: 1, post: firing("b")},
			{at: 30, tells: []string{"first notification: a b"}},
			{at: 40, post: resolved("a", at(40))},
			{at: 330, tells: []string{"new resolved alerts: b a-"}},
			{at: 630},
		},
		"tells that all are resolved, and ends": {
			{at: 0, post: firing("a")},
			{at: 30, tells: []string{"first notification: a"}},
			{at: 40, post: resolved("a", at(40))},
			{at: 330, tells: []string{"all alerts resolved: a-"}},
		},
		"is silent about what nobody has heard of": {
			{at: 0, post: firing("a")},
			{at: 10, post: resolved("a", at(10))},
			{at: 30},
		},
		"repeats what goes on": {
			{at: 0, post: firing("a")},
			{at: 30, tells: []string{"first notification: a"}},
			{at: 3629},
			{at: 3930, tells: []string{"repeat interval elapsed: a"}},
		},
		"takes what nobody confirms for resolved": {
			{at: 0, post: &alert.Alert{Labels: firing("a").Labels, StartsAt: start(), EndsAt: at(200)}},
			{at: 30, tells: []string{"first notification: a"}},
			{at: 330, tells: []string{"all alerts resolved: a-"}},
		},
		"keeps what is muted, and tells it when it is not any more": {
			{at: 0, post: firing("a"), mute: "a"},
			{at: 30, mute: "a"},
			{at: 330, tells: []string{"first notification: a"}},
		},
		"a muted alert does not look resolved": {
			{at: 0, post: firing("a")},
			{at: 30, tells: []string{"first notification: a"}},
			{at: 330, mute: "a"},
			{at: 630},
		},
		"what fires again begins anew": {
			{at: 0, post: firing("a")},
			{at: 30, tells: []string{"first notification: a"}},
			{at: 40, post: resolved("a", at(40))},
			{at: 50, post: &alert.Alert{Labels: firing("a").Labels, StartsAt: at(50)}},
			{at: 330},
		},
	}

	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			play(t, engine(), steps)
		})
	}
}

func TestEngineForgetsWhatIsOver(t *testing.T) {
	t.Parallel()

	table := play(t, engine(), []step{
		{at: 0, post: firing("a")},
		{at: 30, tells: []string{"first notification: a"}},
		{at: 40, post: resolved("a", at(40))},
		{at: 330, tells: []string{"all alerts resolved: a-"}},
	})

	if table.Len() != 0 || table.Active() != 0 || !table.Next().IsZero() {
		t.Errorf("%d groups and %d alerts stay", table.Len(), table.Active())
	}
}

func TestWhatIsToldDoesNotChange(t *testing.T) {
	t.Parallel()

	table := NewTable()
	table.Add(at(0), "r", relay(), firing("a"))
	told := table.Flush(at(0), nobody)
	table.Add(at(1), "r", relay(), resolved("a", at(1)))

	if told[0].Alerts[0].Status != alert.Firing {
		t.Error("a notification changed with its alert")
	}
}

func TestForget(t *testing.T) {
	t.Parallel()

	table := NewTable()
	table.Add(at(0), "gone", engine(), firing("a"))
	table.Add(at(0), "gone", relay(), firing("a"))
	table.Add(at(0), "stays", engine(), firing("a"))
	table.Forget("gone")

	if table.Len() != 1 || table.Active() != 1 {
		t.Errorf("%d groups and %d alerts stay", table.Len(), table.Active())
	}

	table.Leave(Engine)

	if table.Len() != 0 || table.Active() != 0 {
		t.Errorf("%d groups and %d alerts stay", table.Len(), table.Active())
	}
}

// TestRestart stops at every moment and goes on from what was stored: the same is told at the same times.
func TestRestart(t *testing.T) {
	t.Parallel()

	for name, timing := range map[string]*Timing{"engine": engine(), "relay": relay()} {
		for seed := range uint64(25) {
			t.Run(fmt.Sprint(name, seed), func(t *testing.T) {
				t.Parallel()

				without := drama(t, timing, seed, false)
				with := drama(t, timing, seed, true)

				if timing.Mode == Relay {
					// After a restart what was gathered is told at once.
					without, with = content(without), content(with)
				}

				if diff := cmp.Diff(without, with); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// drama is a random hour, with restarts or without, and what was told in it.
func drama(t *testing.T, timing *Timing, seed uint64, restarts bool) []string {
	t.Helper()

	kept, _, err := store.Open(filepath.Join(t.TempDir(), "store"), start(), store.Options{Forgetful: true})
	if err != nil {
		t.Fatal(err)
	}

	defer kept.Close()

	random := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // to be drawn again
	table, told := NewTable(), []string{}

	for second := range 3600 {
		now := at(second)

		if pod := strconv.Itoa(random.IntN(5)); random.IntN(60) == 0 {
			post := firing(pod)
			post.StartsAt = now

			if random.IntN(2) == 0 {
				post = resolved(pod, now)
			}

			table.Add(now, "r", timing, post)
		}

		for _, one := range show(table.Flush(now, nobody)) {
			told = append(told, fmt.Sprint(second, " ", one))
		}

		if err := kept.Commit(table.Changes()); err != nil {
			t.Fatal(err)
		}

		if restarts && random.IntN(20) == 0 {
			table = restored(t, kept, now, timing)
		} else if !restarts {
			random.IntN(20) // the same draws
		}
	}

	return told
}

// restored is the table that a new process makes of a store.
func restored(t *testing.T, kept *store.Store, now time.Time, timing *Timing) *Table {
	t.Helper()

	table := NewTable()

	memory, unread, err := ReadMemory(kept)
	if err != nil || unread > 0 {
		t.Fatal(unread, err)
	}

	rejoin := func(_, value []byte) error {
		one, _, err := alert.Read(value)
		table.Rejoin(now, "r", timing, &one, memory)

		return err
	}
	if err := kept.Each(store.Alerts, rejoin); err != nil {
		t.Fatal(err)
	}

	await := func(key, value []byte) error {
		one, _, err := alert.Read(value)
		if err != nil {
			return err
		}

		return table.Await(now, key, &one, func(string) *Timing { return timing })
	}
	if err := kept.Each(store.Pending, await); err != nil {
		t.Fatal(err)
	}

	if err := kept.Commit(table.Sweep(memory)); err != nil {
		t.Fatal(err)
	}

	return table
}

// content are the alerts that were told, each with its status, without the times.
func content(told []string) []string {
	var all []string

	for _, one := range told {
		_, pods, _ := strings.Cut(one, ": ")
		all = append(all, strings.Fields(pods)...)
	}

	slices.Sort(all)

	return slices.Compact(all)
}

func FuzzReadKept(f *testing.F) {
	group := &Group{due: start(), told: told{at: start(), flushed: true, firing: []alert.Fingerprint{1, 2}}}
	f.Add(group.encode())

	f.Fuzz(func(t *testing.T, encoded []byte) {
		kept, err := readKept(encoded)
		if err != nil {
			return
		}

		again, err := readKept((&Group{due: kept.due, told: kept.told}).encode())
		if err != nil {
			t.Fatal(err)
		}

		if diff := cmp.Diff(kept, again, cmp.AllowUnexported(Kept{}, told{})); diff != "" {
			t.Error(diff)
		}
	})
}

// Memory and time for many alerts in many groups.
func BenchmarkEngine(b *testing.B) {
	const groups = 10_000

	timing := engine()
	table := NewTable()

	posts := make([]*alert.Alert, 100_000)
	for i := range posts {
		posts[i] = &alert.Alert{StartsAt: start(), Labels: labels.FromStrings(
			"alertname", fmt.Sprint("down-", i%groups), "pod", strconv.Itoa(i), "namespace", "shop", "cluster", "one")}
	}

	for i := 0; b.Loop(); i++ {
		table.Add(start(), "r", timing, posts[i%len(posts)])

		if i%1000 == 0 {
			table.Changes()
		}
	}

	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "alerts/s")
}
