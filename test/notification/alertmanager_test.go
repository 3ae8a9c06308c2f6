package notification_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ks-core/ks-controller-manager/test/cluster/process"
)

// alertmanager starts a real one that posts to an address, and gives its own.
func alertmanager(tb testing.TB, to string) string {
	tb.Helper()

	var stderr bytes.Buffer

	command := exec.CommandContext(tb.Context(), root+"/hack/engines/build.sh", "--path", "alertmanager")
	command.Stderr = &stderr

	path, err := command.Output()

	switch {
	case err == nil:
	case os.Getenv("CI") == "true": // what checks every change must have built it
		tb.Fatal(stderr.String())
	default:
		tb.Skip(stderr.String())
	}

	dir, address := tb.TempDir(), freeAddress(tb)
	config := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(`route: {receiver: manager, group_by: [alertname], group_wait: 1s, group_interval: 1s}
receivers: [{name: manager, webhook_configs: [{url: "http://%s/api/v2/alerts"}]}]
`, to)

	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}

	running, err := process.Start(process.Command{
		Name: "alertmanager", Path: filepath.Join(strings.TrimSpace(string(path)), "alertmanager"),
		Log: filepath.Join(dir, "log"), Args: []string{
			"--config.file=" + config, "--storage.path=" + dir, "--web.listen-address=" + address,
			"--cluster.listen-address=",
		},
	})
	if err != nil {
		tb.Fatal(err)
	}

	tb.Cleanup(func() {
		if err := running.Stop(); err != nil {
			tb.Error(err)
		}
	})

	return address
}

// TestAlertmanager has a real Alertmanager post while the service is there, while it is not, and afterwards.
func TestAlertmanager(t *testing.T) {
	w := newWorld(t, "alertmanager", nil)
	to := newSink()
	w.webhook("sink", serve(t, to))
	w.start()

	address := alertmanager(t, w.address)
	find := func(pod string) func() error {
		return func() error { return none(to.missing([]string{pod})) }
	}

	w.eventually("Alertmanager takes alerts", func() error { return postTo(t, address, "before") })
	w.eventually("the first arrives", find("before"))

	w.kill()

	if err := postTo(t, address, "meanwhile"); err != nil {
		t.Fatal(err)
	}

	<-time.After(3 * time.Second) // Alertmanager has tried
	w.start()
	w.eventually("what was posted meanwhile arrives", find("meanwhile"))

	if err := postTo(t, address, "after"); err != nil {
		t.Fatal(err)
	}

	w.eventually("the last arrives", find("after"))
}

// postTo posts an alert to Alertmanager, in a group of its own.
func postTo(tb testing.TB, address, pod string) error {
	tb.Helper()

	body, err := json.Marshal([]map[string]any{{"labels": map[string]string{"alertname": "Down-" + pod, "pod": pod}}})
	if err != nil {
		return err
	}

	request, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, "http://"+address+"/api/v2/alerts",
		bytes.NewReader(body))
	if err != nil {
		return err
	}

	request.Header.Set("Content-Type", "application/json")

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}

	defer response.Body.Close()

	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%w %s", errStatus, response.Status)
	}

	return nil
}
