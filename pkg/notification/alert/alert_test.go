package alert

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

func now() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func TestDecode(t *testing.T) {
	t.Parallel()

	hour := now().Add(-time.Hour)

	tests := map[string]struct {
		body    string
		want    []Alert
		refused []string
	}{
		"a webhook": {
			body: `{"version":"4","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"Down","b":""},
				"annotations":{"summary":"it is down"},"startsAt":"2026-03-01T11:00:00Z",
				"endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://p/g","fingerprint":"1","new":[]}]}`,
			want: []Alert{{
				Labels:      labels.FromStrings("alertname", "Down"),
				Annotations: labels.FromStrings("summary", "it is down"),
				StartsAt:    hour, GeneratorURL: "http://p/g",
			}},
		},
		"a list": {
			body: `[{"labels":{"alertname":"Down"},"startsAt":"2026-03-01T11:00:00Z","endsAt":"2026-03-01T12:00:00Z"},
				{"labels":{"alertname":"Up"},"endsAt":"2026-03-01T12:05:00Z"}]`,
			want: []Alert{
				{Labels: labels.FromStrings("alertname", "Down"), Status: Resolved, StartsAt: hour, EndsAt: now()},
				{Labels: labels.FromStrings("alertname", "Up"), StartsAt: now(), EndsAt: now().Add(5 * time.Minute)},
			},
		},
		"what is said of the status goes before the times": {
			body: `{"alerts":[{"status":"resolved","labels":{"alertname":"Down"},"startsAt":"2026-03-01T11:00:00Z"}]}`,
			want: []Alert{{Labels: labels.FromStrings("alertname", "Down"), Status: Resolved, StartsAt: hour}},
		},
		"an end before now and no start": {
			body: `[{"labels":{"alertname":"Down"},"endsAt":"2026-03-01T11:00:00Z"}]`,
			want: []Alert{
				{Labels: labels.FromStrings("alertname", "Down"), Status: Resolved, StartsAt: hour, EndsAt: hour},
			},
		},
		"one bad alert harms no other": {
			body: `[{"labels":{"alertname":7}},{"labels":{}},{"labels":{"alertname":"Up"},"startsAt":"yesterday"},
				{"labels":{"a":"b"},"status":"maybe"},{"labels":{"":"b"}},"text",
				{"labels":{"alertname":"Up"},"startsAt":"2026-03-01T11:00:00Z"}]`,
			want: []Alert{{
				Labels: labels.FromStrings("alertname", "Up"), StartsAt: hour, EndsAt: now().Add(Unheard),
			}},
			refused: []string{
				"alerts[0]: labels: is a JSON number, must be string",
				"alerts[1]: labels: has none; an alert is known by its labels, alertname among them",
				`alerts[2]: is no alert: parsing time "yesterday" as ...`,
				`alerts[3]: status: is "maybe", must be firing or resolved`,
				"alerts[4]: labels: one has no name; give each a name",
				"alerts[5]: is no alert: json: cannot unmarshal string into Go value of type alert.posted",
			},
		},
		"no alerts": {body: `{"alerts":[]}`, want: []Alert{}},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got, refused, err := Decode([]byte(test.body), now())
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(test.want, got, cmp.Comparer(labels.Equal)); diff != "" {
				t.Error(diff)
			}

			if len(refused) != len(test.refused) {
				t.Fatalf("refused %v, want %v", refused, test.refused)
			}

			for i, want := range test.refused {
				want, _, _ = strings.Cut(want, "...") // the tail is the library's wording
				if got := refused[i].Error(); !strings.HasPrefix(got, want) {
					t.Errorf("refused as %q, want %q", got, want)
				}
			}
		})
	}
}

func TestDecodeRefusesBodies(t *testing.T) {
	t.Parallel()

	for _, body := range []string{"", "  ", "alerts", `"alerts"`, `{"alerts":{}}`, `[`, `{"alerts":[}`, "7"} {
		if _, _, err := Decode([]byte(body), now()); err == nil {
			t.Errorf("%q is taken", body)
		}
	}
}

