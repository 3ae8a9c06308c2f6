package resolve

import (
	"testing"
	"time"
)

func TestOpen(t *testing.T) {
	const (
		hours   = "from: '09:00', to: '18:00', timeZone: Asia/Shanghai"
		office  = "[{weekdays: [Monday, Tuesday, Wednesday, Thursday, Friday], " + hours + "}]"
		nights  = "[{from: '22:00', to: '06:00'}]"
		friday  = "[{weekdays: [Friday], from: '22:00', to: '06:00'}]"
		lastDay = "[{daysOfMonth: [-1]}]"
		two     = "[{from: '08:00', to: '09:00'}, {from: '12:00', to: '13:00'}]"
		leap    = "[{daysOfMonth: [29], months: [2], weekdays: [Monday]}]"
		berlin  = "[{from: '02:30', to: '03:30', timeZone: Europe/Berlin}]"
	)

	for _, c := range []struct {
		name, intervals, at, opens string
	}{
		{"in it", office, "2026-01-05T01:00:00Z", ""},
		{"a moment before", office, "2026-01-05T00:59:59Z", "2026-01-05T01:00:00Z"},
		{"at its end", office, "2026-01-05T10:00:00Z", "2026-01-06T01:00:00Z"},
		{"over the weekend", office, "2026-01-09T10:00:00Z", "2026-01-12T01:00:00Z"},
		{"over midnight: the evening", nights, "2026-01-05T23:00:00Z", ""},
		{"over midnight: the morning", nights, "2026-01-06T05:59:00Z", ""},
		{"over midnight: the day", nights, "2026-01-06T06:00:00Z", "2026-01-06T22:00:00Z"},
		{"over midnight: the day after counts to the one before", friday, "2026-01-10T05:00:00Z", ""},
		{"over midnight: the same hour of the day itself", friday, "2026-01-09T05:00:00Z", "2026-01-09T22:00:00Z"},
		{"the last day of a month", lastDay, "2026-02-28T12:00:00Z", ""},
		{"the last day but one", lastDay, "2028-02-28T12:00:00Z", "2028-02-29T00:00:00Z"},
		{"the first of several", two, "2026-01-05T07:00:00Z", "2026-01-05T08:00:00Z"},
		{"the second of several", two, "2026-01-05T10:00:00Z", "2026-01-05T12:00:00Z"},
		{"in the second", two, "2026-01-05T12:30:00Z", ""},
		{"a day that is rare", leap, "2026-01-01T00:00:00Z", "2044-02-29T00:00:00Z"},
		{"a clock put forward", berlin, "2026-03-29T00:00:00Z", "2026-03-29T01:30:00Z"},
		{"always", "[{}]", "2026-01-05T12:30:00Z", ""},
		{"a day from an hour to itself", "[{weekdays: [Monday], from: '09:00', to: '09:00'}]", "2026-01-06T08:59:00Z", ""},
		{"until the end of the day", "[{from: '23:00', to: '24:00'}]", "2026-01-06T23:59:59Z", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			result := newWorld(t).resolve(t, global("timeIntervals: "+c.intervals))
			wantLines(t, "findings", brief(result.Findings), nil)

			at := instant(t, c.at)
			open, opens := result.Receiver.Open(at)

			switch {
			case open != (c.opens == ""):
				t.Errorf("open at %s: %v", c.at, open)
			case open && !opens.Equal(at):
				t.Errorf("open since %s", opens)
			case !open && !opens.Equal(instant(t, c.opens)):
				t.Errorf("opens at %s, want %s", opens.UTC(), c.opens)
			}
		})
	}
}

func instant(t *testing.T, text string) time.Time {
	t.Helper()

	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}

	return at
}

