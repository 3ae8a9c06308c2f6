package delivery

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/store"
)

func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// middle draws no luck: every back-off is three quarters of what it may be.
func middle() float64 { return 0.5 }

func failure(class channel.Class, after time.Duration) *channel.Error {
	return &channel.Error{Class: class, RetryAfter: after, Code: 500, Err: errors.New("no")}
}

func newTask(id uint64, receiver string) *Task {
	return &Task{ID: id, Receiver: receiver, Target: "slack/ops", Alerts: 1, Created: start()}
}

// next wants a task to be due, and which.
func next(t *testing.T, q *Queue, now time.Time, want uint64) {
	t.Helper()

	task, at := q.Next(now)
	if task == nil || task.ID != want {
		t.Fatalf("at %v task %v is due (the next at %v), want %d", now.Sub(start()), task, at.Sub(start()), want)
	}
}

// none wants no task to be due before a time; negative is never.
func none(t *testing.T, q *Queue, now time.Time, want time.Duration) {
	t.Helper()

	task, at := q.Next(now)
	if task != nil {
		t.Fatalf("at %v task %d is due, want none", now.Sub(start()), task.ID)
	}

	if want < 0 && !at.IsZero() || want >= 0 && !at.Equal(start().Add(want)) {
		t.Fatalf("at %v the next task is due at %v, want %v", now.Sub(start()), at.Sub(start()), want)
	}
}

func TestOneTargetInOrder(t *testing.T) {
	t.Parallel()

	q := NewQueue(DefaultLimits(), middle)
	for id := range uint64(3) {
		q.Push(start(), &Where{Credential: "a"}, newTask(id, "r"))
	}

	for id := range uint64(3) {
		next(t, q, start(), id)
		none(t, q, start(), -1) // one at a time

		if got := q.Done(start(), id, &Attempt{}); got != Delivered {
			t.Fatalf("verdict %d", got)
		}
	}

	none(t, q, start(), -1)

	if q.Len() != 0 || len(q.lines) != 0 || len(q.credentials) != 0 {
		t.Errorf("%d tasks, %d lines and %d credentials stay", q.Len(), len(q.lines), len(q.credentials))
	}
}

func TestADeadProviderHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()

	q := NewQueue(DefaultLimits(), middle)
	q.Push(start(), &Where{Credential: "dead"}, newTask(1, "dead"))
	q.Push(start(), &Where{Credential: "alive"}, newTask(2, "alive"))

	next(t, q, start(), 1)
	next(t, q, start(), 2) // although the first has not returned
	q.Done(start(), 2, &Attempt{})

	if got := q.Done(start(), 1, &Attempt{Err: failure(channel.Transient, 0)}); got != Again {
		t.Fatalf("verdict %d", got)
	}

	none(t, q, start(), 750*time.Millisecond)
	next(t, q, start().Add(750*time.Millisecond), 1)
}

