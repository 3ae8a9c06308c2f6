package schedule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// at reads an instant in a zone, as RFC 3339 without an offset, or with one.
func at(t *testing.T, zone, text string) time.Time {
	t.Helper()

	if parsed, err := time.Parse(time.RFC3339, text); err == nil {
		return parsed
	}

	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}

	parsed, err := time.ParseInLocation("2006-01-02T15:04:05", text, location)
	if err != nil {
		t.Fatal(err)
	}

	return parsed
}

func parsed(t *testing.T, text, zone string) Schedule {
	t.Helper()

	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}

	made, err := Parse(text, location)
	if err != nil {
		t.Fatal(err)
	}

	return made
}

func TestNextAndLast(t *testing.T) {
	const (
		utc      = "UTC"
		shanghai = "Asia/Shanghai"
		berlin   = "Europe/Berlin"
		newYork  = "America/New_York"
		beirut   = "Asia/Beirut"
		lord     = "Australia/Lord_Howe"
		apia     = "Pacific/Apia"
	)

	for name, test := range map[string]struct {
		text, zone string
		from       string
		next       string
	}{
		"daily":                           {"0 2 * * *", utc, "2026-03-01T00:00:00", "2026-03-01T02:00:00Z"},
		"strictly after":                  {"0 2 * * *", utc, "2026-03-01T02:00:00", "2026-03-02T02:00:00Z"},
		"a nanosecond before":             {"0 2 * * *", utc, "2026-03-01T01:59:59.999999999Z", "2026-03-01T02:00:00Z"},
		"in the zone":                     {"0 2 * * *", shanghai, "2026-03-01T00:00:00Z", "2026-03-01T18:00:00Z"},
		"a zone of its own":               {"CRON_TZ=Asia/Shanghai 0 2 * * *", utc, "2026-03-01T00:00:00Z", "2026-03-01T18:00:00Z"},
		"the short form of it":            {"TZ=Asia/Shanghai 0 2 * * *", utc, "2026-03-01T00:00:00Z", "2026-03-01T18:00:00Z"},
		"weekdays":                        {"30 9 * * 1-5", utc, "2026-11-27T10:00:00", "2026-11-30T09:30:00Z"},
		"either day":                      {"0 0 13 * 5", utc, "2026-11-13T01:00:00", "2026-11-20T00:00:00Z"},
		"a word":                          {"@weekly", utc, "2026-11-30T00:00:00", "2026-12-06T00:00:00Z"},
		"leap day":                        {"0 0 29 2 *", utc, "2096-03-01T00:00:00", "2104-02-29T00:00:00Z"},
		"months apart":                    {"15 12 1 1,7 *", utc, "2026-01-01T12:15:00", "2026-07-01T12:15:00Z"},
		"spring: the hour that is not":    {"0 2 * * *", berlin, "2026-03-29T00:00:00", "2026-03-29T01:00:00Z"},
		"spring: within that hour":        {"30 2 * * *", berlin, "2026-03-29T00:00:00", "2026-03-29T01:00:00Z"},
		"spring: after the jump":          {"30 2 * * *", berlin, "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
		"spring: others are as ever":      {"30 3 * * *", berlin, "2026-03-29T00:00:00", "2026-03-29T01:30:00Z"},
		"autumn: the first time":          {"30 2 * * *", berlin, "2026-10-25T00:00:00", "2026-10-25T00:30:00Z"},
		"autumn: the second time":         {"30 2 * * *", berlin, "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
		"autumn: the next day":            {"30 2 * * *", berlin, "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"},
		"New York springs on its own day": {"30 2 * * *", newYork, "2026-03-08T05:00:00Z", "2026-03-08T07:00:00Z"},
		"a night without a midnight":      {"0 0 * * *", beirut, "2022-03-26T12:00:00", "2022-03-26T22:00:00Z"},
		"half an hour":                    {"15 2 * * *", lord, "2026-10-04T00:00:00", "2026-10-03T15:30:00Z"},
		"a day that was not":              {"0 12 30 12 *", apia, "2011-12-29T20:00:00", "2011-12-30T10:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			made := parsed(t, test.text, test.zone)
			from, want := at(t, test.zone, test.from), at(t, test.zone, test.next)

			next, found := made.Next(from)
			if !found || !next.Equal(want) {
				t.Errorf("Next(%v) = %v, %v; want %v", from, next, found, want)
			}

			if last, found := made.Last(want); !found || !last.Equal(want) {
				t.Errorf("Last(%v) = %v, %v; want the same", want, last, found)
			}

			if last, found := made.Last(want.Add(-time.Nanosecond)); !found || last.After(from) {
				t.Errorf("Last before %v = %v, %v; want one not after %v", want, last, found, from)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "five fields",
		"* * * *":                               "five fields",
		"* * * * * *":                           "five fields",
		"61 * * * *":                            "five fields",
		"@every 1h":                             "counts from nowhere",
		"@nonsense":                             "five fields",
		"TZ=UTC":                                "write the zone and then",
		"CRON_TZ=":                              "write the zone and then",
		"TZ= 0 0 * * *":                         "write the zone and then",
		"TZ=Local 0 0 * * *":                    "no time zone",
		"TZ=Moon/Base 0 0 * * *":                "no known time zone",
		"TZ=../../etc/hosts 0 0 * * *":          "no known time zone",
		"TZ=UTC CRON_TZ=UTC":                    "more than one time zone",
		"0 0 30 2 *":                            "never comes",
		", * * * *":                             "never comes",
		strings.Repeat("1,", 200) + "1 * * * *": "at most 256",
	} {
		if made, err := Parse(text, time.UTC); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, %v; want an error with %q", text, made, err, want)
		}
	}
}

// naive are the starts between two instants by the words of the package comment, minute by minute: what each clock
// shows, and what it jumps over.
func naive(s Schedule, from, to time.Time) []time.Time {
	var starts []time.Time

	for t := from; t.Before(to); t = t.Add(time.Minute) {
		shown := t.In(s.zone)
		before := t.Add(-time.Minute).In(s.zone)

		_, offset := shown.Zone()
		_, earlier := before.Zone()

		found := s.shows(shown)
		for skipped := range (offset - earlier) / 60 {
			found = found || s.shows(wall(before).Add(time.Duration(skipped+1)*time.Minute))
		}

		if found {
			starts = append(starts, t)
		}
	}

	return starts
}

// wall writes what a clock shows as if it were UTC.
func wall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
}

func (s Schedule) shows(t time.Time) bool {
	return s.has(t) && s.hours>>uint(t.Hour())&1 == 1 && s.minutes>>uint(t.Minute())&1 == 1
}

func TestAgreesWithMinuteByMinute(t *testing.T) {
	const seed1, seed2 = 20261130, 7

	random := rand.New(rand.NewPCG(seed1, seed2)) //nolint:gosec // a test draws its cases from a seed

	// In each of these weeks a clock is put forward or back.
	weeks := []struct{ zone, from string }{
		{"Europe/Berlin", "2026-03-26T00:00:00Z"},
		{"Europe/Berlin", "2026-10-22T00:00:00Z"},
		{"America/New_York", "2026-03-05T00:00:00Z"},
		{"America/New_York", "2026-10-29T00:00:00Z"},
		{"Asia/Beirut", "2022-03-24T00:00:00Z"},
		{"America/Havana", "2026-10-29T00:00:00Z"},
		{"Australia/Lord_Howe", "2026-04-02T00:00:00Z"},
		{"Australia/Lord_Howe", "2026-10-01T00:00:00Z"},
		{"Pacific/Apia", "2011-12-27T00:00:00Z"},
		{"Asia/Shanghai", "2026-11-30T00:00:00Z"},
	}

	for range 60 {
		text := randomSchedule(random)
		week := weeks[random.IntN(len(weeks))]

		t.Run(fmt.Sprintf("%s in %s", text, week.zone), func(t *testing.T) {
			made := parsed(t, text, week.zone)
			from := at(t, "UTC", week.from)
			to := from.Add(7 * day)

			compare(t, made, from, to, naive(made, from, to))
		})
	}
}

// compare walks through the starts forwards and backwards.
func compare(t *testing.T, made Schedule, from, to time.Time, want []time.Time) {
	t.Helper()

	cursor := from.Add(-time.Nanosecond)

	for i, start := range want {
		next, found := made.Next(cursor)
		if !found || !next.Equal(start) {
			t.Fatalf("start %d after %v: %v, %v; want %v", i, cursor, next, found, start)
		}

		cursor = next
	}

	if next, found := made.Next(cursor); found && next.Before(to) {
		t.Fatalf("one start too many: %v", next)
	}

	cursor = to.Add(-time.Nanosecond)

	for i, start := range slices.Backward(want) {
		last, found := made.Last(cursor)
		if !found || !last.Equal(start) {
			t.Fatalf("start %d before %v: %v, %v; want %v", i, cursor, last, found, start)
		}

		cursor = last.Add(-time.Nanosecond)
	}
}

func randomSchedule(random *rand.Rand) string {
	pick := func(choices ...string) string { return choices[random.IntN(len(choices))] }

	return strings.Join([]string{
		pick("0", "30", "59", "*/15", "7-9", "0,45"),
		pick("*", "0", "1", "2", "2,3", "23", "*/3", "0-1"),
		pick("*", "*", "*", "1", "25", "29-31", "1-31/2"),
		pick("*", "*", "3,10", "10-12", "12"),
		pick("*", "*", "0", "6,0", "1-5"),
	}, " ")
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"0 2 * * *", "CRON_TZ=Europe/Berlin */5 0-4 29 2 *", "TZ=", "TZ=UTC", "@daily", "@every 1s", "0 0 31 4 *", "? ? ? ? ?",
	} {
		f.Add(text, int64(1_774_749_600))
	}

	f.Fuzz(func(t *testing.T, text string, seconds int64) {
		made, err := Parse(text, time.UTC)
		if err != nil {
			return
		}

		const year9999 = 253402300799

		when := time.Unix(seconds%year9999, 0)

		next, found := made.Next(when)
		if !found {
			t.Fatalf("%q has no start after %v", text, when)
		}

		if !next.After(when) {
			t.Fatalf("%q: %v is not after %v", text, next, when)
		}

		if last, found := made.Last(next); !found || !last.Equal(next) {
			t.Fatalf("%q: the last start at %v is %v, %v", text, next, last, found)
		}

		if last, found := made.Last(next.Add(-time.Nanosecond)); found && last.After(when) {
			t.Fatalf("%q: %v lies between %v and the next start, %v", text, last, when, next)
		}
	})
}

func BenchmarkLast(b *testing.B) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}

	now := time.Date(2026, time.November, 30, 12, 0, 0, 0, time.UTC)

	for name, text := range map[string]string{"daily": "0 2 * * *", "leap day": "0 0 29 2 *"} {
		made, err := Parse(text, zone)
		if err != nil {
			b.Fatal(err)
		}

		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()

			for b.Loop() {
				if _, found := made.Last(now); !found {
					b.Fatal("none")
				}
			}
		})
	}
}
