package manager

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/klog/v2"
)

func TestLogLevel(t *testing.T) {
	tests := []struct {
		name, method, body string
		code               int
		verbose            bool
	}{
		{"raise", http.MethodPut, "4\n", http.StatusOK, true},
		{"refuse words", http.MethodPut, "loud", http.StatusBadRequest, true},
		{"refuse negatives", http.MethodPut, "-1", http.StatusBadRequest, true},
		{"refuse a flood", http.MethodPut, strings.Repeat("1", 100), http.StatusBadRequest, true},
		{"refuse GET", http.MethodGet, "", http.StatusMethodNotAllowed, true},
		{"lower", http.MethodPut, "0", http.StatusOK, false},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			response := httptest.NewRecorder()
			request := httptest.NewRequestWithContext(
				t.Context(), test.method, "/debug/flags/v", strings.NewReader(test.body))
			serveLogLevel(response, request)

			if response.Code != test.code {
				t.Errorf("code %d, want %d: %s", response.Code, test.code, response.Body)
			}

			if got := klog.Background().V(4).Enabled(); got != test.verbose {
				t.Errorf("level 4 is logged: %t, want %t", got, test.verbose)
			}
		})
	}
}