func TestBackoffGrowsAndEnds(t *testing.T) {
	t.Parallel()

	limits := DefaultLimits()
	limits.Failures = 0
	q := NewQueue(limits, middle)
	q.Push(start(), &Where{}, newTask(1, "r"))

	now, waits := start(), []time.Duration(nil)

	for range 9 {
		next(t, q, now, 1)
		q.Done(now, 1, &Attempt{Err: failure(channel.Transient, 0)})

		_, at := q.Next(now)
		waits = append(waits, at.Sub(now))
		now = at
	}

	const ms = time.Millisecond

	want := []time.Duration{
		750 * ms, 1500 * ms, 3000 * ms, 6000 * ms, 12000 * ms, 24000 * ms, 45000 * ms, 45000 * ms, 45000 * ms,
	}
	if diff := cmp.Diff(want, waits); diff != "" {
		t.Error(diff)
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()

	old := newTask(1, "r")
	old.Created = start().Add(-24 * time.Hour)

	tests := map[string]struct {
		task   *Task
		err    *channel.Error
		want   Verdict
		reason string
	}{
		"arrived":              {task: newTask(1, "r"), want: Delivered},
		"arrived late":         {task: old, want: Delivered, reason: ""},
		"refused":              {task: newTask(1, "r"), err: failure(channel.Permanent, 0), want: Dead, reason: "Refused"},
		"failed":               {task: newTask(1, "r"), err: failure(channel.Transient, 0), want: Again, reason: "Unavailable"},
		"denied":               {task: newTask(1, "r"), err: failure(channel.Denied, 0), want: Again, reason: "Denied"},
		"asked for less":       {task: newTask(1, "r"), err: failure(channel.RateLimited, 0), want: Again, reason: "RateLimited"},
		"failed for too long":  {task: old, err: failure(channel.Transient, 0), want: Dead, reason: ReasonExpired},
		"a failure of no kind": {task: newTask(1, "r"), err: channel.AsError(errors.New("x")), want: Again, reason: "Unavailable"},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			task := *test.task
			q := NewQueue(DefaultLimits(), middle)
			q.Push(start(), &Where{}, &task)
			next(t, q, start(), 1)

			if got := q.Done(start(), 1, &Attempt{Err: test.err}); got != test.want {
				t.Errorf("verdict %d, want %d", got, test.want)
			}

			if task.Reason != test.reason {
				t.Errorf("reason %q, want %q", task.Reason, test.reason)
			}

			if kept := q.Task(1) != nil; kept != (test.want == Again) {
				t.Errorf("is kept: %v", kept)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()

	q := NewQueue(DefaultLimits(), middle)
	q.Push(start(), &Where{Credential: "a"}, newTask(1, "r"))
	q.Push(start(), &Where{Credential: "a"}, newTask(2, "s"))
	q.Push(start(), &Where{Credential: "b"}, newTask(3, "t"))

	next(t, q, start(), 1)
	q.Done(start(), 1, &Attempt{Err: failure(channel.RateLimited, 30*time.Second)})

	next(t, q, start(), 3) // who is known by another credential goes on
	none(t, q, start(), 30*time.Second)
	next(t, q, start().Add(30*time.Second), 2) // it has not been refused yet
	next(t, q, start().Add(30*time.Second), 1)
}

func TestCircuitBreaker(t *testing.T) {
	t.Parallel()

	limits := DefaultLimits()
	limits.Abreast = 10
	q := NewQueue(limits, middle)

	for id := range uint64(8) {
		q.Push(start(), &Where{Credential: "a"}, newTask(id, fmt.Sprint("r", id)))
	}

	for id := range uint64(5) {
		next(t, q, start(), id)
		q.Done(start(), id, &Attempt{Err: failure(channel.Transient, 0)})
	}

	none(t, q, start(), 750*time.Millisecond) // open

	now := start().Add(750 * time.Millisecond)
	probe, _ := q.Next(now)

	if probe == nil {
		t.Fatal("nothing probes")
	}

	if second, _ := q.Next(now); second != nil {
		t.Fatalf("%d probes while %d does", second.ID, probe.ID)
	}

	q.Done(now, probe.ID, &Attempt{})

	for range 7 { // closed: all that may go goes
		task, _ := q.Next(now.Add(time.Minute))
		if task == nil {
			t.Fatal("not all go on")
		}
	}
}

func TestAbreast(t *testing.T) {
	t.Parallel()

	limits := DefaultLimits()
	limits.Abreast = 2
	q := NewQueue(limits, middle)

	for id := range uint64(3) {
		q.Push(start(), &Where{Credential: "a"}, newTask(id, fmt.Sprint("r", id)))
	}

	next(t, q, start(), 0)
	next(t, q, start(), 1)
	none(t, q, start(), -1)
	q.Done(start(), 1, &Attempt{})
	next(t, q, start(), 2)
}

func TestRates(t *testing.T) {
	t.Parallel()

	where := Where{Credential: "a", Rate: Rate{Messages: 2, Per: time.Minute}}
	q := NewQueue(DefaultLimits(), middle)

	for id := range uint64(4) {
		q.Push(start(), &where, newTask(id, "r"))
	}

	for id := range uint64(2) {
		next(t, q, start(), id)
		q.Done(start(), id, &Attempt{Sent: 1})
	}

	none(t, q, start(), time.Minute) // not sooner, though half a minute would refill a bucket
	next(t, q, start().Add(time.Minute), 2)
	q.Done(start().Add(time.Minute), 2, &Attempt{Sent: 3}) // it became three messages
	none(t, q, start().Add(61*time.Second), 2*time.Minute)
}

func TestSharedRate(t *testing.T) {
	t.Parallel()

	where := Where{Credential: "a", Shared: Rate{Messages: 1, Per: time.Minute}}
	q := NewQueue(DefaultLimits(), middle)
	q.Push(start(), &where, newTask(1, "r"))
	q.Push(start(), &where, newTask(2, "s"))

	next(t, q, start(), 1)
	q.Done(start(), 1, &Attempt{Sent: 1})
	none(t, q, start(), time.Minute)
}

func TestWake(t *testing.T) {
	t.Parallel()

	q := NewQueue(DefaultLimits(), middle)
	q.Push(start(), &Where{}, newTask(1, "r"))
	next(t, q, start(), 1)
	q.Done(start(), 1, &Attempt{Err: failure(channel.Denied, time.Hour)})
	none(t, q, start(), time.Hour)

	q.Wake(start(), "r", "slack/ops")
	next(t, q, start(), 1)
}

func TestDrop(t *testing.T) {
	t.Parallel()

	q := NewQueue(DefaultLimits(), middle)
	for id := range uint64(3) {
		q.Push(start(), &Where{}, newTask(id, "r"))
	}

	q.Push(start(), &Where{}, newTask(3, "s"))
	next(t, q, start(), 0)

	dropped := q.Drop(start(), "r", "slack/ops")
	if len(dropped) != 2 || dropped[0].ID != 1 || dropped[1].ID != 2 || q.Len() != 2 {
		t.Errorf("%v are dropped, %d stay", dropped, q.Len())
	}

	if got := q.Done(start(), 0, &Attempt{}); got != Delivered {
		t.Errorf("verdict %d", got)
	}
}

func TestOverflow(t *testing.T) {
	t.Parallel()

	limits := DefaultLimits()
	limits.Pending = 3
	q := NewQueue(limits, middle)

	for id := range uint64(5) {
		task := newTask(id, "r")
		task.Parts = int(id) % 2 * int(id/3) // number 3 has begun
		q.Push(start(), &Where{}, task)
	}

	merged := q.Overflow(start(), "r", "slack/ops")

	var ids []uint64
	for _, task := range merged {
		ids = append(ids, task.ID)
	}

	if diff := cmp.Diff([]uint64{0, 1, 2, 4}, ids); diff != "" {
		t.Error(diff)
	}

	next(t, q, start(), 3)

	if again := q.Overflow(start(), "r", "slack/ops"); again != nil {
		t.Errorf("%v overflow again", again)
	}
}

// TestNothingIsLost plays random providers and edits: each task ends exactly once, no target has two messages under
// way, no credential more than it may, and nothing is left over in the end.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()

	for seed := range uint64(200) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()

			random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // to be drawn again
			newPlay(t, random).run()
		})
	}
}

