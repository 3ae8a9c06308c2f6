package resolve

import (
	"slices"
	"strconv"
	"strings"
	"time"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/silence/schedule"
)

const (
	minutesPerHour = 60
	minutesPerDay  = 24 * minutesPerHour
	// horizonDays is how far away a day is looked for: days of the week fall on the same dates after 28 years, or 40
	// around a century without a leap day.
	horizonDays = 41 * 366
)

// interval is a time that comes again.
type interval struct {
	weekdays map[time.Weekday]bool
	days     []int
	months   map[time.Month]bool
	// from is the minute of the day it begins at, and to the one it ends at, of the next day where it is more than a
	// day has.
	from, to int
	zone     *time.Location
}

// zoneOf is the time zone of the NotificationManager.
func zoneOf(spec *notificationv2beta2.NotificationManagerSpec, log *findings) *time.Location {
	if spec.Template == nil || spec.Template.TimeZone == "" {
		return time.UTC
	}

	zone, err := schedule.LoadZone(spec.Template.TimeZone)
	if err != nil {
		log.add(onManager("spec.template.timeZone", err.Error()+"; until it is corrected times are in UTC"))

		return time.UTC
	}

	return zone
}

// opening makes what says whether a receiver wants to hear. Intervals that cannot be used are left out; where none is
// left it always does.
func opening(
	set []notificationv2beta2.TimeInterval, zone *time.Location, report func(field, text string),
) func(at time.Time) (open bool, opens time.Time) {
	var made []interval

	for i := range set {
		field := indexed("spec.timeIntervals", i)
		sound := true

		one := intervalOf(&set[i], zone, func(child, text string) {
			sound = false

			report(field+child, text+"; until then the interval does not count")
		})

		if sound && !one.comes() {
			sound = false

			report(field, "never comes: none of its months has such a day; until that is corrected it does not count")
		}

		if sound {
			made = append(made, one)
		}
	}

	if len(made) == 0 {
		return nil
	}

	return func(at time.Time) (bool, time.Time) { return openAt(made, at) }
}

func intervalOf(
	set *notificationv2beta2.TimeInterval, zone *time.Location, report func(child, text string),
) interval {
	made := interval{zone: zone, weekdays: map[time.Weekday]bool{}, months: map[time.Month]bool{}}

	if set.TimeZone != "" {
		named, err := schedule.LoadZone(set.TimeZone)
		if err != nil {
			report(".timeZone", err.Error())
		} else {
			made.zone = named
		}
	}

	made.dates(set, report)

	var fromOK, toOK bool

	made.from, fromOK = minuteOf(set.From, 0)
	if !fromOK {
		report(".from", strconv.Quote(set.From)+" is no time of day; write one such as 09:00")
	}

	made.to, toOK = minuteOf(set.To, minutesPerDay)
	if !toOK {
		report(".to", strconv.Quote(set.To)+" is no time of day; write one such as 18:00")
	}

	if made.to <= made.from {
		made.to += minutesPerDay
	}

	return made
}

// dates reads on which days an interval is.
func (i *interval) dates(set *notificationv2beta2.TimeInterval, report func(child, text string)) {
	const longestMonth = 31

	for _, name := range set.Weekdays {
		day, ok := weekday(string(name))
		if !ok {
			report(".weekdays", strconv.Quote(string(name))+" is no day of the week; write one such as Monday")
		}

		i.weekdays[day] = true
	}

	for _, day := range set.DaysOfMonth {
		if day == 0 || day < -longestMonth || day > longestMonth {
			report(".daysOfMonth", strconv.Itoa(int(day))+" is no day; write 1 to 31, or -1 for the last day and so on")
		}

		i.days = append(i.days, int(day))
	}

	for _, month := range set.Months {
		if month < int32(time.January) || month > int32(time.December) {
			report(".months", strconv.Itoa(int(month))+" is no month; write 1 to 12")
		}

		i.months[time.Month(month)] = true
	}
}

func weekday(name string) (time.Weekday, bool) {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if strings.EqualFold(day.String(), name) {
			return day, true
		}
	}

	return 0, false
}

// minuteOf reads a time of day as its minute.
func minuteOf(text string, otherwise int) (int, bool) {
	const length, colon = 5, 2

	if text == "" {
		return otherwise, true
	}

	if len(text) != length || text[colon] != ':' {
		return otherwise, false
	}

	hour, hourErr := strconv.ParseUint(text[:colon], 10, 8)
	minute, minuteErr := strconv.ParseUint(text[colon+1:], 10, 8)
	sum := int(hour)*minutesPerHour + int(minute)

	return sum, hourErr == nil && minuteErr == nil && minute < minutesPerHour && sum <= minutesPerDay
}

// comes tells whether there is a day on which the interval is.
func (i *interval) comes() bool {
	if len(i.days) == 0 {
		return true
	}

	day := time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)

	for range horizonDays {
		if i.on(day) {
			return true
		}

		day = day.AddDate(0, 0, 1)
	}

	return false
}

// on tells whether the interval begins on a date.
func (i *interval) on(date time.Time) bool {
	switch {
	case len(i.months) > 0 && !i.months[date.Month()]:
		return false
	case len(i.weekdays) > 0 && !i.weekdays[date.Weekday()]:
		return false
	case len(i.days) == 0:
		return true
	}

	last := time.Date(date.Year(), date.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()

	return slices.ContainsFunc(i.days, func(day int) bool {
		return day == date.Day() || day < 0 && last+1+day == date.Day()
	})
}

// moment is a minute of a date in the zone; one that a clock put forward does not show is the next that it does.
func (i *interval) moment(date time.Time, minute int) time.Time {
	return time.Date(date.Year(), date.Month(), date.Day(), 0, minute, 0, 0, i.zone)
}

// look tells whether the interval holds at a time, and when it begins next where it does not.
func (i *interval) look(at time.Time) (holds bool, next time.Time) {
	local := at.In(i.zone)
	// A date of its own, in UTC, has every day once.
	date := time.Date(local.Year(), local.Month(), local.Day()-1, 0, 0, 0, 0, time.UTC)

	for range horizonDays {
		if i.on(date) {
			begins, ends := i.moment(date, i.from), i.moment(date, i.to)

			if begins.After(at) {
				return false, begins
			}

			if ends.After(at) {
				return true, at
			}
		}

		date = date.AddDate(0, 0, 1)
	}

	return false, time.Time{}
}

// openAt tells whether one of the intervals holds, and when the first of them begins where none does.
func openAt(intervals []interval, at time.Time) (open bool, opens time.Time) {
	for i := range intervals {
		holds, next := intervals[i].look(at)
		if holds {
			return true, at
		}

		if !next.IsZero() && (opens.IsZero() || next.Before(opens)) {
			opens = next
		}
	}

	return false, opens
}
