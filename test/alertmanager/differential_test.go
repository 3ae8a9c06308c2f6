package alertmanager_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/engine"
	"github.com/ks-core/ks-controller-manager/pkg/notification/inhibition"
)

// posted is an alert as it is posted to either.
type posted struct {
	Labels   map[string]string `json:"labels"`
	StartsAt time.Time         `json:"startsAt"`
	EndsAt   time.Time         `json:"endsAt"`
}

// life is an alert over the beats: when it holds, and whether somebody says so each time.
type life struct {
	group, pod string
	severity   string
	began      time.Time
	holds      bool
	kept       time.Duration
}

const (
	groups = 24
	pods   = 3
	beats  = 14
)

// TestSameAsAlertmanager posts the lives of alerts in many groups, drawn anew for each seed: they begin, end, begin
// again, are repeated or forgotten by who posts them, and inhibit each other.
func TestSameAsAlertmanager(t *testing.T) {
	theirs, ours := newTold(), newTold()
	address := startAlertmanager(t, theirs)
	subject := startEngine(t, ours, wait)

	if err := subject.PutInhibitRule(t.Context(), inhibitRule(t)); err != nil {
		t.Fatal(err)
	}

	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // to be drawn again
	play(t, random, address, subject)

	// What was told last has arrived at both by the beat after the next, and nothing is told at that moment.
	<-time.After(2 * beat)

	if diff := cmp.Diff(theirs.all(), ours.all()); diff != "" {
		t.Errorf("Alertmanager (-) and the engine (+) tell different things:\n%s", diff)
	}

	if count := len(theirs.all()); count < groups/2 {
		t.Errorf("only %d groups told anything: nothing was compared", count)
	}
}

// inhibitRule is that of Alertmanager's configuration.
func inhibitRule(t *testing.T) *inhibition.Rule {
	t.Helper()

	object := &notificationv2beta2.InhibitRule{}
	object.Name = "critical"
	object.Spec.SourceMatcher.MatchLabels = map[string]string{"severity": "critical"}
	object.Spec.TargetMatcher.MatchLabels = map[string]string{"severity": "warning"}
	object.Spec.Equal = []string{"alertname"}

	rule, problems := inhibition.Compile(object)
	if len(problems) > 0 {
		t.Fatal(problems)
	}

	return rule
}

func play(t *testing.T, random *rand.Rand, address string, subject *engine.Engine) {
	t.Helper()

	lives := make([]*life, 0, groups*pods)

	for group := range groups {
		for pod := range pods {
			// One source for each group: of several, Alertmanager knows one, and when that is over it tells what
			// another one still inhibits. The engine does not.
			severity := []string{"info", "warning", "critical"}[random.IntN(3-min(pod, 1))]
			lives = append(lives, &life{
				group: fmt.Sprint("group-", group), pod: strconv.Itoa(pod), severity: severity,
			})
		}
	}

	ticker := time.NewTicker(beat)
	defer ticker.Stop()

	for range beats {
		await(t.Context(), ticker.C)

		now := time.Now()

		var alerts []posted

		for _, one := range lives {
			if said := one.live(now, random); said != nil {
				alerts = append(alerts, *said)
			}
		}

		if len(alerts) > 0 {
			both(t, address, subject, alerts)
		}
	}
}

func await(ctx context.Context, tick <-chan time.Time) {
	select {
	case <-ctx.Done():
	case <-tick:
	}
}

// live is what is said of an alert at a beat, if anything is.
func (l *life) live(now time.Time, random *rand.Rand) *posted {
	const (
		begins, ends = 5, 4
		forgotten    = 4
		forgets      = beat + beat/3 // within the quiet half of the next beat
	)

	switch {
	case !l.holds && random.IntN(begins) == 0:
		l.holds, l.began, l.kept = true, now, time.Hour

		if random.IntN(forgotten) == 0 {
			l.kept = forgets
		}
	case l.holds && l.kept == forgets:
		l.holds = false // nobody says more of it

		return nil
	case l.holds && random.IntN(ends) == 0:
		l.holds = false

		return l.said(now)
	case !l.holds || random.IntN(2) == 0:
		return nil
	}

	return l.said(now.Add(l.kept))
}

func (l *life) said(until time.Time) *posted {
	return &posted{
		Labels:   map[string]string{"alertname": l.group, "pod": l.pod, "severity": l.severity},
		StartsAt: l.began, EndsAt: until,
	}
}
