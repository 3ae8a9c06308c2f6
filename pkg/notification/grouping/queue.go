package grouping

import (
	"container/heap"
	"time"
)

// nowhere is the place of a group that waits for nothing.
const nowhere = -1

// queue holds the groups by when they are due: one timer for all of them, however many there are.
type queue []*Group

// set makes a group due at a time, which may be another than before.
func (q *queue) set(group *Group, due time.Time) {
	group.due = due

	if group.place == nowhere {
		heap.Push(q, group)
	} else {
		heap.Fix(q, group.place)
	}
}

func (q *queue) remove(group *Group) {
	if group.place != nowhere {
		heap.Remove(q, group.place)
	}
}

// Len, Less, Swap, Push and Pop are what container/heap asks for.
func (q *queue) Len() int { return len(*q) }

func (q *queue) Less(i, j int) bool { return (*q)[i].due.Before((*q)[j].due) }

func (q *queue) Swap(i, j int) {
	groups := *q
	groups[i], groups[j] = groups[j], groups[i]
	groups[i].place, groups[j].place = i, j
}

func (q *queue) Push(group any) {
	added, _ := group.(*Group)
	added.place = len(*q)
	*q = append(*q, added)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	group := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	group.place = nowhere

	return group
}