// play is a random run of a queue with what is known of it by other means.
type play struct {
	t        *testing.T
	random   *rand.Rand
	queue    *Queue
	now      time.Time
	underway map[uint64]*Task
	with     map[uint64]string // the credential of each task under way
	of       map[string]string // the credential of each receiver
	ended    map[uint64]int
}

const plays, receivers, credentials, abreast = 200, 7, 2, 2

func newPlay(t *testing.T, random *rand.Rand) *play {
	t.Helper()

	limits := DefaultLimits()
	limits.Abreast, limits.Pending = abreast, 4

	return &play{
		t: t, random: random, queue: NewQueue(limits, random.Float64), now: start(),
		underway: map[uint64]*Task{}, with: map[uint64]string{}, of: map[string]string{}, ended: map[uint64]int{},
	}
}

func (p *play) run() {
	for id := range uint64(plays) {
		p.push(id)
		p.edit()
		p.step()
	}

	for rounds := 0; p.queue.Len() > 0; rounds++ {
		if rounds > 100*plays {
			p.t.Fatalf("%d tasks never end", p.queue.Len())
		}

		p.step()
	}

	p.queue.Next(p.now.Add(48 * time.Hour)) // what lines know of failures and rates does not matter by then

	if len(p.queue.lines)+len(p.queue.credentials) > 0 {
		p.t.Errorf("%d lines and %d credentials are left over", len(p.queue.lines), len(p.queue.credentials))
	}

	for id := range uint64(plays) {
		if p.ended[id] != 1 {
			p.t.Errorf("task %d ended %d times", id, p.ended[id])
		}
	}
}

