package evaluator_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/evaluator"
)

const answer = `{"status":"success","data":{"groupNextToken":"more","groups":[
  {"name":"web","file":"/rules/a.yaml","rules":[
    {"type":"alerting","name":"Down","state":"firing","health":"ok","lastError":"",
     "labels":{"rule_level":"namespace","namespace":"shop","rule_group":"web","rule_id":"id-1","severity":"error"},
     "alerts":[{"state":"pending","activeAt":"2026-01-01T00:05:00Z"},{"state":"firing","activeAt":"2026-01-01T00:01:00.5Z"}]},
    {"type":"recording","name":"job:up:sum","health":"err","lastError":"many-to-many matching not allowed",
     "labels":{"namespace":"shop"}}]},
  {"name":"foreign","rules":[{"type":"alerting","name":"Other","state":"firing","health":"ok","labels":{"a":"b"}}]}
]}}`

func read(t *testing.T, text string) evaluator.State {
	t.Helper()

	page, err := evaluator.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}

	return page.State
}

func TestStatusesOfAGroup(t *testing.T) {
	since := metav1.NewTime(time.Date(2026, 1, 1, 0, 1, 0, 0, time.UTC))

	got := read(t, answer).Statuses("namespace", "shop", "web", []evaluator.Wanted{
		{Name: "Down", ID: "id-1"},
		{Name: "Bad", ID: "id-2", Rejected: true},
		{Name: "job:up:sum"},
		{Name: "Off", ID: "id-3", Disabled: true},
		{Name: "New", ID: "id-4"},
	})
	want := []alertingv2beta1.RuleStatus{
		{Name: "Down", RuleID: "id-1", State: "firing", Health: "ok", ActiveAlerts: 2, ActiveSince: &since},
		{Name: "job:up:sum", State: "inactive", Health: "err", LastError: "many-to-many matching not allowed"},
		{Name: "Off", RuleID: "id-3", State: "disabled", Health: "unknown"},
		{Name: "New", RuleID: "id-4", State: "inactive", Health: "unknown"},
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	stats := &alertingv2beta1.RulesStats{Inactive: 2, Firing: 1, Disabled: 1}
	if diff := cmp.Diff(stats, evaluator.Count(got)); diff != "" {
		t.Error(diff)
	}

	failing, missing := evaluator.Sick(got)
	if failing == nil || failing.Name != "job:up:sum" || missing == nil || missing.Name != "New" {
		t.Errorf("failing %v, missing %v", failing, missing)
	}
}

// A group of the same name in another namespace shows nothing of this one.
func TestNamespacesShareNothing(t *testing.T) {
	got := read(t, answer).Statuses("namespace", "bank", "web", []evaluator.Wanted{{Name: "Down", ID: "id-1"}})
	if got[0].State != "inactive" || got[0].Health != "unknown" {
		t.Errorf("got %+v", got[0])
	}
}

// The worst of all replicas counts, whichever answers first.
func TestMerge(t *testing.T) {
	of := func(state, health, problem, since string) evaluator.State {
		return read(t, `{"status":"success","data":{"groups":[{"name":"g","rules":[{"type":"alerting","name":"A",
		  "state":"`+state+`","health":"`+health+`","lastError":"`+problem+`","labels":{"rule_level":"cluster",
		  "rule_group":"g","rule_id":"1"},"alerts":[{"activeAt":"`+since+`"}]}]}]}}`)
	}
	old := of("firing", "ok", "", "2026-01-01T00:00:00Z")
	fresh := of("pending", "err", "no answer", "2026-01-01T01:00:00Z")
	want := evaluator.State{{Level: "cluster", Group: "g"}: {{
		ID: "1", State: "firing", Health: "err", LastError: "no answer", Active: 1,
		Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}}}

	for _, got := range []evaluator.State{
		evaluator.Merge(old, fresh), evaluator.Merge(fresh, old), evaluator.Merge(old, fresh, old),
	} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// Errors quote queries, which may be in any language: what is cut must not end within a letter, or the status would
// never be as it was written.
func TestErrorsAreCutBetweenLetters(t *testing.T) {
	for pad := range 4 {
		problem := strings.Repeat("x", pad) + strings.Repeat("\u00e9\u4e16", 200)
		state := read(t, `{"status":"success","data":{"groups":[{"name":"g","rules":[{"type":"recording","name":"r",
		  "lastError":"`+problem+`"}]}]}}`)

		got := state[evaluator.GroupKey{Group: "g"}][0].LastError
		if !utf8.ValidString(got) || len(got) > 300 {
			t.Errorf("got %q", got)
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON": "<html>", "cut off": `{"status":"success","data":{"groups":[`, "an error": `{"status":"error","error":"busy"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if page, err := evaluator.Read(strings.NewReader(text)); err == nil {
				t.Errorf("read as %+v", page)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(answer)
	f.Add(`{"status":"success"}`)
	f.Fuzz(func(t *testing.T, text string) {
		page, err := evaluator.Read(strings.NewReader(text))
		if err != nil {
			return
		}

		merged := evaluator.Merge(page.State, page.State)
		if diff := cmp.Diff(merged, evaluator.Merge(merged, page.State)); diff != "" {
			t.Errorf("the same replica again changes the state: %s", diff)
		}
	})
}
