package message

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Limit is how long one message may be.
type Limit struct {
	// Max is the largest length that is taken; zero is without limit.
	Max int
	// Measure counts; without one bytes are counted.
	Measure Measure
	// Whole forbids to cut a text that was rendered, which would break JSON or HTML: an alert that is too long even
	// with its values shortened is an error then.
	Whole bool
}

// Part is one message of a notification.
type Part struct {
	// Data are the alerts of the part.
	Data *Data
	// Text is what was rendered of them.
	Text string
	// Truncated is whether something was left out of an alert to make it fit.
	Truncated bool
}

// ErrTooLong is in the error of an alert that cannot be made to fit.
var ErrTooLong = errors.New("the alert is longer than a message may be")

// Split makes messages of a notification, each within a limit. Every alert is in exactly one of them, in the order
// it was given in; an alert too long for one message has its values shortened, and at last its text cut. The parts
// are the same for the same data.
//
// It renders each alert about once: how many fit is guessed from how long they came out before, and a guess that
// was wrong costs at most a few renderings of what fits. A notification without alerts has no parts.
func Split(data *Data, limit Limit, render func(*Data) (string, error)) ([]Part, error) {
	if limit.Measure == nil {
		limit.Measure = Bytes
	}

	s := splitter{data: data, limit: limit, render: render, weights: make([]int, len(data.Alerts))}

	for i, one := range data.Alerts {
		s.weights[i] = roomOfAlert(one)
	}

	for s.next < len(data.Alerts) {
		part, err := s.part()
		if err != nil {
			return nil, err
		}

		s.parts = append(s.parts, part)
		s.next += len(part.Data.Alerts)
	}

	return s.parts, nil
}

// splitter is a notification of which some parts are made.
type splitter struct {
	data    *Data
	limit   Limit
	render  func(*Data) (string, error)
	weights []int
	parts   []Part
	next    int

	// lengths and weighed are the length of what was rendered last, and the weight it had: how long a message gets.
	lengths int
	weighed int
}

// part makes the next part: as many alerts as are guessed to fit, fewer as long as they do not.
func (s *splitter) part() (Part, error) {
	count := s.guess()

	for {
		data := s.data.With(s.data.Alerts[s.next : s.next+count])

		text, err := s.render(data)
		if err != nil {
			return Part{}, err
		}

		length := s.limit.Measure(text)
		s.lengths, s.weighed = max(length, 1), s.weight(count)

		switch {
		case s.limit.Max <= 0 || length <= s.limit.Max:
			return Part{Data: data, Text: text}, nil
		case count == 1:
			return s.shorten(data, text)
		}

		count = s.fewer(count)
	}
}

func (s *splitter) weight(count int) int {
	sum := 0
	for _, weight := range s.weights[s.next : s.next+count] {
		sum += weight
	}

	return max(sum, 1)
}

// guess is how many alerts may fit. The first part tries all of them: most notifications are short. A later part
// is at most twice as long as the one before, so that wrong guesses cost no more than right ones made.
func (s *splitter) guess() int {
	rest := len(s.weights) - s.next
	if s.limit.Max <= 0 {
		return rest
	}

	if len(s.parts) == 0 {
		return s.firstGuess(rest)
	}

	const growth = 2

	most := growth * len(s.parts[len(s.parts)-1].Data.Alerts)

	return min(s.fit(min(rest, most)), rest)
}

// firstGuess tries one alert where there are many, to learn how long alerts get.
func (s *splitter) firstGuess(rest int) int {
	const few = 8

	if rest <= few {
		return rest
	}

	text, err := s.render(s.data.With(s.data.Alerts[:1]))
	if err != nil {
		return rest // the whole says the same
	}

	s.lengths, s.weighed = max(s.limit.Measure(text), 1), s.weight(1)

	return s.fit(rest)
}

// fit is how many of the next alerts have the weight that a message takes, one at least. A little is left free, for
// alerts of one weight are not of one length.
func (s *splitter) fit(most int) int {
	const free = 32 // one part in so many

	room := (s.limit.Max - s.limit.Max/free) * s.weighed / s.lengths
	sum := 0

	for i, weight := range s.weights[s.next : s.next+most] {
		if sum += weight; sum > room {
			return max(i, 1)
		}
	}

	return most
}

// fewer is a smaller number of alerts, by what was learned, and by a quarter at least.
func (s *splitter) fewer(count int) int {
	const part, of = 3, 4

	return max(1, min(s.fit(count), count*part/of))
}

// shorten makes an alert fit that is too long by itself. Its longest values are shortened first, which keeps
// whatever the template makes of them whole; a text that is too long still is cut, where that is allowed.
func (s *splitter) shorten(data *Data, text string) (Part, error) {
	const tries = 4 // what a value adds to a text is not always its length

	one, gone := data.Alerts[0], 0

	for range tries {
		gone += s.limit.Measure(text) - s.limit.Max

		keep, ok := waterline(one, gone)
		if !ok {
			break
		}

		var err error
		if text, err = s.render(data.With(Alerts{one.shortened(keep)})); err != nil {
			return Part{}, err
		}

		if s.limit.Measure(text) <= s.limit.Max {
			return Part{Data: data, Text: text, Truncated: true}, nil
		}
	}

	if s.limit.Whole {
		return Part{}, fmt.Errorf("%w: %d of at most %d; make the template shorter", ErrTooLong,
			s.limit.Measure(text), s.limit.Max)
	}

	return Part{Data: data, Text: Truncate(text, s.limit.Max, s.limit.Measure), Truncated: true}, nil
}

// shortestValue is the length up to which the value of a label or annotation is left as it is.
const shortestValue = 32

// waterline is the length to which the long values of an alert have to be cut, so that about so much is gone of
// them in all; nothing is cut as long as something longer is not. It is false where no value is long.
func waterline(of *Alert, gone int) (int, bool) {
	var lengths []int

	for _, values := range []KV{of.Labels, of.Annotations} {
		for _, value := range values {
			if len(value) > shortestValue {
				lengths = append(lengths, len(value))
			}
		}
	}

	if len(lengths) == 0 {
		return 0, false
	}

	slices.Sort(lengths)
	slices.Reverse(lengths)

	for i, length := range lengths {
		next := shortestValue
		if i+1 < len(lengths) {
			next = lengths[i+1]
		}

		cut := i + 1 // so many are as long as this one by now

		if all := cut * (length - next); all < gone {
			gone -= all

			continue
		}

		return max(shortestValue, length-(gone+cut-1)/cut), true
	}

	return shortestValue, true
}

// shortened is a copy of the alert in which no value is longer than some bytes.
func (a *Alert) shortened(keep int) *Alert {
	made := *a
	made.Labels, made.Annotations = a.Labels.shortened(keep), a.Annotations.shortened(keep)

	return &made
}

func (k KV) shortened(keep int) KV {
	made := maps.Clone(k)

	for name, value := range made {
		if len(value) > keep {
			made[name] = cutBytes(value, keep-len(Marker)) + Marker
		}
	}

	return made
}