func (p *play) receiver() string { return "r" + strconv.Itoa(p.random.IntN(receivers)) }

// where is how a receiver is described: its credential changes now and then.
func (p *play) where(receiver string, changes bool) *Where {
	if p.of[receiver] == "" || changes {
		p.of[receiver] = "c" + strconv.Itoa(p.random.IntN(credentials))
	}

	return &Where{Credential: p.of[receiver], Rate: Rate{Messages: int(receiver[1] - '0'), Per: time.Second}}
}

func (p *play) push(id uint64) {
	receiver := p.receiver()
	where := p.where(receiver, false)
	task := newTask(id, receiver)
	task.Created = p.now
	p.queue.Push(p.now, where, task)

	// Of those that are too many one stays for all.
	for i, merged := range p.queue.Overflow(p.now, receiver, task.Target) {
		if i == 0 {
			p.queue.Push(p.now, where, merged)
		} else {
			p.ended[merged.ID]++
		}
	}
}

func (p *play) edit() {
	const target = "slack/ops"

	receiver := p.receiver()

	switch p.random.IntN(20) {
	case 0:
		p.queue.Wake(p.now, receiver, target)
	case 1, 2:
		p.queue.Describe(p.now, receiver, target, p.where(receiver, true))
	case 3:
		for _, dropped := range p.queue.Drop(p.now, receiver, target) {
			p.ended[dropped.ID]++
		}
	}
}

func (p *play) step() {
	if p.random.IntN(2) == 0 {
		p.finish()
	}

	task, at := p.queue.Next(p.now)
	if task != nil {
		p.begin(task)

		return
	}

	if len(p.underway) > 0 {
		p.finish()
	} else if !at.IsZero() {
		p.now = at
	}
}

func (p *play) begin(task *Task) {
	p.underway[task.ID], p.with[task.ID] = task, p.of[task.Receiver]
	together := 0

	for id, other := range p.underway {
		if other.Receiver == task.Receiver && id != task.ID {
			p.t.Fatalf("tasks %d and %d of one target are under way", id, task.ID)
		}

		if p.with[id] == p.with[task.ID] {
			together++
		}
	}

	// A credential that nobody has any more is forgotten with what is under way; it may come back meanwhile.
	if most := abreast + receivers*p.changed(task); together > most {
		p.t.Fatalf("%d messages of one credential are under way", together)
	}
}

// changed is 1 if something under way was begun with another credential than its receiver has now.
func (p *play) changed(*Task) int {
	for id, one := range p.underway {
		if p.with[id] != p.of[one.Receiver] {
			return 1
		}
	}

	return 0
}

func (p *play) finish() {
	if len(p.underway) == 0 {
		return
	}

	id := slices.Min(slices.Collect(maps.Keys(p.underway)))
	task := p.underway[id]
	delete(p.underway, id)
	delete(p.with, id)

	if p.queue.Done(p.now, id, &Attempt{Sent: 1, Err: p.answer(task)}) != Again {
		p.ended[id]++
	}
}

// answer is a provider's: the first target never fails.
func (p *play) answer(task *Task) *channel.Error {
	if task.Receiver == "r0" || p.random.IntN(3) == 0 {
		return nil
	}

	classes := []channel.Class{channel.Transient, channel.RateLimited, channel.Denied, channel.Permanent}

	return failure(classes[p.random.IntN(len(classes))], time.Duration(p.random.IntN(5))*time.Second)
}