func TestDecodeRefusesDocuments(t *testing.T) {
	t.Parallel()

	body := fmt.Sprintf(`[{"labels":{"a":"b"},"annotations":{"text":%q}},{"labels":{"a":"c"}}]`,
		strings.Repeat("x", MaxBytes))

	alerts, refused, err := Decode([]byte(body), now())
	if err != nil || len(alerts) != 1 || len(refused) != 1 {
		t.Errorf("%d alerts, %v refused, %v", len(alerts), refused, err)
	}
}

// TestFingerprint holds the identity to what Prometheus and Alertmanager compute.
func TestFingerprint(t *testing.T) {
	t.Parallel()

	for _, set := range []model.LabelSet{
		{},
		{"alertname": "Watchdog"},
		{"alertname": "Down", "namespace": "größe", "a": "b"},
	} {
		var pairs []string
		for name, value := range set {
			pairs = append(pairs, string(name), string(value))
		}

		got, want := FingerprintOf(labels.FromStrings(pairs...)).String(), set.Fingerprint().String()
		if got != want {
			t.Errorf("the fingerprint of %s is %s, want %s", set, got, want)
		}
	}
}

func TestEncode(t *testing.T) {
	t.Parallel()

	want := Alert{
		Labels:      labels.FromStrings("alertname", "Down", "namespace", "shop"),
		Annotations: labels.FromStrings("message", "größer als 1"),
		Status:      Resolved, StartsAt: now(), EndsAt: now().Add(time.Nanosecond), GeneratorURL: "http://p/g",
	}

	got, rest, err := Read(append(Append(nil, &want), "next"...))
	if err != nil || string(rest) != "next" {
		t.Fatalf("rest %q, %v", rest, err)
	}

	if diff := cmp.Diff(want, got, cmp.Comparer(labels.Equal)); diff != "" {
		t.Error(diff)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"alerts":[{"status":"firing","labels":{"alertname":"Down"}}]}`))
	f.Add([]byte(`[{"labels":{"a":"b"},"endsAt":"2026-03-01T11:00:00Z"},7]`))

	f.Fuzz(func(t *testing.T, body []byte) {
		alerts, refused, err := Decode(body, now())
		if err != nil {
			return
		}

		raw, _, _ := split(body)
		if len(alerts)+len(refused) != len(raw) {
			t.Errorf("%d alerts became %d and %d", len(raw), len(alerts), len(refused))
		}

		for i := range alerts {
			again, _, err := Read(Append(nil, &alerts[i]))
			if err != nil || again.Fingerprint() != alerts[i].Fingerprint() {
				t.Errorf("%v is kept as %v, %v", alerts[i], again, err)
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add(Append(nil, &Alert{Labels: labels.FromStrings("a", "b"), StartsAt: now()}))

	f.Fuzz(func(t *testing.T, encoded []byte) {
		one, rest, err := Read(encoded)
		if err != nil {
			return
		}

		again, _, err := Read(Append(nil, &one))
		if err != nil || !labels.Equal(one.Labels, again.Labels) || len(rest) > len(encoded) {
			t.Errorf("%v is kept as %v, %v", one, again, err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	const size = 100

	alerts := make([]map[string]any, size)
	for i := range alerts {
		alerts[i] = map[string]any{
			"status": "firing", "startsAt": now(), "generatorURL": "http://prometheus/graph?g0.expr=up",
			"labels": map[string]string{
				"alertname": "Down", "namespace": "shop", "pod": fmt.Sprint("pod-", i), "cluster": "one",
				"severity": "critical", "job": "web", "instance": "10.0.0.1:80", "alerttype": "metric",
			},
			"annotations": map[string]string{"summary": "a pod is down", "runbook": "http://runbooks/down"},
		}
	}

	body, err := json.Marshal(map[string]any{"version": "4", "alerts": alerts})
	if err != nil {
		b.Fatal(err)
	}

	for b.Loop() {
		if got, _, err := Decode(body, now()); err != nil || len(got) != size {
			b.Fatal(len(got), err)
		}
	}

	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "alerts/s")
}
