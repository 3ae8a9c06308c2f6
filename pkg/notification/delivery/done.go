package delivery

import (
	"container/heap"
	"slices"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
)

// Verdict is what becomes of a task that was tried.
type Verdict uint8

const (
	// Delivered is a task that is done.
	Delivered Verdict = iota
	// Again is one that is tried again.
	Again
	// Dead is one that is given up.
	Dead
)

// Reasons beside those of a channel's errors.
const (
	// ReasonExpired is a task that failed for as long as it may.
	ReasonExpired = "Expired"
	// ReasonGone is a task whose receiver or target is there no more.
	ReasonGone = "TargetGone"
)

// Attempt is what trying a task came to.
type Attempt struct {
	// Parts of Of messages have arrived; those of earlier attempts count.
	Parts, Of int
	// Sent is how many messages went out this time.
	Sent int
	// Err is why the next message did not; nil if all arrived.
	Err *channel.Error
}

// Done takes what became of a task under way.
func (q *Queue) Done(now time.Time, id uint64, attempt *Attempt) Verdict {
	task := q.tasks[id]
	if task == nil {
		return Dead
	}

	of := q.lines[lineKey(task.Receiver, task.Target)]
	task.Attempts++
	task.Parts, task.Parted = attempt.Parts, attempt.Of

	with := of.busyWith
	of.busy, of.busyWith = nil, nil
	of.window.take(now, attempt.Sent-1) // the first has counted
	with.window.take(now, attempt.Sent-1)

	verdict := q.judge(now, of, with, task, attempt.Err)
	if verdict != Again {
		delete(q.tasks, id)
	}

	q.release(now, of, with)

	return verdict
}

// judge decides what becomes of a task, its line and the credential it was sent with.
func (q *Queue) judge(now time.Time, of *line, shared *credential, task *Task, err *channel.Error) Verdict {
	if err == nil || err.Class == channel.Permanent {
		// A provider that refuses a message answers: nothing is wrong with the way to it.
		of.failures, of.notBefore = 0, time.Time{}
		shared.failures, shared.notBefore = 0, time.Time{}
	}

	if err == nil {
		return Delivered
	}

	task.Reason, task.Code, task.Message = err.Class.String(), err.Code, short(err.Err)

	if err.Class == channel.Permanent {
		return Dead
	}

	q.putOff(now, of, shared, task, err)

	if now.Sub(later(task.Created, task.Held)) >= q.limitsOf(of).MaxAge {
		task.Reason = ReasonExpired

		return Dead
	}

	heap.Push(&of.waiting, task)

	return Again
}

// putOff sets when the task, its line and its credential may try again.
func (q *Queue) putOff(now time.Time, of *line, shared *credential, task *Task, err *channel.Error) {
	limits := q.limitsOf(of)
	q.tries++
	of.tried = q.tries

	if err.Class == channel.RateLimited {
		// The provider lives, and has said what it wants of whom it knows.
		wait := max(err.RetryAfter, limits.backoff(task.Attempts, q.random))
		shared.notBefore = later(shared.notBefore, now.Add(wait))
		task.NotBefore = now.Add(wait)

		return
	}

	of.failures++
	shared.failures++

	wait := max(limits.backoff(of.failures, q.random), err.RetryAfter)
	of.notBefore = now.Add(wait)
	task.NotBefore = now.Add(max(limits.backoff(task.Attempts, q.random), err.RetryAfter))

	if q.broken(shared) {
		shared.notBefore = now.Add(q.limits.backoff(shared.failures-q.limits.Failures+1, q.random))
	}
}

// release lets the lines that waited for a place go on.
func (q *Queue) release(now time.Time, of *line, shared *credential) {
	shared.underway--

	if shared.probe == of {
		shared.probe = nil
	}

	parked := shared.parked
	shared.parked = nil

	for _, line := range parked {
		line.parked = false
		q.consider(now, line)
	}

	q.consider(now, of)
}

// Describe says anew what a target shares with others and how fast it may go, if anything waits for it.
func (q *Queue) Describe(now time.Time, receiver, target string, where *Where) {
	key := lineKey(receiver, target)
	if q.lines[key] != nil {
		q.consider(now, q.line(key, where))
	}
}

// Wake makes the tasks of a target due now, for what was wrong with it may have been mended. Those that are held are
// not: the receiver does not want to hear of them yet.
func (q *Queue) Wake(now time.Time, receiver, target string) {
	line := q.lines[lineKey(receiver, target)]
	if line == nil {
		return
	}

	line.failures, line.notBefore = 0, time.Time{}
	line.credential.failures, line.credential.notBefore = 0, time.Time{}

	for _, task := range line.waiting {
		task.NotBefore = later(now, task.Held)
	}

	heap.Init(&line.waiting)
	q.consider(now, line)
}

// Drop takes the tasks of a target that are not under way out, oldest first. What became of them is for the caller to
// say.
func (q *Queue) Drop(now time.Time, receiver, target string) []*Task {
	line := q.lines[lineKey(receiver, target)]
	if line == nil {
		return nil
	}

	dropped := q.empty(now, line)
	slices.SortFunc(dropped, byID)

	return dropped
}

// empty takes all tasks out of a line but the one under way.
func (q *Queue) empty(now time.Time, of *line) []*Task {
	tasks := slices.Concat(of.runnable, of.waiting)
	of.runnable, of.waiting = nil, nil

	for _, task := range tasks {
		delete(q.tasks, task.ID)
	}

	q.consider(now, of)

	return tasks
}

func byID(a, b *Task) int {
	if a.ID < b.ID {
		return -1
	}

	return 1
}

// Overflow takes the tasks of a target out, oldest first, if more wait for it than may: they are to be made one task.
// Those that have arrived in part stay.
func (q *Queue) Overflow(now time.Time, receiver, target string) []*Task {
	of := q.lines[lineKey(receiver, target)]
	if of == nil {
		return nil
	}

	most := q.limitsOf(of).Pending
	if most <= 0 || len(of.runnable)+len(of.waiting) <= most {
		return nil
	}

	where := of.where
	tasks := q.empty(now, of)
	slices.SortFunc(tasks, byID)

	return slices.DeleteFunc(tasks, func(task *Task) bool {
		begun := task.Parts > 0
		if begun {
			q.Push(now, &where, task)
		}

		return begun
	})
}

// short is the beginning of what an error says.
func short(err error) string {
	const limit = 512

	text := []rune(err.Error())
	if len(text) > limit {
		return string(text[:limit]) + "..."
	}

	return string(text)
}
