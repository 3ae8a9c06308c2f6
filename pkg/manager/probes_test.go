package manager

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

func TestProbes(t *testing.T) {
	t.Parallel()

	board := newBoard(clocktesting.NewFakePassiveClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
	probes := (&process{board: board}).probes()

	put := func(one, two State) {
		board.put(Row{Name: "one", State: one})
		board.put(Row{Name: "two", State: two})
	}

	steps := []struct {
		name     string
		one, two State
		code     int
		body     string
	}{
		{"both start", Starting, Starting, http.StatusServiceUnavailable, "controller one is starting\n"},
		{"one runs", Running, Starting, http.StatusServiceUnavailable, "controller two is starting\n"},
		{"one stands by, one waits", Standby, Waiting, http.StatusOK, "ok"},
		{"one starts later", Standby, Starting, http.StatusOK, "ok"},
	}

	for _, step := range steps {
		put(step.one, step.two)

		if code, body := ask(t, probes, "/readyz"); code != step.code || body != step.body {
			t.Errorf("%s: /readyz says %d %q, want %d %q", step.name, code, body, step.code, step.body)
		}

		if code, body := ask(t, probes, "/healthz"); code != http.StatusOK || body != "ok" {
			t.Errorf("%s: /healthz says %d %q", step.name, code, body)
		}
	}

	if code, _ := ask(t, probes, "/other"); code != http.StatusNotFound {
		t.Errorf("/other says %d", code)
	}
}

func ask(t *testing.T, handler http.Handler, path string) (code int, body string) {
	t.Helper()

	response := httptest.NewRecorder()
	handler.ServeHTTP(response, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))

	return response.Code, response.Body.String()
}
