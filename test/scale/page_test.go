package scale_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"testing"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// runs returns how often each running controller has looked at an object, from the status page; nothing while the
// page is not there.
func (r *running) runs(ctx context.Context) map[string]uint64 {
	runs := map[string]uint64{}

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.page, http.NoBody)
	if err != nil {
		return runs
	}

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return runs
	}

	defer func() { _ = response.Body.Close() }()

	var status manager.Status
	if json.NewDecoder(response.Body).Decode(&status) != nil {
		return runs
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
