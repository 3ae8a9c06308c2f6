package delivery

import (
	"container/heap"
	"slices"
	"time"
)

// Where says what the line a task stands in shares with others, and how fast it may go.
type Where struct {
	// Credential is what the provider knows the sender by; targets with the same one share limits.
	Credential string
	// Rate limits the target, and Shared all targets of the credential.
	Rate, Shared Rate
	// Limits are the target's own; nil for those of all.
	Limits *Limits
}

// Queue is all tasks that are not done.
type Queue struct {
	limits      Limits
	random      func() float64
	lines       map[string]*line
	credentials map[string]*credential
	ready       lineHeap
	tasks       map[uint64]*Task
	tries       uint64 // failures so far
}

// line is the tasks of one target. Those that wait for a time of their own stand apart, by that time.
type line struct {
	key        string
	where      Where
	credential *credential
	runnable   []*Task
	waiting    taskHeap
	busy       *Task
	busyWith   *credential // what the task under way is sent with: an edit may change the line's meanwhile
	parked     bool        // among those that wait for a place of the credential
	window     window
	failures   int
	notBefore  time.Time

	at    time.Time // when it is looked at next
	tried uint64    // when it has failed last, in failures of the queue
	first uint64    // the task that has waited longest
	place int
}

// credential is what several lines share.
type credential struct {
	window    window
	underway  int
	failures  int
	notBefore time.Time
	probe     *line   // the one whose message finds out whether the provider is back
	parked    []*line // lines whose turn it was while too much was under way
	lines     int
}

// NewQueue makes an empty queue; random draws numbers from 0 up to 1.
func NewQueue(limits Limits, random func() float64) *Queue {
	return &Queue{
		limits: limits, random: random,
		lines: map[string]*line{}, credentials: map[string]*credential{}, tasks: map[uint64]*Task{},
	}
}

// SetLimits changes the limits for what comes.
func (q *Queue) SetLimits(limits Limits) { q.limits = limits }

// Len is the number of tasks that are not done.
func (q *Queue) Len() int { return len(q.tasks) }

// Task gives a task that is not done, nil if there is none of the number.
func (q *Queue) Task(id uint64) *Task { return q.tasks[id] }

// Waiting is how many tasks of a target are not under way.
func (q *Queue) Waiting(receiver, target string) int {
	line := q.lines[lineKey(receiver, target)]
	if line == nil {
		return 0
	}

	return len(line.runnable) + len(line.waiting)
}

// Push puts a task into a line.
func (q *Queue) Push(now time.Time, where *Where, task *Task) {
	q.tasks[task.ID] = task
	task.NotBefore = later(task.NotBefore, task.Held)

	line := q.line(lineKey(task.Receiver, task.Target), where)
	if task.NotBefore.After(now) {
		heap.Push(&line.waiting, task)
	} else {
		line.runnable = append(line.runnable, task)
	}

	q.consider(now, line)
}

// lineKey is the identity of the line of a target.
func lineKey(receiver, target string) string { return receiver + "/" + target }

// line is the line of a target, as it is described now.
func (q *Queue) line(key string, where *Where) *line {
	found := q.lines[key]
	if found == nil {
		found = &line{key: key, place: nowhere}
		q.lines[key] = found
	}

	if found.credential == nil || found.where.Credential != where.Credential {
		q.lend(found, where.Credential)
	}

	found.where = *where
	found.window.set(where.Rate)
	found.credential.window.set(where.Shared)

	return found
}

// lend moves a line to a credential.
func (q *Queue) lend(of *line, key string) {
	q.give(of)

	shared := q.credentials[key]
	if shared == nil {
		shared = &credential{}
		q.credentials[key] = shared
	}

	shared.lines++
	of.credential = shared
}

// give takes a line off its credential, which is forgotten with its last line.
func (q *Queue) give(of *line) {
	if of.credential == nil {
		return
	}

	if of.parked {
		of.parked = false
		of.credential.parked = slices.DeleteFunc(of.credential.parked, func(one *line) bool { return one == of })
	}

	of.credential.lines--

	if of.credential.lines == 0 {
		delete(q.credentials, of.where.Credential)
	}
}

