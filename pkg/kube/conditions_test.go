package kube_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

func noon() time.Time {
	return time.Date(2030, time.January, 1, 12, 0, 0, 0, time.UTC)
}

// story returns the types and statuses of conditions, in their order.
func story(conditions []metav1.Condition) []string {
	told := make([]string, 0, len(conditions))
	for _, c := range conditions {
		told = append(told, c.Type+"="+string(c.Status))
	}

	return told
}

func find(t *testing.T, conditions []metav1.Condition, conditionType string) metav1.Condition {
	t.Helper()

	for _, c := range conditions {
		if c.Type == conditionType {
			return c
		}
	}

	t.Fatalf("no condition %s in %v", conditionType, story(conditions))

	return metav1.Condition{}
}

func TestSetConditionsTellsOneStory(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		state  kube.State
		reason string
		want   []string
	}{
		"ready":       {kube.StateReady, "Ready", []string{"Ready=True", "Reconciling=False", "Stalled=False"}},
		"progressing": {kube.StateProgressing, "Progressing", []string{"Ready=False", "Reconciling=True", "Stalled=False"}},
		"failed":      {kube.StateFailed, "Failed", []string{"Ready=False", "Reconciling=True", "Stalled=False"}},
		"stalled":     {kube.StateStalled, "Stalled", []string{"Ready=False", "Reconciling=False", "Stalled=True"}},
		"paused":      {kube.StatePaused, "Paused", []string{"Ready=Unknown", "Reconciling=False", "Stalled=False"}},
		"unheard of":  {kube.State(99), "Progressing", []string{"Ready=False", "Reconciling=True", "Stalled=False"}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var conditions []metav1.Condition
			kube.Report{State: tc.state, Message: "so it is"}.SetConditions(&conditions, 3, noon())

			if diff := cmp.Diff(tc.want, story(conditions)); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}

			for _, c := range conditions {
				wantMessage := ""
				if c.Type == kube.ConditionReady || c.Status == metav1.ConditionTrue {
					wantMessage = "so it is"
				}

				want := metav1.Condition{
					Type: c.Type, Status: c.Status, Reason: tc.reason, Message: wantMessage,
					ObservedGeneration: 3, LastTransitionTime: metav1.NewTime(noon()),
				}
				if diff := cmp.Diff(want, c); diff != "" {
					t.Errorf("%s (-want +got):\n%s", c.Type, diff)
				}
			}
		})
	}
}

func TestSetConditionsReason(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		report kube.Report
		want   string
	}{
		"given":             {kube.Report{State: kube.StateFailed, Reason: "QuotaExceeded"}, "QuotaExceeded"},
		"none":              {kube.Report{State: kube.StateFailed}, "Failed"},
		"a pause says so":   {kube.Report{State: kube.StatePaused, Reason: "QuotaExceeded"}, "Paused"},
		"zero is no claim":  {kube.Report{}, "Progressing"},
		"stalled has a say": {kube.Report{State: kube.StateStalled, Reason: "InvalidSpec"}, "InvalidSpec"},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			tc.report.Conditions = []metav1.Condition{{Type: kube.ConditionAccepted, Status: metav1.ConditionTrue}}

			var conditions []metav1.Condition
			tc.report.SetConditions(&conditions, 1, noon())

			for _, c := range conditions {
				if c.Reason != tc.want {
					t.Errorf("reason of %s = %q; want %q", c.Type, c.Reason, tc.want)
				}
			}
		})
	}
}

func TestSetConditionsOrder(t *testing.T) {
	t.Parallel()

	is := func(conditionType string) metav1.Condition {
		return metav1.Condition{Type: conditionType, Status: metav1.ConditionTrue, Reason: "Was"}
	}

	cases := map[string]struct {
		before []metav1.Condition
		finer  []metav1.Condition
		want   []string
	}{
		"none before": {
			nil,
			[]metav1.Condition{is(kube.ConditionHealthy), is("TestsPassed"), is(kube.ConditionAccepted)},
			[]string{
				"Ready=True", "Reconciling=False", "Stalled=False",
				"Accepted=True", "Healthy=True", "TestsPassed=True",
			},
		},
		"others keep their order, behind ours": {
			[]metav1.Condition{is("Zeta"), is("Alpha"), is(kube.ConditionStalled)},
			[]metav1.Condition{is(kube.ConditionAccepted)},
			[]string{"Ready=True", "Reconciling=False", "Stalled=False", "Accepted=True", "Zeta=True", "Alpha=True"},
		},
		"only the state decides the first three": {
			nil,
			[]metav1.Condition{is(kube.ConditionStalled), is(kube.ConditionReconciling)},
			[]string{"Ready=True", "Reconciling=False", "Stalled=False"},
		},
		"repeated types are dropped": {
			[]metav1.Condition{is("Theirs"), is(kube.ConditionReady), is("Theirs"), is(kube.ConditionReady)},
			nil,
			[]string{"Ready=True", "Reconciling=False", "Stalled=False", "Theirs=True"},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			conditions := tc.before
			kube.Report{State: kube.StateReady, Conditions: tc.finer}.SetConditions(&conditions, 1, noon())

			if diff := cmp.Diff(tc.want, story(conditions)); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
		})
	}
}

