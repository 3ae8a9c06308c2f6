package silence

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
	"github.com/ks-core/ks-controller-manager/pkg/notification/silence/schedule"
)

type (
	spec = notificationv2beta2.SilenceSpec
	set  = map[string]string
)

func ownership() selector.Ownership {
	return selector.Ownership{Global: set{"type": "global"}, Tenant: set{"type": "tenant"}, TenantKey: "user"}
}

func matching(name, value string) *notificationv2beta2.LabelSelector {
	return &notificationv2beta2.LabelSelector{MatchLabels: set{name: value}}
}

func object(name string, labels set, spec spec) *notificationv2beta2.Silence {
	return &notificationv2beta2.Silence{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Spec: spec}
}

func compiled(tb testing.TB, source *notificationv2beta2.Silence) *Silence {
	tb.Helper()

	made, problems := Compile(source, ownership(), time.UTC)
	if len(problems) > 0 {
		tb.Fatal(problems.ToAggregate())
	}

	return made
}

func instant(tb testing.TB, text string) time.Time {
	tb.Helper()

	if text == "" {
		return time.Time{}
	}

	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		tb.Fatal(err)
	}

	return parsed
}

func TestState(t *testing.T) {
	const (
		active   = notificationv2beta2.SilenceActive
		pending  = notificationv2beta2.SilencePending
		expired  = notificationv2beta2.SilenceExpired
		disabled = notificationv2beta2.SilenceDisabled
	)

	off := false

	for name, test := range map[string]struct {
		spec        spec
		at          string
		phase       Phase
		until, next string
	}{
		"always":                                   {spec{}, "2026-11-30T12:00:00Z", active, "", ""},
		"always, whatever the duration":            {spec{Duration: "1m"}, "2026-11-30T12:00:00Z", active, "", ""},
		"always, until its end":                    {spec{EndsAt: "2026-12-01T00:00:00Z"}, "2026-11-30T12:00:00Z", active, "2026-12-01T00:00:00Z", ""},
		"ended":                                    {spec{EndsAt: "2026-12-01T00:00:00Z"}, "2026-12-01T00:00:00Z", expired, "", ""},
		"switched off":                             {spec{Enabled: &off}, "2026-11-30T12:00:00Z", disabled, "", ""},
		"before its start":                         {spec{StartsAt: "2026-12-01T00:00:00Z"}, "2026-11-30T23:59:59Z", pending, "", "2026-12-01T00:00:00Z"},
		"from its start, for good":                 {spec{StartsAt: "2026-12-01T00:00:00Z"}, "2026-12-01T00:00:00Z", active, "", ""},
		"from its start, for a while":              {spec{StartsAt: "2026-12-01T00:00:00Z", Duration: "2h"}, "2026-12-01T01:59:59Z", active, "2026-12-01T02:00:00Z", ""},
		"a while is over":                          {spec{StartsAt: "2026-12-01T00:00:00Z", Duration: "2h"}, "2026-12-01T02:00:00Z", expired, "", ""},
		"the end comes before the while is over":   {spec{StartsAt: "2026-12-01T00:00:00Z", Duration: "2h", EndsAt: "2026-12-01T01:00:00Z"}, "2026-12-01T00:30:00Z", active, "2026-12-01T01:00:00Z", ""},
		"the end comes after the while is over":    {spec{StartsAt: "2026-12-01T00:00:00Z", Duration: "2h", EndsAt: "2026-12-02T00:00:00Z"}, "2026-12-01T03:00:00Z", expired, "", ""},
		"each night, by day":                       {spec{Schedule: "0 22 * * *", Duration: "8h"}, "2026-11-30T12:00:00Z", pending, "", "2026-11-30T22:00:00Z"},
		"each night, at its start":                 {spec{Schedule: "0 22 * * *", Duration: "8h"}, "2026-11-30T22:00:00Z", active, "2026-12-01T06:00:00Z", "2026-12-01T22:00:00Z"},
		"each night, after midnight":               {spec{Schedule: "0 22 * * *", Duration: "8h"}, "2026-12-01T05:59:59Z", active, "2026-12-01T06:00:00Z", "2026-12-01T22:00:00Z"},
		"each night, at its end":                   {spec{Schedule: "0 22 * * *", Duration: "8h"}, "2026-12-01T06:00:00Z", pending, "", "2026-12-01T22:00:00Z"},
		"startsAt does not count beside it":        {spec{Schedule: "0 22 * * *", Duration: "8h", StartsAt: "2030-01-01T00:00:00Z"}, "2026-11-30T23:00:00Z", active, "2026-12-01T06:00:00Z", "2026-12-01T22:00:00Z"},
		"a schedule without a duration is always":  {spec{Schedule: "0 22 * * *"}, "2026-11-30T12:00:00Z", active, "", ""},
		"each night until its end":                 {spec{Schedule: "0 22 * * *", Duration: "8h", EndsAt: "2026-12-01T03:00:00Z"}, "2026-11-30T23:00:00Z", active, "2026-12-01T03:00:00Z", ""},
		"the last night":                           {spec{Schedule: "0 22 * * *", Duration: "8h", EndsAt: "2026-12-01T12:00:00Z"}, "2026-11-30T23:00:00Z", active, "2026-12-01T06:00:00Z", ""},
		"no night is left":                         {spec{Schedule: "0 22 * * *", Duration: "8h", EndsAt: "2026-12-01T12:00:00Z"}, "2026-12-01T06:00:00Z", expired, "", ""},
		"windows that touch are one":               {spec{Schedule: "0 1,2,3 * * *", Duration: "1h"}, "2026-11-30T01:30:00Z", active, "2026-11-30T04:00:00Z", "2026-12-01T01:00:00Z"},
		"windows that overlap are one":             {spec{Schedule: "0 1,2 * * *", Duration: "90m"}, "2026-11-30T01:30:00Z", active, "2026-11-30T03:30:00Z", "2026-12-01T01:00:00Z"},
		"windows without a gap have no end":        {spec{Schedule: "*/5 * * * *", Duration: "1h"}, "2026-11-30T01:30:00Z", active, "", ""},
		"windows without a gap end with the end":   {spec{Schedule: "*/5 * * * *", Duration: "1h", EndsAt: "2026-11-30T05:00:00Z"}, "2026-11-30T01:30:00Z", active, "2026-11-30T05:00:00Z", ""},
		"in its time zone":                         {spec{Schedule: "0 22 * * *", Duration: "8h", TimeZone: "Asia/Shanghai"}, "2026-11-30T14:00:00Z", active, "2026-11-30T22:00:00Z", "2026-12-01T14:00:00Z"},
		"in the zone of its schedule":              {spec{Schedule: "CRON_TZ=Asia/Shanghai 0 22 * * *", Duration: "8h"}, "2026-11-30T14:00:00Z", active, "2026-11-30T22:00:00Z", "2026-12-01T14:00:00Z"},
		"which comes before the other":             {spec{Schedule: "CRON_TZ=Asia/Shanghai 0 22 * * *", Duration: "8h", TimeZone: "America/New_York"}, "2026-11-30T14:00:00Z", active, "2026-11-30T22:00:00Z", "2026-12-01T14:00:00Z"},
		"the night that has no such hour":          {spec{Schedule: "30 2 * * *", Duration: "1h", TimeZone: "Europe/Berlin"}, "2026-03-29T01:30:00Z", active, "2026-03-29T02:00:00Z", "2026-03-30T00:30:00Z"},
		"the night that has such an hour twice":    {spec{Schedule: "30 2 * * *", Duration: "1h", TimeZone: "Europe/Berlin"}, "2026-10-25T00:45:00Z", active, "2026-10-25T02:30:00Z", "2026-10-26T01:30:00Z"},
		"eight hours are eight hours all the same": {spec{Schedule: "0 22 * * *", Duration: "8h", TimeZone: "Europe/Berlin"}, "2026-03-29T01:30:00Z", active, "2026-03-29T05:00:00Z", "2026-03-29T20:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			test.spec.Matcher = matching("a", "b")
			made := compiled(t, object("s", nil, test.spec))

			want := State{Phase: test.phase, ActiveUntil: instant(t, test.until), NextStart: instant(t, test.next)}
			at := instant(t, test.at)

			if diff := cmp.Diff(want, made.State(at)); diff != "" {
				t.Error(diff)
			}

			if made.Active(at) != (test.phase == active) {
				t.Error("Active says otherwise")
			}
		})
	}
}

