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
	next(t, q, start().Add(30*time.Second), 1)
	next(t, q, start().Add(30*time.Second), 2)
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

// TestNothingIsLost plays random providers: each task ends exactly once, no target has two messages under way, no
// credential more than it may, and the tasks of a target that never fails keep their order.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()

	for seed := range uint64(40) {
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
	ended    map[uint64]int
	last     map[string]uint64
}

const plays, targets = 300, 7

func newPlay(t *testing.T, random *rand.Rand) *play {
	t.Helper()

	return &play{
		t: t, random: random, queue: NewQueue(DefaultLimits(), random.Float64), now: start(),
		underway: map[uint64]*Task{}, ended: map[uint64]int{}, last: map[string]uint64{},
	}
}

func (p *play) run() {
	for id := range uint64(plays) {
		p.push(id)
		p.step()
	}

	for rounds := 0; p.queue.Len() > 0; rounds++ {
		if rounds > 100*plays {
			p.t.Fatalf("%d tasks never end", p.queue.Len())
		}

		p.step()
	}

	for id := range uint64(plays) {
		if p.ended[id] != 1 {
			p.t.Errorf("task %d ended %d times", id, p.ended[id])
		}
	}
}

func (p *play) push(id uint64) {
	number := p.random.IntN(targets)
	where := Where{
		Credential: fmt.Sprint("c", number/2),
		Rate:       Rate{Messages: number, Per: time.Second},
	}
	task := newTask(id, fmt.Sprint("r", number))
	task.Created = p.now
	p.queue.Push(p.now, &where, task)
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
	credential := func(one *Task) string { return "c" + strconv.Itoa(int(one.Receiver[1]-'0')/2) }
	abreast := 1

	for _, other := range p.underway {
		if other.Receiver == task.Receiver {
			p.t.Fatalf("tasks %d and %d of one target are under way", other.ID, task.ID)
		}

		if credential(other) == credential(task) {
			abreast++
		}
	}

	if abreast > DefaultLimits().Abreast {
		p.t.Fatalf("%d messages of one credential are under way", abreast)
	}

	p.underway[task.ID] = task
}

func (p *play) finish() {
	if len(p.underway) == 0 {
		return
	}

	id := slices.Min(slices.Collect(maps.Keys(p.underway)))
	task := p.underway[id]
	delete(p.underway, id)

	attempt := &Attempt{Sent: 1, Err: p.answer(task)}
	if p.queue.Done(p.now, id, attempt) != Again {
		p.ended[id]++
		p.order(task)
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

func (p *play) order(task *Task) {
	if task.Receiver == "r0" && task.ID < p.last["r0"] {
		p.t.Errorf("task %d ends after %d", task.ID, p.last["r0"])
	}

	p.last[task.Receiver] = task.ID
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
