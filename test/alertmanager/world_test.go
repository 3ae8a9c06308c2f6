// Package alertmanager holds the engine of notification to a real Alertmanager: the same alerts are posted to both at
// the same time, and both must tell the same.
package alertmanager_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/engine"
	"github.com/ks-core/ks-controller-manager/pkg/notification/grouping"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
	"github.com/ks-core/ks-controller-manager/pkg/notification/store"
	"github.com/ks-core/ks-controller-manager/pkg/notification/target"
)

// The timing of both. All that happens to alerts happens at whole beats, and all that is told is told half a beat
// later, so that neither the machine nor the wire decides what is told.
const (
	beat     = 3 * time.Second
	wait     = beat / 2
	interval = beat
	repeat   = 10 * time.Second
)

// told are the notifications of each group, in their order, each with what fires and what is resolved.
type told struct {
	mutex  sync.Mutex
	groups map[string][]string
}

func newTold() *told { return &told{groups: map[string][]string{}} }

// heard is one alert of a notification.
type heard struct {
	Status string            `json:"status"`
	Labels map[string]string `json:"labels"`
}

func (t *told) note(group string, alerts []heard) {
	var pods []string

	for _, one := range alerts {
		mark := ""
		if one.Status == "resolved" {
			mark = "-"
		}

		pods = append(pods, one.Labels["pod"]+mark)
	}

	slices.Sort(pods)
	t.mutex.Lock()
	defer t.mutex.Unlock()

	t.groups[group] = append(t.groups[group], strings.Join(pods, " "))
}

// all is what was told so far.
func (t *told) all() map[string][]string {
	t.mutex.Lock()
	defer t.mutex.Unlock()

	copied := map[string][]string{}
	for group, notifications := range t.groups {
		copied[group] = slices.Clone(notifications)
	}

	return copied
}

// ServeHTTP takes what Alertmanager tells.
func (t *told) ServeHTTP(_ http.ResponseWriter, request *http.Request) {
	var body struct {
		GroupLabels map[string]string `json:"groupLabels"`
		Alerts      []heard           `json:"alerts"`
	}

	if err := json.NewDecoder(request.Body).Decode(&body); err == nil {
		t.note(body.GroupLabels["alertname"], body.Alerts)
	}
}

// Render and Send take what the engine tells.
func (*told) Render(data *message.Data) ([]channel.Message, error) {
	text, err := json.Marshal(data)

	return []channel.Message{{Title: data.GroupLabels["alertname"], Text: string(text)}}, err
}

func (t *told) Send(_ context.Context, one channel.Message) error {
	var body struct {
		Alerts []heard `json:"alerts"`
	}

	if err := json.Unmarshal([]byte(one.Text), &body); err != nil {
		return err
	}

	t.note(one.Title, body.Alerts)

	return nil
}

const configuration = `
route: {receiver: sink, group_by: [alertname], group_wait: %dms, group_interval: %dms, repeat_interval: %dms}
receivers: [{name: sink, webhook_configs: [{url: %q, send_resolved: true}]}]
inhibit_rules:
- {source_matchers: ['severity="critical"'], target_matchers: ['severity="warning"'], equal: [alertname]}
`

// startAlertmanager starts a real one that tells a sink, and gives its address.
func startAlertmanager(t *testing.T, sink *told) string {
	t.Helper()

	server := httptest.NewServer(sink)
	t.Cleanup(server.Close)

	dir, address := t.TempDir(), freeAddress(t)
	config := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(configuration, wait.Milliseconds(), interval.Milliseconds(), repeat.Milliseconds(), server.URL)

	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	run(t, address, config, dir)

	return address
}

