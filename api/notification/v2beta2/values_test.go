package v2beta2

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDurations(t *testing.T) {
	t.Parallel()

	tests := map[Duration]struct {
		want    time.Duration
		refusal string
	}{
		"":       {},
		"0":      {},
		"1h30m":  {want: 90 * time.Minute},
		"-5m":    {want: -5 * time.Minute},
		"1.5s":   {want: 1500 * time.Millisecond},
		"5":      {refusal: `"5" is no duration: write one such as 90s or 1h30m`},
		"1d":     {refusal: `"1d" is no duration`},
		"always": {refusal: `"always" is no duration`},
	}

	for duration, test := range tests {
		t.Run(string(duration), func(t *testing.T) {
			t.Parallel()

			got, err := duration.Parse()
			checkParsed(t, got, test.want, err, test.refusal)
		})
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()

	tests := map[Time]struct {
		want    time.Time
		refusal string
	}{
		"":                              {},
		"2026-01-02T03:04:05Z":          {want: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		"2026-01-02T03:04:05.5Z":        {want: time.Date(2026, 1, 2, 3, 4, 5, 500_000_000, time.UTC)},
		"2026-01-02T11:04:05+08:00":     {want: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		"2026-01-02t03:04:05z":          {refusal: `is no time: write one such as 2006-01-02T15:04:05Z`},
		"2026-01-02T03:04:05":           {refusal: "is no time"},
		"tomorrow":                      {refusal: "is no time"},
		"2026-02-30T00:00:00Z":          {refusal: "is no time"},
		"2026-01-02T03:04:05.000+99:99": {refusal: "is no time"},
	}

	for point, test := range tests {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()

			got, err := point.Parse()
			checkParsed(t, got.UTC(), test.want, err, test.refusal)
		})
	}
}

// checkParsed wants a value, or an error that says what is wrong and what to write instead.
func checkParsed[T comparable](t *testing.T, got, want T, err error, refusal string) {
	t.Helper()

	if refusal != "" {
		if err == nil || !strings.Contains(err.Error(), refusal) {
			t.Errorf("parsed as %v, %v, want the error %q", got, err, refusal)
		}

		return
	}

	if err != nil || got != want {
		t.Errorf("parsed as %v, %v, want %v", got, err, want)
	}
}

// Both forms of a reference are one to whoever reads a credential.
func TestCredentialReferences(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		content string
		want    *SecretKeySelector
	}{
		"no credential":           {`null`, nil},
		"a value":                 {`{"value": "a"}`, nil},
		"the form of v2beta2":     {`{"valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}`, &SecretKeySelector{Name: "a", Key: "b"}},
		"the form of v2beta1":     {`{"namespace": "n", "name": "a", "key": "b"}`, &SecretKeySelector{Namespace: "n", Name: "a", Key: "b"}},
		"no name":                 {`{"key": "b"}`, &SecretKeySelector{Key: "b"}},
		"nothing":                 {`{}`, nil},
		"a source of nothing":     {`{"valueFrom": {}}`, nil},
		"both, where one escaped": {`{"valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}, "name": "c", "key": "d"}`, &SecretKeySelector{Name: "a", Key: "b"}},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var credential *Credential
			if err := json.Unmarshal([]byte(test.content), &credential); err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(test.want, credential.Ref()); diff != "" {
				t.Errorf("reference (-want +got):\n%s", diff)
			}
		})
	}
}

// A part of a pod comes back as it was, whatever it holds.
func TestPodPartsStayAsTheyAre(t *testing.T) {
	t.Parallel()

	const content = `{"tolerations":[{"key":"a","fieldOfTheFuture":{"x":[1,null,1.5]}},{}],` +
		`"sidecars":{"tenant":{"type":"kubesphere"}},"securityContext":{}}`

	var pod struct {
		Tolerations     []PodPart          `json:"tolerations,omitempty"`
		Sidecars        map[string]PodPart `json:"sidecars,omitempty"`
		SecurityContext *PodPart           `json:"securityContext,omitempty"`
		Affinity        *PodPart           `json:"affinity,omitempty"`
	}
	if err := json.Unmarshal([]byte(content), &pod); err != nil {
		t.Fatal(err)
	}

	if string(pod.Sidecars["tenant"].Raw) != `{"type":"kubesphere"}` {
		t.Errorf("the raw sidecar is %s", pod.Sidecars["tenant"].Raw)
	}

	written, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(content, string(written)); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
}
