package selector

import (
	"iter"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
)

// maxIndexed is up to how many values an equality is worth a place in the index for each.
const maxIndexed = 64

// Index keeps values by selectors, and finds those whose selector means some labels. A selector that asks for a
// label with one of some values is only looked at for labels that have one; of several such requirements the index
// takes the one that is shared with the fewest others. So the cost of a search does not grow with the number of
// selectors, unless they ask for the same or for no equality at all.
//
// The zero value is empty. Any number of goroutines may search while none changes it.
type Index[V any] struct {
	places map[string]map[string][]*Entry[V]
	// rest are selectors without an equality: each is looked at in every search.
	rest []*Entry[V]
	size int
}

// Entry is the place of one value in an Index.
type Entry[V any] struct {
	value V
	// place is the equality that leads here; without values it is the rest.
	place Equality
	// selector is what else is asked for.
	selector Selector
}

// Put adds a value, and gives its place for Remove.
func (x *Index[V]) Put(value V, selector Selector) *Entry[V] {
	place, others := x.choose(selector)
	entry := &Entry[V]{value: value, place: place, selector: others}
	x.size++

	if len(entry.place.Values) == 0 {
		x.rest = append(x.rest, entry)

		return entry
	}

	if x.places == nil {
		x.places = make(map[string]map[string][]*Entry[V], 1)
	}

	byValue := x.places[entry.place.Name]
	if byValue == nil {
		byValue = make(map[string][]*Entry[V], len(entry.place.Values))
		x.places[entry.place.Name] = byValue
	}

	for _, text := range entry.place.Values {
		byValue[text] = append(byValue[text], entry)
	}

	return entry
}

// choose gives the equality that the fewest others share, and the selector without it.
func (x *Index[V]) choose(selector Selector) (Equality, Selector) {
	var best Equality

	least, chosen := 0, -1

	for i := range selector.requirements {
		one := &selector.requirements[i]
		if one.operator != in || len(one.values) > maxIndexed {
			continue
		}

		equality := Equality{Name: one.name, Values: one.values}

		// The number of values breaks ties: each costs a place.
		load := x.load(equality)*maxIndexed + len(equality.Values)
		if chosen < 0 || load < least {
			best, least, chosen = equality, load, i
		}
	}

	return best, selector.without(chosen)
}

// load is how many others stand where an equality would put one more.
func (x *Index[V]) load(equality Equality) int {
	most := 0

	for _, text := range equality.Values {
		most = max(most, len(x.places[equality.Name][text]))
	}

	return most
}

// Remove takes a value out. An entry is removed once, from the index it was put in.
func (x *Index[V]) Remove(entry *Entry[V]) {
	x.size--

	if len(entry.place.Values) == 0 {
		x.rest = without(x.rest, entry)

		return
	}

	byValue := x.places[entry.place.Name]

	for _, text := range entry.place.Values {
		left := without(byValue[text], entry)
		byValue[text] = left

		if len(left) == 0 {
			delete(byValue, text)
		}
	}

	if len(byValue) == 0 {
		delete(x.places, entry.place.Name)
	}
}

// without takes an entry out of a list; the order of the others may change.
func without[V any](list []*Entry[V], entry *Entry[V]) []*Entry[V] {
	at := slices.Index(list, entry)
	if at < 0 {
		return list
	}

	last := len(list) - 1
	list[at], list[last] = list[last], nil

	return list[:last]
}

// Len is how many values there are.
func (x *Index[V]) Len() int {
	return x.size
}

// Each gives every value whose selector means the labels, once, in no order. The labels have each name once.
func (x *Index[V]) Each(set labels.Labels, visit func(value V)) {
	visitMatching(x.rest, set, visit)

	if len(x.places) == 0 {
		return
	}

	set.Range(func(label labels.Label) {
		if byValue, present := x.places[label.Name]; present {
			visitMatching(byValue[label.Value], set, visit)
		}
	})
}

func visitMatching[V any](list []*Entry[V], set labels.Labels, visit func(value V)) {
	for _, entry := range list {
		if entry.selector.Matches(set) {
			visit(entry.value)
		}
	}
}

// All gives every value once, in no order.
func (x *Index[V]) All() iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, entry := range x.rest {
			if !yield(entry.value) {
				return
			}
		}

		for _, byValue := range x.places {
			for text, list := range byValue {
				if !yieldFirst(list, text, yield) {
					return
				}
			}
		}
	}
}

// yieldFirst gives the values of a list, other than those that another value of their equality leads to first.
func yieldFirst[V any](list []*Entry[V], text string, yield func(V) bool) bool {
	for _, entry := range list {
		if entry.place.Values[0] == text && !yield(entry.value) {
			return false
		}
	}

	return true
}
