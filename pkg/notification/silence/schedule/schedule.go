// Package schedule says at which times a schedule of cron has starts, in the time zone of the people who wrote it.
//
// Where clocks are put forward or back, a schedule means what a clock on the wall shows:
//
//   - an instant is a start when the clock shows a minute of the schedule; an hour that is shown twice has its
//     starts twice;
//   - where the clock jumps over minutes of the schedule, the instant of the jump is a start in their place: a
//     window that begins at 02:00 begins at 03:00 in the night that has no 02:00.
//
// Cron's own library skips such a window, and in zones that jump at midnight a whole day; here it only reads the
// five fields.
package schedule

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

const (
	// MaxLength is how many bytes a schedule has at most.
	MaxLength = 256

	// horizon is how far away a start is looked for: the longest time between two 29ths of February, and more.
	horizon = 9 * 366 * day

	day = 24 * time.Hour

	// star marks a field that was written as *; it is a bit that no minute, hour, day or month has.
	star = 1 << 63

	minutesPerHour = 60
	minutesPerDay  = 24 * minutesPerHour
)

// Schedule is a schedule in a time zone. It is a value that nothing changes.
type Schedule struct {
	minutes, hours, days, months, weekdays uint64

	zone *time.Location
}

// Parse reads the five fields of cron, or a word like @daily for them. They are in the given zone, unless a zone
// stands before them (CRON_TZ=Asia/Shanghai or TZ=Asia/Shanghai).
func Parse(text string, zone *time.Location) (Schedule, error) {
	if len(text) > MaxLength {
		return Schedule{}, fmt.Errorf("a schedule has at most %d characters", MaxLength)
	}

	name, fields, err := cutZone(strings.TrimSpace(text))
	if err != nil {
		return Schedule{}, err
	}

	if name != "" {
		if zone, err = LoadZone(name); err != nil {
			return Schedule{}, err
		}
	}

	return parse(fields, zone)
}

// NamesZone tells whether a schedule says its zone itself.
func NamesZone(text string) bool {
	text = strings.TrimSpace(text)

	return strings.HasPrefix(text, "TZ=") || strings.HasPrefix(text, "CRON_TZ=")
}

// LoadZone gives the time zone of a name of the IANA database. The zone of the machine has no name: it would be
// another one wherever the pod happens to run.
func LoadZone(name string) (*time.Location, error) {
	const remedy = "give a name of the IANA database, like Asia/Shanghai, or UTC"

	if name == "" || name == "Local" {
		return nil, fmt.Errorf("%q is no time zone: %s", name, remedy)
	}

	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no known time zone: %s", name, remedy)
	}

	return zone, nil
}

// cutZone gives the name of the zone that stands before the fields; empty where none does.
func cutZone(text string) (name, fields string, err error) {
	if !NamesZone(text) {
		return "", text, nil
	}

	_, rest, _ := strings.Cut(text, "=")

	name, fields, found := strings.Cut(rest, " ")
	if !found || name == "" {
		return "", "", errors.New("write the zone and then the five fields: CRON_TZ=Asia/Shanghai 0 2 * * *")
	}

	return name, strings.TrimSpace(fields), nil
}

func parse(fields string, zone *time.Location) (Schedule, error) {
	const remedy = "write the five fields minute, hour, day of month, month and day of week"

	// The library takes a zone from the fields too, and does not survive one without fields behind it.
	if NamesZone(fields) {
		return Schedule{}, errors.New("there is more than one time zone: leave one")
	}

	parsed, err := cron.ParseStandard(fields)
	if err != nil {
		return Schedule{}, fmt.Errorf("%w: %s", err, remedy)
	}

	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return Schedule{}, fmt.Errorf("%q counts from nowhere: %s", fields, remedy)
	}

	made := Schedule{
		minutes: spec.Minute, hours: spec.Hour, days: spec.Dom, months: spec.Month, weekdays: spec.Dow, zone: zone,
	}

	some := time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)
	if _, ever := made.firstShown(some, some.Add(horizon)); !ever {
		return Schedule{}, fmt.Errorf("%q never comes: no such day of that month, or an empty field", fields)
	}

	return made, nil
}

// Last gives the last start at or before an instant. There is none where the years before it have none.
func (s Schedule) Last(at time.Time) (time.Time, bool) {
	floor := at.Add(-horizon)

	for {
		offset := s.offset(at)
		begin, _ := at.In(s.zone).ZoneBounds()

		low := floor
		if begin.After(low) {
			low = begin
		}

		if shown, found := s.lastShown(reading(at, offset), reading(low, offset)); found {
			return shown.Add(-offset), true
		}

		if !begin.After(floor) {
			return time.Time{}, false
		}

		before := begin.Add(-time.Nanosecond)
		if s.jumped(begin, s.offset(before), offset) {
			return begin.UTC(), true
		}

		at = before
	}
}