// run runs an Alertmanager until the test ends.
func run(tb testing.TB, address, config, dir string) {
	tb.Helper()

	var output bytes.Buffer

	command := exec.CommandContext(tb.Context(), program(tb), "--config.file="+config, "--storage.path="+dir,
		"--web.listen-address="+address, "--cluster.listen-address=")
	command.Stdout, command.Stderr = &output, &output

	if err := command.Start(); err != nil {
		tb.Fatal(err)
	}

	tb.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait() // it was killed

		if tb.Failed() {
			tb.Log(output.String())
		}
	})
	answers(tb, "http://"+address+"/-/ready")
}

// program is where Alertmanager was built. What checks every change must have built it.
func program(tb testing.TB) string {
	tb.Helper()

	var stderr bytes.Buffer

	command := exec.CommandContext(tb.Context(), "../../hack/engines/build.sh", "--path", "alertmanager")
	command.Stderr = &stderr

	path, err := command.Output()

	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		tb.Fatal(stderr.String())
	default:
		tb.Skip(stderr.String())
	}

	return filepath.Join(strings.TrimSpace(string(path)), "alertmanager")
}

func freeAddress(tb testing.TB) string {
	tb.Helper()

	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}

	defer listener.Close()

	return listener.Addr().String()
}

func answers(tb testing.TB, url string) {
	tb.Helper()

	const patience = time.Minute

	for end := time.Now().Add(patience); time.Now().Before(end); {
		request, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			tb.Fatal(err)
		}

		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close() // its status is all there is to it

			if response.StatusCode == http.StatusOK {
				return
			}
		}

		<-time.After(20 * time.Millisecond)
	}

	tb.Fatalf("%s does not answer", url)
}

// post posts alerts to Alertmanager.
func post(ctx context.Context, address string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/api/v2/alerts",
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
		answer, err := io.ReadAll(response.Body)

		return fmt.Errorf("%s: %s, %w", response.Status, answer, err)
	}

	return nil
}

// startEngine starts ours, which tells a sink.
func startEngine(tb testing.TB, sink *told, waits time.Duration) *engine.Engine {
	tb.Helper()

	kept, _, err := store.Open(filepath.Join(tb.TempDir(), "store"), time.Now(), store.Options{})
	if err != nil {
		tb.Fatal(err)
	}

	ours := engine.New(engine.Options{
		Store: kept, Clock: clock.RealClock{}, Random: func() float64 { return 0.5 }, Abreast: 16, Grace: time.Second,
	})
	ctx, cancel := context.WithCancel(tb.Context())

	var running sync.WaitGroup

	running.Go(func() {
		if err := ours.Run(ctx); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(func() {
		cancel()
		running.Wait()

		if err := kept.Close(); err != nil {
			tb.Error(err)
		}
	})

	err = ours.Configure(ctx, engine.Settings{
		Limits: delivery.DefaultLimits(),
		Timing: grouping.Timing{
			Mode: grouping.Engine, By: []string{"alertname"}, Wait: waits, Interval: interval, Repeat: repeat,
		},
	})
	if err != nil {
		tb.Fatal(err)
	}

	err = ours.PutReceiver(ctx, &target.Receiver{
		Route: &routing.Receiver{
			Name: "sink", Owner: selector.Owner{Kind: selector.Global},
			Channels: []routing.Channel{{Type: "webhook", Enabled: true}},
		},
		Targets: []target.Target{{Key: "webhook", Type: channel.Webhook, Channel: sink, Timeout: time.Minute}},
	})
	if err != nil {
		tb.Fatal(err)
	}

	return ours
}

// both posts the same to both.
func both(t *testing.T, address string, ours *engine.Engine, alerts []posted) {
	t.Helper()

	body, err := json.Marshal(alerts)
	if err != nil {
		t.Fatal(err)
	}

	if err := post(t.Context(), address, body); err != nil {
		t.Fatal(err)
	}

	read, refused, err := alert.Decode(body, time.Now())
	if err != nil || len(refused) > 0 {
		t.Fatal(refused, err)
	}

	if err := ours.Ingest(t.Context(), read); err != nil {
		t.Fatal(err)
	}
}