// The zone of the machine never counts: not even where a pod has one.
func TestDefaultZone(t *testing.T) {
	source := object("s", nil, spec{Schedule: "0 22 * * *", Duration: "1h"})
	shanghai := time.FixedZone("Shanghai", 8*60*60)
	night := instant(t, "2026-11-30T14:30:00Z")

	for name, test := range map[string]struct {
		zone *time.Location
		want bool
	}{"given": {shanghai, true}, "not given": {nil, false}} {
		made, problems := Compile(source, ownership(), test.zone)
		if len(problems) > 0 {
			t.Fatal(problems)
		}

		for _, at := range []time.Time{night, night.In(shanghai)} {
			if got := made.Active(at); got != test.want {
				t.Errorf("%s, at %v: %v, want %v", name, at, got, test.want)
			}
		}
	}
}

func TestCompileErrors(t *testing.T) {
	for name, test := range map[string]struct {
		spec spec
		want string
	}{
		"matcher":         {spec{Matcher: &notificationv2beta2.LabelSelector{MatchExpressions: []notificationv2beta2.LabelSelectorRequirement{{Key: "a", Operator: "In"}}}}, "spec.matcher.matchExpressions[0].values"},
		"duration":        {spec{Duration: "1 hour"}, "spec.duration"},
		"no duration":     {spec{Duration: "0s"}, "spec.duration"},
		"less than none":  {spec{Duration: "-1h"}, "spec.duration"},
		"startsAt":        {spec{StartsAt: "tomorrow"}, "spec.startsAt"},
		"endsAt":          {spec{EndsAt: "never"}, "spec.endsAt"},
		"ends at start":   {spec{StartsAt: "2026-12-01T00:00:00Z", EndsAt: "2026-12-01T00:00:00Z"}, "spec.endsAt"},
		"schedule":        {spec{Schedule: "at night", Duration: "1h"}, "spec.schedule"},
		"panics in cron":  {spec{Schedule: "TZ=UTC", Duration: "1h"}, "spec.schedule"},
		"never":           {spec{Schedule: "0 0 31 6 *", Duration: "1h"}, "spec.schedule"},
		"timeZone":        {spec{Schedule: "0 0 * * *", Duration: "1h", TimeZone: "Mars"}, "spec.timeZone"},
		"zone of machine": {spec{Schedule: "0 0 * * *", Duration: "1h", TimeZone: "Local"}, "spec.timeZone"},
	} {
		t.Run(name, func(t *testing.T) {
			made, problems := Compile(object("s", nil, test.spec), ownership(), time.UTC)
			if made != nil || len(problems) != 1 || problems[0].Field != test.want {
				t.Errorf("%v, %v; want one problem of %s", made, problems, test.want)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	for want, one := range map[string]spec{
		"spec.matcher: selects every alert":     {},
		"spec.schedule: without a duration":     {Matcher: matching("a", "b"), Schedule: "0 0 * * *"},
		"spec.duration: without schedule":       {Matcher: matching("a", "b"), Duration: "1h"},
		"spec.startsAt: has no effect beside a": {Matcher: matching("a", "b"), Duration: "1h", Schedule: "0 0 * * *", StartsAt: "2026-12-01T00:00:00Z"},
	} {
		got := Warnings(object("s", nil, one))
		if len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%q, want %q", got, want)
		}
	}

	quiet := spec{Matcher: matching("a", "b"), Duration: "1h", Schedule: "0 0 * * *"}
	if got := Warnings(object("s", nil, quiet)); len(got) > 0 {
		t.Errorf("warnings for nothing: %q", got)
	}
}

// naiveActive is when a recurring silence silences, by the words of the package comment.
func naiveActive(starts []time.Time, duration time.Duration, end, at time.Time) bool {
	if !end.IsZero() && !at.Before(end) {
		return false
	}

	return slices.ContainsFunc(starts, func(start time.Time) bool {
		return !start.After(at) && at.Before(start.Add(duration))
	})
}

func TestRecurringAgreesWithNaive(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3)) //nolint:gosec // a test draws its cases from a seed

	pick := func(choices ...string) string { return choices[random.IntN(len(choices))] }

	for range 60 {
		one := spec{
			Matcher: matching("a", "b"),
			Schedule: pick("0 ", "*/20 ", "30 ") + pick("2", "22", "*/6", "1-3") +
				pick(" * * *", " * * 0,6", " 25-31 * *"),
			Duration: notificationv2beta2.Duration(pick("10m", "20m", "1h", "8h", "30h")),
			TimeZone: pick("Europe/Berlin", "Asia/Shanghai", "America/Havana"),
		}

		day := pick("2026-03-05", "2026-03-26", "2026-10-22", "2026-10-29")
		from := instant(t, day+"T00:00:00Z")

		if random.IntN(2) == 0 {
			end := from.Add(time.Duration(random.IntN(120)) * time.Hour)
			one.EndsAt = notificationv2beta2.Time(end.Format(time.RFC3339))
		}

		name := fmt.Sprintf("%s for %s in %s until %s", one.Schedule, one.Duration, one.TimeZone, one.EndsAt)
		t.Run(name, func(t *testing.T) { agree(t, one, from, random) })
	}
}

// agree follows a silence through five days, minute by minute; the state says each time when the next change is.
func agree(t *testing.T, one spec, from time.Time, random *rand.Rand) {
	t.Helper()

	zone, err := schedule.LoadZone(one.TimeZone)
	if err != nil {
		t.Fatal(err)
	}

	times, err := schedule.Parse(one.Schedule, zone)
	if err != nil {
		t.Fatal(err)
	}

	duration, err := one.Duration.Parse()
	if err != nil {
		t.Fatal(err)
	}

	const length = 5 * 24 * time.Hour

	// Windows that join may end long after the days that are looked at.
	starts := startsIn(times, from.Add(-2*duration), from.Add(4*length))
	end := instant(t, string(one.EndsAt))
	made := compiled(t, object("s", nil, one))

	for at := from; at.Before(from.Add(length)); at = at.Add(time.Minute) {
		state := made.State(at)

		if got, want := made.Active(at), naiveActive(starts, duration, end, at); got != want {
			t.Fatalf("at %v: %v, want %v (%+v)", at, got, want, state)
		}

		if state.ActiveUntil.IsZero() {
			continue
		}

		if naiveActive(starts, duration, end, state.ActiveUntil) {
			t.Fatalf("at %v: still active at its end, %v", at, state.ActiveUntil)
		}

		between := at.Add(time.Duration(random.Int64N(int64(state.ActiveUntil.Sub(at)))))
		if !naiveActive(starts, duration, end, between) {
			t.Fatalf("at %v: until %v, and not active at %v", at, state.ActiveUntil, between)
		}
	}
}

func startsIn(times schedule.Schedule, from, to time.Time) []time.Time {
	var starts []time.Time

	for {
		next, found := times.Next(from)
		if !found || next.After(to) {
			return starts
		}

		starts = append(starts, next)
		from = next
	}
}

// What was found out once does not hold where the clock goes back.
func TestClockGoesBack(t *testing.T) {
	made := compiled(t, object("s", nil, spec{StartsAt: "2026-12-01T00:00:00Z", Duration: "1h"}))

	for _, step := range []struct {
		at   string
		want bool
	}{
		{"2026-12-01T00:30:00Z", true},
		{"2026-12-01T02:00:00Z", false},
		{"2026-12-01T00:30:00Z", true},
		{"2026-11-30T00:00:00Z", false},
		{"2026-12-01T00:00:00Z", true},
	} {
		if got := made.Active(instant(t, step.at)); got != step.want {
			t.Errorf("at %s: %v", step.at, got)
		}
	}
}

func TestSet(t *testing.T) {
	var silences Set

	now := instant(t, "2026-11-30T12:00:00Z")
	alert := labels.FromStrings("alertname", "PodDown", "namespace", "shop")
	off := false

	ann, bob := set{"type": "tenant", "user": "ann"}, set{"type": "tenant", "user": "bob"}

	for _, one := range []*notificationv2beta2.Silence{
		object("ann-2", ann, spec{Matcher: matching("namespace", "shop")}),
		object("ann-1", ann, spec{Matcher: matching("alertname", "PodDown")}),
		object("ann-0", ann, spec{Matcher: matching("alertname", "PodDown"), StartsAt: "2026-12-01T00:00:00Z"}),
		object("bob-1", bob, spec{Matcher: matching("namespace", "bank")}),
		object("nobody", nil, spec{}),
		object("off", set{"type": "global"}, spec{Enabled: &off}),
	} {
		silences.Put(compiled(t, one))
	}

	check := func(what string, got *Silence, want string) {
		t.Helper()

		name := ""
		if got != nil {
			name = got.Name()
		}

		if name != want {
			t.Errorf("%s: silenced by %q, want %q", what, name, want)
		}
	}

	tenant := func(name string) selector.Owner { return selector.Owner{Kind: selector.Tenant, Tenant: name} }
	platform := selector.Owner{Kind: selector.Global}

	check("everybody", silences.Global(alert, now), "")
	check("ann", silences.For(tenant("ann"), alert, now), "ann-1")
	check("bob", silences.For(tenant("bob"), alert, now), "")
	check("carl", silences.For(tenant("carl"), alert, now), "")
	check("the platform's receivers", silences.For(platform, alert, now), "")
	check("ann tomorrow", silences.For(tenant("ann"), alert, instant(t, "2026-12-01T00:00:00Z")), "ann-0")

	silences.Put(compiled(t, object("all", set{"type": "global"}, spec{Matcher: matching("namespace", "shop")})))
	check("everybody", silences.Global(alert, now), "all")
	check("bob", silences.For(tenant("bob"), alert, now), "all")
	check("bob's own", silences.Tenant("bob", alert, now), "")

	silences.Put(compiled(t, object("all", set{"type": "global"}, spec{Matcher: matching("namespace", "bank")})))
	check("everybody, changed", silences.Global(alert, now), "")

	silences.Put(compiled(t, object("ann-1", bob, spec{Matcher: matching("alertname", "PodDown")})))
	check("ann, after one was given away", silences.Tenant("ann", alert, now), "ann-2")
	check("bob, after one was given him", silences.Tenant("bob", alert, now), "ann-1")

	for _, name := range []string{"ann-0", "ann-1", "ann-2", "bob-1", "nobody", "off", "all", "all"} {
		silences.Delete(name)
	}

	if silences.Len() != 0 || len(silences.tenants) != 0 || silences.global.Len() != 0 {
		t.Errorf("what is left of nothing: %+v", silences)
	}
}

// B17: a silence that cannot be read is a finding of its own, and the others silence as ever.
func TestBrokenSilenceDisturbsNone(t *testing.T) {
	var silences Set

	ann := set{"type": "tenant", "user": "ann"}
	findings := 0

	for i, one := range []spec{
		{Matcher: matching("a", "b"), Schedule: "TZ=UTC"},
		{Matcher: &notificationv2beta2.LabelSelector{MatchExpressions: []notificationv2beta2.LabelSelectorRequirement{{Key: "a", Operator: "Match", RegexValue: "("}}}},
		{Matcher: matching("a", "b")},
	} {
		made, problems := Compile(object(fmt.Sprint("s", i), ann, one), ownership(), nil)
		if len(problems) > 0 {
			findings++

			continue
		}

		silences.Put(made)
	}

	if got := silences.Tenant("ann", labels.FromStrings("a", "b"), time.Time{}); got == nil || findings != 2 {
		t.Errorf("silenced by %v with %d findings", got, findings)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add("0 22 * * *", "8h", "2026-11-30T12:00:00Z", "2027-11-30T12:00:00Z", "Europe/Berlin", int64(1_774_749_600))
	f.Add("TZ=UTC", "8h", "", "", "", int64(0))
	f.Add("", "-1ns", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "UTC", int64(0))
	f.Add("* * * * *", "2540400h10m10s", "", "", "Pacific/Apia", int64(1_325_203_200))

	f.Fuzz(func(t *testing.T, times, duration, start, end, zone string, seconds int64) {
		source := object("s", nil, spec{
			Schedule: times,
			Duration: notificationv2beta2.Duration(duration),
			StartsAt: notificationv2beta2.Time(start),
			EndsAt:   notificationv2beta2.Time(end),
			TimeZone: zone,
		})
		_ = Warnings(source)

		made, problems := Compile(source, ownership(), nil)
		if (made == nil) != (len(problems) > 0) {
			t.Fatalf("%v with %v", made, problems)
		}

		if made == nil {
			return
		}

		const year9999 = 253402300799

		at := time.Unix(seconds%year9999, 0)
		state := made.State(at)

		if state.Phase == notificationv2beta2.SilenceActive {
			if until := state.ActiveUntil; !until.IsZero() && (!until.After(at) || made.Active(until)) {
				t.Fatalf("active at %v until %v", at, until)
			}
		}

		if next := state.NextStart; !next.IsZero() && (!next.After(at) || !made.Active(next)) {
			t.Fatalf("at %v it begins next at %v", at, next)
		}
	})
}

// BenchmarkTenant asks a tenant's silences, each for another alert and on a schedule, about an alert.
func BenchmarkTenant(b *testing.B) {
	now := time.Date(2026, time.November, 30, 12, 0, 0, 0, time.UTC)
	alert := labels.FromStrings("alertname", "PodDown", "alerttype", "metric", "cluster", "host", "namespace", "shop",
		"pod", "shop-1", "rule_id", "0123456789", "severity", "critical", "workload", "shop-0")

	for _, count := range []int{1, 1000, 10000} {
		b.Run(fmt.Sprintf("silences=%d", count), func(b *testing.B) {
			var silences Set

			for i := range count {
				one := spec{Matcher: matching("severity", "critical"), Schedule: "0 8 * * *", Duration: "8h"}
				one.Matcher.MatchLabels["workload"] = fmt.Sprint("shop-", i)
				silences.Put(compiled(b, object(strconv.Itoa(i), set{"type": "tenant", "user": "ann"}, one)))
			}

			b.ReportAllocs()

			for b.Loop() {
				if silences.Tenant("ann", alert, now) == nil {
					b.Fatal("not silenced")
				}
			}
		})
	}
}
