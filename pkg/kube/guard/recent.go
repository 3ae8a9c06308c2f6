package guard

import (
	"iter"
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// recent keeps what is noted about objects for at least one period after the
// last note, and for less than three. It holds two generations and drops the
// older one as a whole, so it needs no timer and no search: what is too old goes
// when it is next used.
type recent[V any] struct {
	period            time.Duration
	since             time.Time // When current began.
	current, previous map[types.NamespacedName]V
}

func newRecent[V any](period time.Duration) recent[V] {
	return recent[V]{period: period, current: map[types.NamespacedName]V{}}
}

// turn begins a new generation when it is time.
func (r *recent[V]) turn(now time.Time) {
	age := now.Sub(r.since)
	if age < r.period {
		return
	}

	r.previous = r.current
	if age >= 2*r.period {
		r.previous = nil
	}

	r.current = map[types.NamespacedName]V{}
	r.since = now
}

func (r *recent[V]) get(object types.NamespacedName, now time.Time) (V, bool) {
	r.turn(now)

	if value, found := r.current[object]; found {
		return value, true
	}

	value, found := r.previous[object]

	return value, found
}

func (r *recent[V]) put(object types.NamespacedName, value V, now time.Time) {
	r.turn(now)

	r.current[object] = value
	delete(r.previous, object)
}

func (r *recent[V]) drop(object types.NamespacedName) {
	delete(r.current, object)
	delete(r.previous, object)
}

// all goes through everything, in no order.
func (r *recent[V]) all(now time.Time) iter.Seq2[types.NamespacedName, V] {
	r.turn(now)

	return func(yield func(types.NamespacedName, V) bool) {
		for _, generation := range []map[types.NamespacedName]V{r.current, r.previous} {
			for object, value := range maps.All(generation) {
				if !yield(object, value) {
					return
				}
			}
		}
	}
}

func (r *recent[V]) size() int { return len(r.current) + len(r.previous) }
