package message

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Moment is a time as templates hold it. It has none of the methods of time.Time: a template that formats a layout
// with itself, again and again, would make a text without end.
type Moment struct {
	at time.Time
	// zoned is whether a template asked for the zone it is in; a moment that is not is shown in the zone of the Set.
	zoned bool
}

// At makes a Moment of a time.
func At(at time.Time) Moment {
	return Moment{at: at}
}

// TimeOf is the time of a Moment.
func TimeOf(moment Moment) time.Time {
	return moment.at
}

// String is the time as JSON has it, and nothing of no time.
func (m Moment) String() string {
	if unknown(m.at) {
		return ""
	}

	return m.at.Format(time.RFC3339)
}

// unknown says whether a time stands for none: Alertmanager sends the first second of the year 1.
func unknown(at time.Time) bool {
	return at.Year() <= 1
}

// momentOf reads what templates have of times.
func momentOf(value any) (Moment, error) {
	switch value := value.(type) {
	case Moment:
		return value, nil
	case time.Time:
		return At(value), nil
	case string:
		if value == "" {
			return Moment{}, nil
		}

		at, err := time.Parse(time.RFC3339Nano, value)
		if err != nil {
			return Moment{}, fmt.Errorf(
				"%q is no time; give a time like .StartsAt, or one written as 2006-01-02T15:04:05Z", shorten(value))
		}

		return At(at), nil
	default:
		return Moment{}, fmt.Errorf("a %T is no time; give a time like .StartsAt", value)
	}
}

// Span is how long something lasted, which prints as people say it.
type Span time.Duration

// String is the span in its two largest units: 3d 4h, 5m 20s, 0s.
func (s Span) String() string {
	const day = 24 * time.Hour

	units := []struct {
		length time.Duration
		name   string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}}

	rest, sign := time.Duration(s), ""
	if rest < 0 {
		rest, sign = -rest, "-"
	}

	for i, unit := range units {
		if rest < unit.length {
			continue
		}

		text := sign + strconv.FormatInt(int64(rest/unit.length), 10) + unit.name
		if i+1 == len(units) {
			return text
		}

		next := units[i+1]
		if more := rest % unit.length / next.length; more > 0 {
			text += " " + strconv.FormatInt(int64(more), 10) + next.name
		}

		return text
	}

	if rest == 0 {
		return "0s"
	}

	return sign + strconv.FormatInt(rest.Milliseconds(), 10) + "ms"
}

// spanOf reads what templates have of durations: a span, a number of seconds, or a text of either.
func spanOf(value any) (Span, error) {
	switch value := value.(type) {
	case Span:
		return value, nil
	case time.Duration:
		return Span(value), nil
	case int:
		return seconds(float64(value)), nil
	case int64:
		return seconds(float64(value)), nil
	case float64:
		return seconds(value), nil
	case string:
		return parseSpan(value)
	default:
		return 0, fmt.Errorf("a %T is no duration; give seconds, or a text like 1h30m", value)
	}
}

func parseSpan(text string) (Span, error) {
	if number, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil {
		return seconds(number), nil
	}

	length, err := time.ParseDuration(strings.TrimSpace(text))
	if err != nil {
		return 0, fmt.Errorf("%q is no duration; give seconds, or a text like 1h30m", shorten(text))
	}

	return Span(length), nil
}

// seconds makes a span of a number of seconds; what no clock will see is cut off.
func seconds(number float64) Span {
	const longest = float64(1<<63-1) / float64(time.Second) / 2

	if math.IsNaN(number) {
		return 0
	}

	return Span(max(-longest, min(number, longest)) * float64(time.Second))
}

// shorten keeps what a template gave from filling an error.
func shorten(text string) string {
	const most = 40

	if len(text) <= most {
		return text
	}

	return cutBytes(text, most) + "…"
}