// A slice that comes from a cache is shared with every other reader.
func TestSetConditionsLeavesTheOldSliceAlone(t *testing.T) {
	t.Parallel()

	cached := []metav1.Condition{
		{Type: "Theirs", Status: metav1.ConditionTrue},
		{Type: kube.ConditionReady, Status: metav1.ConditionTrue},
		{Type: kube.ConditionReady, Status: metav1.ConditionFalse},
	}
	want := append([]metav1.Condition(nil), cached...)

	mine := cached
	kube.Report{State: kube.StateFailed}.SetConditions(&mine, 1, noon())

	if diff := cmp.Diff(want, cached); diff != "" {
		t.Errorf("the cached conditions have changed (-want +got):\n%s", diff)
	}
}

func TestTransitionTimeMovesWithTheStatusOnly(t *testing.T) {
	t.Parallel()

	before, after := noon(), noon().Add(time.Hour+time.Millisecond)
	moved := after.Truncate(time.Second)

	cases := map[string]struct {
		report kube.Report
		want   map[string]time.Time
	}{
		"the same report": {
			kube.Report{State: kube.StateReady, Message: "m"},
			map[string]time.Time{"Ready": before, "Reconciling": before, "Stalled": before},
		},
		"another message and reason": {
			kube.Report{State: kube.StateReady, Message: "n", Reason: "AllThere"},
			map[string]time.Time{"Ready": before, "Reconciling": before, "Stalled": before},
		},
		"failed": {
			kube.Report{State: kube.StateFailed, Message: "m"},
			map[string]time.Time{"Ready": moved, "Reconciling": moved, "Stalled": before},
		},
		"paused": {
			kube.Report{State: kube.StatePaused, Message: "m"},
			map[string]time.Time{"Ready": moved, "Reconciling": before, "Stalled": before},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var conditions []metav1.Condition
			kube.Report{State: kube.StateReady, Message: "m"}.SetConditions(&conditions, 1, before)
			tc.report.SetConditions(&conditions, 2, after)

			got := map[string]time.Time{}
			for _, c := range conditions {
				got[c.Type] = c.LastTransitionTime.Time
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("transition times (-want +got):\n%s", diff)
			}
		})
	}
}

// An object restored from a backup, or written by others, may lack the time.
func TestTransitionTimeIsNeverMissing(t *testing.T) {
	t.Parallel()

	conditions := []metav1.Condition{{Type: kube.ConditionReady, Status: metav1.ConditionTrue}}
	kube.Report{State: kube.StateReady}.SetConditions(&conditions, 1, noon())

	if got := find(t, conditions, kube.ConditionReady).LastTransitionTime; !got.Time.Equal(noon()) {
		t.Errorf("transition time = %v; want %v", got, noon())
	}
}

func TestMessagesAreCut(t *testing.T) {
	t.Parallel()

	const limit = 1024

	cases := map[string]struct{ message, want string }{
		"short":            {"a", "a"},
		"at the limit":     {strings.Repeat("a", limit), strings.Repeat("a", limit)},
		"over it":          {strings.Repeat("a", limit+1), strings.Repeat("a", limit-3) + "..."},
		"between runes":    {strings.Repeat("ä", limit), strings.Repeat("ä", (limit-3)/2) + "..."},
		"no UTF-8":         {"a\xffb", "a\uFFFDb"},
		"broken and long":  {strings.Repeat("\xff.", limit), strings.Repeat("\uFFFD.", 255) + "..."},
		"four bytes a day": {strings.Repeat("😀", limit), strings.Repeat("😀", (limit-3)/4) + "..."},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var conditions []metav1.Condition
			kube.Report{State: kube.StateFailed, Message: tc.message}.SetConditions(&conditions, 1, noon())

			got := find(t, conditions, kube.ConditionReady).Message
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}

			if len(got) > limit || !utf8.ValidString(got) {
				t.Errorf("message has %d bytes, valid: %v", len(got), utf8.ValidString(got))
			}
		})
	}
}
