package delivery

import (
	"container/heap"
	"time"
)

// nowhere is the place of a line that is not among those that are ready.
const nowhere = -1

// lineHeap holds the lines by when they are looked at next.
type lineHeap []*line

func (h *lineHeap) set(of *line, at time.Time) {
	of.at = at

	if of.place == nowhere {
		heap.Push(h, of)
	} else {
		heap.Fix(h, of.place)
	}
}

func (h *lineHeap) remove(of *line) {
	if of.place != nowhere {
		heap.Remove(h, of.place)
	}
}

// Len, Less, Swap, Push and Pop are what container/heap asks for.
func (h *lineHeap) Len() int { return len(*h) }

func (h *lineHeap) Less(i, j int) bool {
	one, other := (*h)[i], (*h)[j]
	if !one.at.Equal(other.at) {
		return one.at.Before(other.at)
	}

	// What has failed goes after what has not: a credential that is tried with one message at a time would have that of
	// the same bad address each time.
	if one.tried != other.tried {
		return one.tried < other.tried
	}

	return one.first < other.first
}

func (h *lineHeap) Swap(i, j int) {
	lines := *h
	lines[i], lines[j] = lines[j], lines[i]
	lines[i].place, lines[j].place = i, j
}

func (h *lineHeap) Push(added any) {
	of, _ := added.(*line)
	of.place = len(*h)
	*h = append(*h, of)
}

func (h *lineHeap) Pop() any {
	last := len(*h) - 1
	of := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	of.place = nowhere

	return of
}

// taskHeap holds the tasks that wait by when they may be tried again.
type taskHeap []*Task

// Len, Less, Swap, Push and Pop are what container/heap asks for.
func (h *taskHeap) Len() int { return len(*h) }

func (h *taskHeap) Less(i, j int) bool {
	one, other := (*h)[i], (*h)[j]
	if !one.NotBefore.Equal(other.NotBefore) {
		return one.NotBefore.Before(other.NotBefore)
	}

	return one.ID < other.ID
}

func (h *taskHeap) Swap(i, j int) { (*h)[i], (*h)[j] = (*h)[j], (*h)[i] }

func (h *taskHeap) Push(added any) {
	task, _ := added.(*Task)
	*h = append(*h, task)
}

func (h *taskHeap) Pop() any {
	last := len(*h) - 1
	task := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]

	return task
}