// TestBadAddressesStarveNobody has two targets fail whatever is tried: the others of the credential are told.
func TestBadAddressesStarveNobody(t *testing.T) {
	t.Parallel()

	random := rand.New(rand.NewPCG(7, 1)) //nolint:gosec // to be drawn again
	q := NewQueue(DefaultLimits(), random.Float64)
	now, told := start(), 0

	q.Push(now, &Where{Credential: "a"}, newTask(0, "bad-0"))
	q.Push(now, &Where{Credential: "a"}, newTask(1, "bad-1"))

	for id := uint64(2); now.Before(start().Add(time.Hour)); id++ {
		if id < 40 {
			q.Push(now, &Where{Credential: "a"}, newTask(id, "good-"+strconv.FormatUint(id, 10)))
		}

		task, at := q.Next(now)

		switch {
		case task == nil && (at.IsZero() || at.After(now.Add(10*time.Second))):
			now = now.Add(10 * time.Second)
		case task == nil:
			now = at
		case strings.HasPrefix(task.Receiver, "bad"):
			q.Done(now, task.ID, &Attempt{Err: failure(channel.Transient, 0)})
		default:
			q.Done(now, task.ID, &Attempt{Sent: 1})

			told++
		}
	}

	if told != 38 {
		t.Errorf("%d of 38 are told", told)
	}
}

// TestSharedRateOutlivesItsLines has one target after the other, never two at a time.
func TestSharedRateOutlivesItsLines(t *testing.T) {
	t.Parallel()

	where := Where{Credential: "a", Shared: Rate{Messages: 2, Per: time.Minute}}
	q := NewQueue(DefaultLimits(), middle)

	for id := range uint64(2) {
		q.Push(start(), &where, newTask(id, "r"+strconv.FormatUint(id, 10)))
		next(t, q, start(), id)
		q.Done(start(), id, &Attempt{Sent: 1})
	}

	q.Push(start(), &where, newTask(2, "r2"))
	none(t, q, start(), time.Minute)
}

// TestSharedRateCountsWhatIsUnderWay has several targets begin at once.
func TestSharedRateCountsWhatIsUnderWay(t *testing.T) {
	t.Parallel()

	where := Where{Credential: "a", Shared: Rate{Messages: 2, Per: time.Minute}}
	q := NewQueue(DefaultLimits(), middle)

	for id := range uint64(3) {
		q.Push(start(), &where, newTask(id, "r"+strconv.FormatUint(id, 10)))
	}

	next(t, q, start(), 0)
	next(t, q, start(), 1)
	none(t, q, start(), time.Minute)
}

// TestHeld has a receiver that does not want to hear yet: mending something else does not change that, and what was
// held for long is as fresh as anything.
func TestHeld(t *testing.T) {
	t.Parallel()

	q := NewQueue(DefaultLimits(), middle)
	task := newTask(1, "r")
	task.Held = start().Add(63 * time.Hour)
	q.Push(start(), &Where{}, task)
	q.Wake(start(), "r", "slack/ops")
	none(t, q, start(), 63*time.Hour)
	next(t, q, start().Add(63*time.Hour), 1)

	if got := q.Done(start().Add(63*time.Hour), 1, &Attempt{Err: failure(channel.Transient, 0)}); got != Again {
		t.Errorf("verdict %d", got)
	}
}

// TestOverflowOfOne has a target with a limit of its own.
func TestOverflowOfOne(t *testing.T) {
	t.Parallel()

	limits := DefaultLimits()
	limits.Pending = 1
	q := NewQueue(DefaultLimits(), middle)

	for id := range uint64(3) {
		q.Push(start(), &Where{Limits: &limits}, newTask(id, "r"))
	}

	if merged := q.Overflow(start(), "r", "slack/ops"); len(merged) != 3 {
		t.Errorf("%d are merged", len(merged))
	}
}

func TestTaskIsKept(t *testing.T) {
	t.Parallel()

	want := newTask(7, "r")
	want.Group, want.NotBefore, want.Digest = map[string]string{"a": "b"}, start(), 3
	want.Reason, want.Message = "Unavailable", strings.Repeat("x", 10)

	got, err := ReadTask(want.Row(store.Tasks).Value)
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	if _, err := ReadTask([]byte("{")); err == nil {
		t.Error("half a task is read")
	}
}
