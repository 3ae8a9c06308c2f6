package scale_test

import (
	"encoding/json"
	"net"
	"net/http"
	"testing"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// runs returns how often each running controller has looked at an object, from the status page.
func (r *running) runs(t *testing.T) map[string]uint64 {
	t.Helper()

	runs := map[string]uint64{}

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.page, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return runs // it is not there yet
	}

	defer func() { _ = response.Body.Close() }()

	var status manager.Status
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil {
		t.Fatal(err)
	}

	for _, row := range status.Controllers {
		if row.State == manager.Running {
			runs[row.Name] = row.Runs.Runs
		}
	}

	return runs
}

// freeAddress returns an address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	defer func() { _ = listener.Close() }()

	return listener.Addr().String()
}
