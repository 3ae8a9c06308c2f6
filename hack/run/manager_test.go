package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAwaitControllers(t *testing.T) {
	const (
		running  = `{"name": "workspace", "state": "Running"}`
		disabled = `{"name": "edge", "state": "Disabled"}`
		waiting  = `{"name": "alert", "state": "Waiting", "reason": "CRDMissing", "message": "no Rule"}`
	)

	for _, test := range []struct {
		name  string
		pages []string // answered in turn, the last one from then on
		want  string   // of the error
	}{
		{name: "all run", pages: []string{running + "," + disabled}},
		{name: "all run in the end", pages: []string{waiting, running}},
		{
			name: "one waits", pages: []string{running + "," + waiting},
			want: "controller alert is Waiting (CRDMissing): no Rule",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var asked atomic.Int32

			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if got := r.Header.Get("Authorization"); got != "Bearer secret" {
					t.Errorf("the request has Authorization %q", got)
				}

				turn := min(int(asked.Add(1)), len(test.pages)) - 1
				_, _ = w.Write([]byte(`{"controllers": [` + test.pages[turn] + `]}`))
			}))
			defer server.Close()

			page := &statusPage{url: server.URL, token: "secret"}

			count, err := page.awaitControllers(t.Context(), 200*time.Millisecond)

			switch {
			case test.want == "" && err != nil:
				t.Errorf("failed: %v", err)
			case test.want == "" && count == 0:
				t.Error("counted no controllers")
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestAwaitControllersSaysWhatTheServerSaid(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not for you", http.StatusForbidden)
	}))
	defer server.Close()

	page := &statusPage{url: server.URL}

	_, err := page.awaitControllers(t.Context(), 100*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "403 Forbidden: not for you") {
		t.Errorf("got %v, want the answer", err)
	}
}

func TestParseMemory(t *testing.T) {
	got := parseMemory("Name:\tmanager\nVmRSS:\t   60000 kB\nRssAnon:\t   10240 kB\nRssFile:\t   46080 kB\n")
	want := memory{anonymous: "10.0 MiB", file: "45.0 MiB"}

	if diff := cmp.Diff(want, got, cmp.AllowUnexported(memory{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