// Next gives the first start after an instant. There is none where the years after it have none.
func (s Schedule) Next(after time.Time) (time.Time, bool) {
	from := after.Add(time.Nanosecond)
	ceiling := after.Add(horizon)

	for {
		offset := s.offset(from)
		_, end := from.In(s.zone).ZoneBounds()

		high := ceiling
		if !end.IsZero() && end.Before(high) {
			high = end
		}

		if shown, found := s.firstShown(reading(from, offset), reading(high, offset)); found {
			return shown.Add(-offset), true
		}

		if high.Equal(ceiling) {
			return time.Time{}, false
		}

		if s.jumped(end, offset, s.offset(end)) {
			return end.UTC(), true
		}

		from = end
	}
}

// offset is what the zone's clocks are ahead of UTC at an instant.
func (s Schedule) offset(at time.Time) time.Duration {
	_, seconds := at.In(s.zone).Zone()

	return time.Duration(seconds) * time.Second
}

// reading is what a clock shows that is ahead of UTC by offset, written as if it were UTC: so that days have 24
// hours and nothing jumps.
func reading(at time.Time, offset time.Duration) time.Time {
	return at.UTC().Add(offset)
}

// jumped tells whether clocks that change their offset at an instant jump over a minute of the schedule.
func (s Schedule) jumped(at time.Time, from, to time.Duration) bool {
	if to <= from {
		return false
	}

	_, found := s.firstShown(reading(at, from), reading(at, to))

	return found
}

// lastShown gives the last reading of the schedule from low to high.
func (s Schedule) lastShown(high, low time.Time) (time.Time, bool) {
	date := high.Truncate(day)
	minute := int(high.Sub(date) / time.Minute)

	for date.Add(day).After(low) {
		if s.has(date) {
			if last, found := s.lastMinute(minute); found {
				shown := date.Add(time.Duration(last) * time.Minute)

				return shown, !shown.Before(low)
			}
		}

		if s.months>>uint(date.Month())&1 == 0 {
			date = date.AddDate(0, 0, 1-date.Day()) // nothing in this month
		}

		date = date.Add(-day)
		minute = minutesPerDay - 1
	}

	return time.Time{}, false
}

// firstShown gives the first reading of the schedule from low on and before high.
func (s Schedule) firstShown(low, high time.Time) (time.Time, bool) {
	date := low.Truncate(day)
	minute := int((low.Sub(date) + time.Minute - 1) / time.Minute)

	for date.Before(high) {
		if s.has(date) {
			if first, found := s.firstMinute(minute); found {
				shown := date.Add(time.Duration(first) * time.Minute)

				return shown, shown.Before(high)
			}
		}

		if s.months>>uint(date.Month())&1 == 0 {
			date = time.Date(date.Year(), date.Month()+1, 1, 0, 0, 0, 0, time.UTC) // nothing in this month
		} else {
			date = date.Add(day)
		}

		minute = 0
	}

	return time.Time{}, false
}

// has tells whether a date is of the schedule. As in cron, of two days that are both given one is enough.
func (s Schedule) has(date time.Time) bool {
	if s.months>>uint(date.Month())&1 == 0 {
		return false
	}

	ofMonth := s.days>>uint(date.Day())&1 == 1
	ofWeek := s.weekdays>>uint(date.Weekday())&1 == 1

	if s.days&star != 0 || s.weekdays&star != 0 {
		return ofMonth && ofWeek
	}

	return ofMonth || ofWeek
}

// lastMinute gives the last minute of the day that is of the schedule, up to a limit.
func (s Schedule) lastMinute(limit int) (int, bool) {
	hour, minute := limit/minutesPerHour, limit%minutesPerHour

	if s.hours>>uint(hour)&1 == 1 {
		if last, found := highest(s.minutes, minute); found {
			return hour*minutesPerHour + last, true
		}
	}

	hour, found := highest(s.hours, hour-1)
	last, some := highest(s.minutes, minutesPerHour-1)

	return hour*minutesPerHour + last, found && some
}

// firstMinute gives the first minute of the day that is of the schedule, from a limit on.
func (s Schedule) firstMinute(limit int) (int, bool) {
	hour, minute := limit/minutesPerHour, limit%minutesPerHour

	if s.hours>>uint(hour)&1 == 1 {
		if first, found := lowest(s.minutes, minute); found {
			return hour*minutesPerHour + first, true
		}
	}

	hour, found := lowest(s.hours, hour+1)
	first, some := lowest(s.minutes, 0)

	return hour*minutesPerHour + first, found && some
}

// highest gives the highest number of a set of them, up to a limit.
func highest(set uint64, limit int) (int, bool) {
	if limit < 0 {
		return 0, false
	}

	left := (set &^ star) & (1<<uint(limit+1) - 1)

	return bits.Len64(left) - 1, left != 0
}

// lowest gives the lowest number of a set of them, from a limit on.
func lowest(set uint64, limit int) (int, bool) {
	left := (set &^ star) >> uint(limit) << uint(limit)

	return bits.TrailingZeros64(left), left != 0
}