// consider puts a line among those that are ready, at the time its first task may go.
func (q *Queue) consider(now time.Time, of *line) {
	if of.busy != nil {
		return
	}

	of.wake(now)

	switch {
	case len(of.runnable) > 0:
		of.first = of.runnable[0].ID
		q.ready.set(of, of.readyAt(now))
	case len(of.waiting) > 0:
		of.first = of.waiting[0].ID
		q.ready.set(of, later(of.waiting[0].NotBefore, of.readyAt(now)))
	default:
		q.rest(now, of)
	}
}

// wake moves the tasks whose time has come to those that may run.
func (l *line) wake(now time.Time) {
	for len(l.waiting) > 0 && !l.waiting[0].NotBefore.After(now) {
		task, _ := heap.Pop(&l.waiting).(*Task)
		l.runnable = append(l.runnable, task)
	}
}

// readyAt is when the line may send, as far as is known.
func (l *line) readyAt(now time.Time) time.Time {
	at := later(l.notBefore, l.credential.notBefore)
	at = later(at, l.window.ready(now))

	return later(at, l.credential.window.ready(now))
}

// rest keeps a line with nothing in it for as long as what it knows of failures and of rates matters: its own, and
// those of its credential, which is forgotten with its last line.
func (q *Queue) rest(now time.Time, of *line) {
	matters := later(of.notBefore, of.window.clear(now))

	if shared := of.credential; shared.lines == 1 {
		matters = later(matters, later(shared.notBefore, shared.window.clear(now)))
	}

	if matters.After(now) {
		q.ready.set(of, matters)

		return
	}

	q.ready.remove(of)
	delete(q.lines, of.key)
	q.give(of)
	of.credential = nil
}

// Next gives the task whose turn it is, which counts as under way until Done. If there is none it gives when to ask
// again; zero is not before something changes.
func (q *Queue) Next(now time.Time) (*Task, time.Time) {
	for len(q.ready) > 0 {
		first := q.ready[0]
		if first.at.After(now) {
			return nil, first.at
		}

		q.ready.remove(first)

		if task := q.start(now, first); task != nil {
			return task, time.Time{}
		}
	}

	return nil, time.Time{}
}

// start takes the first task of a line, if nothing has come between.
func (q *Queue) start(now time.Time, of *line) *Task {
	of.wake(now)

	if len(of.runnable) == 0 || of.readyAt(now).After(now) {
		q.consider(now, of)

		return nil
	}

	if shared := of.credential; shared.underway >= max(q.limits.Abreast, 1) || shared.probe != nil {
		of.park()

		return nil
	}

	return q.begin(now, of)
}

// park has a line wait for a place of its credential.
func (l *line) park() {
	if !l.parked {
		l.parked = true
		l.credential.parked = append(l.credential.parked, l)
	}
}

// begin takes the first task of a line. Its first message counts from now on, or many lines would begin at once what
// the rate allows one of.
func (q *Queue) begin(now time.Time, of *line) *Task {
	task := of.runnable[0]
	of.runnable[0] = nil
	of.runnable = of.runnable[1:]
	of.busy, of.busyWith = task, of.credential
	of.window.take(now, 1)
	of.credential.window.take(now, 1)
	of.credential.underway++

	if q.broken(of.credential) {
		of.credential.probe = of
	}

	return task
}

// limitsOf are the limits that hold for a line.
func (q *Queue) limitsOf(of *line) *Limits {
	if of.where.Limits != nil {
		return of.where.Limits
	}

	return &q.limits
}

// broken tells whether the circuit breaker of a credential is open: one message at a time probes then.
func (q *Queue) broken(shared *credential) bool {
	return q.limits.Failures > 0 && shared.failures >= q.limits.Failures
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}

	return b
}