// TestOpenAgreesWithItself walks through a year: what is said to open does so then, and not a minute before.
func TestOpenAgreesWithItself(t *testing.T) {
	result := newWorld(t).resolve(t, `
metadata: {name: r, labels: {type: global}}
spec:
  timeIntervals:
  - {weekdays: [Monday, Friday], from: '21:15', to: '02:45', timeZone: America/New_York}
  - {daysOfMonth: [1, -2], months: [1, 3, 11], from: '02:00', to: '03:00', timeZone: Europe/Berlin}
`)
	wantLines(t, "findings", brief(result.Findings), nil)

	start := instant(t, "2026-01-01T00:00:00Z")
	steps := 0

	for at := start; at.Before(start.AddDate(1, 0, 0)); at = at.Add(17 * time.Minute) {
		open, opens := result.Receiver.Open(at)
		if open {
			continue
		}

		if !opens.After(at) {
			t.Fatalf("at %s it opens at %s", at, opens)
		}

		if then, _ := result.Receiver.Open(opens); !then {
			t.Fatalf("it does not open at %s, as was said at %s", opens, at)
		}

		if before, _ := result.Receiver.Open(opens.Add(-time.Minute)); before && opens.Add(-time.Minute).After(at) {
			t.Fatalf("it opens before %s, which was said at %s", opens, at)
		}

		steps++
	}

	if steps == 0 {
		t.Error("it is never closed")
	}
}

func TestBrokenIntervals(t *testing.T) {
	const at = "2026-01-05T12:30:00Z" // a Monday

	for _, c := range []struct {
		name, intervals string
		open            bool
		want            []string
	}{
		{"no day", "[{weekdays: [Someday]}]", true, []string{"Invalid spec.timeIntervals[0].weekdays ~"}},
		{"day 0", "[{daysOfMonth: [0]}]", true, []string{"Invalid spec.timeIntervals[0].daysOfMonth ~"}},
		{"month 13", "[{months: [13]}]", true, []string{"Invalid spec.timeIntervals[0].months ~"}},
		{"hour 25", "[{from: '25:00'}]", true, []string{"Invalid spec.timeIntervals[0].from ~"}},
		{"24:01", "[{to: '24:01'}]", true, []string{"Invalid spec.timeIntervals[0].to ~"}},
		{"minus", "[{to: '-1:00'}]", true, []string{"Invalid spec.timeIntervals[0].to ~"}},
		{"no zone", "[{timeZone: Moon/Sea}]", true, []string{"Invalid spec.timeIntervals[0].timeZone ~"}},
		{"the machine's zone", "[{timeZone: Local}]", true, []string{"Invalid spec.timeIntervals[0].timeZone ~"}},
		{"no such day", "[{months: [2], daysOfMonth: [30]}]", true, []string{"Invalid spec.timeIntervals[0] ~"}},
		{"the others count", "[{weekdays: [Someday]}, {weekdays: [Sunday]}]", false, []string{"Invalid spec.timeIntervals[0].weekdays ~"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			result := newWorld(t).resolve(t, global("timeIntervals: "+c.intervals))
			wantLines(t, "findings", brief(result.Findings), c.want)

			open := true
			if result.Receiver.Open != nil {
				open, _ = result.Receiver.Open(instant(t, at))
			}

			if open != c.open {
				t.Errorf("open: %v, want %v", open, c.open)
			}
		})
	}
}

func TestZoneOfTheManager(t *testing.T) {
	receiver := global("timeIntervals: [{from: '09:00', to: '10:00'}]")

	w := newWorld(t)
	w.manager = read1[notificationManagerSpec](t, managerYAML+"template: {timeZone: Asia/Shanghai}\n")

	if open, _ := w.resolve(t, receiver).Receiver.Open(instant(t, "2026-01-05T01:30:00Z")); !open {
		t.Error("the zone of the NotificationManager does not count")
	}

	w.manager.Template.TimeZone = "Moon/Sea"
	_, found := w.platform()
	wantLines(t, "findings", brief(found), []string{"NotificationManager Invalid spec.template.timeZone ~"})
}
