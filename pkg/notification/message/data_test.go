package message_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
)

// now is the time of every notification of these tests.
func now() time.Time {
	return time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)
}

func firing(texts ...string) alert.Alert {
	return alert.Alert{Labels: labels.FromStrings(texts...), StartsAt: now().Add(-time.Hour)}
}

func resolved(texts ...string) alert.Alert {
	return alert.Alert{
		Labels: labels.FromStrings(texts...), Status: alert.Resolved,
		StartsAt: now().Add(-time.Hour), EndsAt: now().Add(-time.Minute),
	}
}

func saying(annotations ...string) alert.Alert {
	one := firing("alertname", "A")
	one.Annotations = labels.FromStrings(annotations...)

	return one
}

func notification(alerts ...alert.Alert) *message.Data {
	return message.New(alerts, message.Notification{Now: now()})
}

// The status of mixed alerts was empty once, and that of none "firing" (B22).
func TestStatus(t *testing.T) {
	one, other := firing("alertname", "A"), resolved("alertname", "B")

	for name, test := range map[string]struct {
		alerts []alert.Alert
		want   string
	}{
		"none":     {nil, "resolved"},
		"firing":   {[]alert.Alert{one, one}, "firing"},
		"resolved": {[]alert.Alert{other, other}, "resolved"},
		"mixed":    {[]alert.Alert{other, one}, "firing"},
	} {
		if got := notification(test.alerts...).Status(); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// A webhook gets the data as JSON; the keys are those of the contract.
func TestJSON(t *testing.T) {
	one := alert.Alert{
		Labels:       labels.FromStrings("alertname", "Disk", "alerttype", "metric", "namespace", "shop", "pod", "a"),
		Annotations:  labels.FromStrings("summary", "full"),
		StartsAt:     now().Add(-time.Hour),
		GeneratorURL: "http://p/g",
	}
	other := alert.Alert{
		Labels:      labels.FromStrings("alertname", "Disk", "alerttype", "metric", "namespace", "shop", "pod", "b"),
		Annotations: labels.FromStrings("summary", "full", "alerttime", "then"),
		Status:      alert.Resolved, StartsAt: now().Add(-time.Hour), EndsAt: now(),
	}
	data := message.New([]alert.Alert{one, other}, message.Notification{
		Receiver: "ops", GroupLabels: labels.FromStrings("namespace", "shop"), Now: now(),
	})

	text, err := json.MarshalIndent(data, "", " ")
	if err != nil {
		t.Fatal(err)
	}

	want := `{
 "alerts": [
  {
   "id": "` + data.Alerts[0].ID + `",
   "status": "firing",
   "labels": {
    "alertname": "Disk",
    "alerttype": "metric",
    "namespace": "shop",
    "pod": "a",
    "receiver": "ops"
   },
   "annotations": {
    "alerttime": "2026-03-04T05:06:07Z",
    "summary": "full"
   },
   "startsAt": "2026-03-04T04:06:07Z",
   "endsAt": "0001-01-01T00:00:00Z",
   "generatorURL": "http://p/g",
   "fingerprint": "` + one.Fingerprint().String() + `"
  },
  {
   "id": "` + data.Alerts[1].ID + `",
   "status": "resolved",
   "labels": {
    "alertname": "Disk",
    "alerttype": "metric",
    "namespace": "shop",
    "pod": "b",
    "receiver": "ops"
   },
   "annotations": {
    "alerttime": "then",
    "summary": "full"
   },
   "startsAt": "2026-03-04T04:06:07Z",
   "endsAt": "2026-03-04T05:06:07Z",
   "fingerprint": "` + other.Fingerprint().String() + `"
  }
 ],
 "groupLabels": {
  "namespace": "shop"
 },
 "commonLabels": {
  "alertname": "Disk",
  "alerttype": "metric",
  "namespace": "shop",
  "receiver": "ops"
 },
 "commonAnnotations": {
  "summary": "full"
 }
}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Error(diff)
	}
}

// Consumers in other languages read objects and lists, not null.
func TestJSONOfNothing(t *testing.T) {
	text, err := json.Marshal(message.New(nil, message.Notification{}))
	if err != nil {
		t.Fatal(err)
	}

	want := `{"alerts":[],"groupLabels":{},"commonLabels":{},"commonAnnotations":{}}`
	if got := string(text); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMessages(t *testing.T) {
	for name, test := range map[string]struct {
		alert    alert.Alert
		want, cn string
	}{
		"all":        {saying("message", "m", "summary", "s", "summaryCn", "c"), "m", "c"},
		"no message": {saying("summary", "s", "summaryCn", "c"), "s", "c"},
		"Chinese":    {saying("summaryCn", "c"), "c", "c"},
		"no Chinese": {saying("message", "m", "summary", "s"), "m", "m"},
		"summary":    {saying("summary", "s"), "s", "s"},
		"nothing":    {saying(), "", ""},
		"empty ones": {saying("message", "", "summary", "s"), "s", "s"},
	} {
		one := notification(test.alert).Alerts[0]
		if one.Message() != test.want || one.MessageCN() != test.cn {
			t.Errorf("%s: got %q and %q, want %q and %q", name, one.Message(), one.MessageCN(), test.want, test.cn)
		}
	}
}

// The history has one entry of each occurrence in each status.
func TestIdentity(t *testing.T) {
	first := firing("alertname", "A")
	again := first
	again.StartsAt = again.StartsAt.Add(time.Second)

	data := notification(first, first, again, resolved("alertname", "A"), firing("alertname", "B"))

	seen := map[string]bool{}
	for _, one := range data.Alerts {
		seen[one.ID] = true
	}

	if len(seen) != 4 || data.Alerts[0].ID != data.Alerts[1].ID {
		t.Errorf("got %v", seen)
	}
}

func TestFiringAndResolved(t *testing.T) {
	data := notification(firing("alertname", "A"), resolved("alertname", "B"), firing("alertname", "C"))

	if got := len(data.Alerts.Firing()); got != 2 {
		t.Errorf("got %d that fire, want 2", got)
	}

	if got := data.Alerts.Resolved(); len(got) != 1 || got[0].Labels["alertname"] != "B" {
		t.Errorf("got %v", got)
	}
}

func TestPairs(t *testing.T) {
	values := message.KV{
		"pod": "p", "alertname": "A", "rule_id": "7", "cluster": "c", "message": "m", "runbook_url": "u",
	}

	pairs := values.SortedPairs()
	if diff := cmp.Diff([]string{"alertname", "cluster", "message", "pod", "runbook_url"}, pairs.Names()); diff != "" {
		t.Error(diff)
	}

	if diff := cmp.Diff([]string{"A", "c", "p"}, pairs.DefaultFilter().Values()); diff != "" {
		t.Error(diff)
	}

	want := []string{"alertname", "message", "pod", "runbook_url"}
	if diff := cmp.Diff(want, pairs.Filter("cluster").Names()); diff != "" {
		t.Error(diff)
	}

	// A filter leaves what it filters as it was.
	if diff := cmp.Diff([]string{"A", "c", "m", "p", "u"}, values.Values()); diff != "" {
		t.Error(diff)
	}

	if diff := cmp.Diff([]string{"A", "c", "m", "p", "u"}, pairs.Values()); diff != "" {
		t.Error(diff)
	}

	rest := values.Remove([]string{"pod", "nothing"})
	if _, ok := rest["pod"]; ok || len(rest) != 5 || len(values) != 6 {
		t.Errorf("got %v of %v", rest, values)
	}

	if got := message.KV(nil).Remove([]string{"a"}); got == nil {
		t.Error("nothing without something is nil")
	}
}

func TestSpan(t *testing.T) {
	for span, want := range map[time.Duration]string{
		0:                                "0s",
		12 * time.Millisecond:            "12ms",
		59 * time.Second:                 "59s",
		5*time.Minute + 20*time.Second:   "5m 20s",
		time.Hour:                        "1h",
		3*time.Hour + 10*time.Second:     "3h",
		76*time.Hour + 10*time.Minute:    "3d 4h",
		-(2*time.Minute + 3*time.Second): "-2m 3s",
	} {
		if got := message.Span(span).String(); got != want {
			t.Errorf("%d: got %q, want %q", span, got, want)
		}
	}
}
