package guard

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// hotTime is how long an object counts as hot after it was throttled.
	hotTime = time.Minute

	// maxTroubles is how many objects of a kind of trouble are named.
	maxTroubles = 5
)

// The kinds of Trouble.
const (
	// Panicking is an object whose last run panicked.
	Panicking = "Panicking"
	// Hanging is an object with an abandoned run that has not ended.
	Hanging = "Hanging"
	// HotLoop is an object that was throttled in the last minute.
	HotLoop = "HotLoop"
)

// Trouble is an object that needs somebody to look at it.
type Trouble struct {
	// Kind is Panicking, Hanging or HotLoop.
	Kind string `json:"kind"`
	// Object is namespace/name, or the name alone.
	Object string `json:"object"`
	// Message says what was seen. It stays the same for as long as the trouble lasts.
	Message string `json:"message"`
	// Since is when it began: the last panic, the start of the run that hangs, the
	// first request that was put off.
	Since time.Time `json:"since"`
	// PutOff is how many requests could not be run for it.
	PutOff int `json:"putOff,omitempty"`
}

// sighting is an object in trouble. Only the few that are named get a sentence.
type sighting struct {
	object types.NamespacedName
	at     time.Time // When it was last seen.
	since  time.Time
	times  int
	text   string
}

// Troubles names the objects in trouble, the latest few of each kind, sorted by
// kind and name.
func (h *History) Troubles(now time.Time) []Trouble {
	var troubles []Trouble

	for kind, seen := range h.sightings(now) {
		for _, one := range latest(seen) {
			troubles = append(troubles, Trouble{
				Kind: kind, Object: strings.TrimPrefix(one.object.String(), "/"), Message: one.message(kind),
				Since: one.since, PutOff: one.times,
			})
		}
	}

	slices.SortFunc(troubles, func(a, b Trouble) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Object, b.Object))
	})

	return troubles
}

func (s sighting) message(kind string) string {
	switch kind {
	case Hanging:
		return "a run ignores the end of its context"
	case HotLoop:
		return "asks for more runs than it may have"
	default:
		return s.text
	}
}

// latest returns the few that were seen last.
func latest(seen []sighting) []sighting {
	slices.SortFunc(seen, func(a, b sighting) int {
		return cmp.Or(b.at.Compare(a.at), cmp.Compare(a.object.String(), b.object.String()))
	})

	return seen[:min(len(seen), maxTroubles)]
}

// sightings returns all objects in trouble, a list per kind.
func (h *History) sightings(now time.Time) map[string][]sighting {
	h.mu.Lock()
	defer h.mu.Unlock()

	return map[string][]sighting{Panicking: h.panicking(now), Hanging: h.hanging(), HotLoop: h.looping(now)}
}

func (h *History) panicking(now time.Time) []sighting {
	var seen []sighting

	for object, held := range h.quarantine.recent.all(now) {
		seen = append(seen, sighting{object: object, at: held.since, since: held.since, text: held.text})
	}

	return seen
}

func (h *History) hanging() []sighting {
	var seen []sighting

	for object, late := range h.running {
		if late.abandoned.IsZero() {
			continue
		}

		seen = append(seen, sighting{object: object, at: late.abandoned, since: late.started, times: late.putOff})
	}

	return seen
}

func (h *History) looping(now time.Time) []sighting {
	var seen []sighting

	for object, noted := range h.hot.all(now) {
		if now.Sub(noted.last) > hotTime {
			continue
		}

		seen = append(seen, sighting{object: object, at: noted.last, since: noted.first, times: noted.times})
	}

	return seen
}
