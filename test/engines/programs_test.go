package engines_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ks-core/ks-controller-manager/test/cluster/process"
)

// exporter has the one metric of these tests.
type exporter struct {
	mutex  sync.Mutex
	values map[series]float64
}

// series is one of the metric.
type series struct{ namespace, name string }

func (e *exporter) set(name string, value float64) { e.setIn("demo", name, value) }

func (e *exporter) setIn(namespace, name string, value float64) {
	e.mutex.Lock()
	defer e.mutex.Unlock()

	e.values[series{namespace, name}] = value
}

func (e *exporter) ServeHTTP(writer http.ResponseWriter, _ *http.Request) {
	e.mutex.Lock()
	defer e.mutex.Unlock()

	for one, value := range e.values {
		_, _ = fmt.Fprintf(writer, "demo_value{case=%q,namespace=%q} %g\n", one.name, one.namespace, value)
	}
}

// address returns one on loopback that is free now.
func address(tb testing.TB) string {
	tb.Helper()

	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}

	defer listener.Close()

	return listener.Addr().String()
}

func write(tb testing.TB, path, content string) string {
	tb.Helper()

	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}

	return path
}

// start runs a program until the test ends, or the function is called.
func start(tb testing.TB, name, path string, arguments ...string) (stop func()) {
	tb.Helper()

	log := filepath.Join(tb.TempDir(), name+".log")

	running, err := process.Start(process.Command{Name: name, Path: path, Args: arguments, Log: log})
	if err != nil {
		tb.Fatal(err)
	}

	stop = sync.OnceFunc(func() {
		if err := running.Stop(); err != nil {
			tb.Error(err)
		}
	})

	tb.Cleanup(func() {
		stop()

		if tb.Failed() {
			tb.Logf("the log of %s:\n%s%s", name, crash(log), process.Tail(log, 10))
		}
	})

	return stop
}

// crash returns how a program has crashed, if it has.
func crash(log string) string {
	content, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}

	for _, mark := range []string{"\npanic: ", "\nfatal error: ", "\nruntime: ", "\nSIG"} {
		if at := bytes.Index(content, []byte(mark)); at >= 0 {
			const enough = 3000

			return string(content[at:min(at+enough, len(content))]) + "\n...\n"
		}
	}

	return ""
}

// ask sends a request without a body.
func ask(tb testing.TB, method, url string) (*http.Response, error) {
	tb.Helper()

	request, err := http.NewRequestWithContext(tb.Context(), method, url, http.NoBody)
	if err != nil {
		return nil, err
	}

	return http.DefaultClient.Do(request)
}

// ready waits until a program answers.
func ready(tb testing.TB, url string) {
	tb.Helper()

	eventually(tb, url+" answers", func() bool {
		response, err := ask(tb, http.MethodGet, url)
		if err != nil {
			return false
		}

		defer response.Body.Close()

		return response.StatusCode == http.StatusOK
	})
}

// eventually waits until something is so.
func eventually(tb testing.TB, what string, check func() bool) {
	tb.Helper()

	for end := time.Now().Add(patience); time.Now().Before(end); {
		if check() {
			return
		}

		<-time.After(20 * time.Millisecond)
	}

	tb.Fatalf("it does not come to this: %s", what)
}

// get reads an answer.
func get[T any](tb testing.TB, url string) T {
	tb.Helper()

	var value T

	response, err := ask(tb, http.MethodGet, url)
	if err != nil {
		tb.Fatal(err)
	}

	defer response.Body.Close()

	if err := json.NewDecoder(response.Body).Decode(&value); err != nil {
		tb.Fatalf("%s: %s: %v", url, response.Status, err)
	}

	return value
}

// alertmanager starts a real one.
func alertmanager(tb testing.TB) string {
	tb.Helper()

	dir, listen := tb.TempDir(), address(tb)
	config := write(tb, filepath.Join(dir, "config.yaml"), "route: {receiver: none}\nreceivers: [{name: none}]\n")

	start(tb, "alertmanager", filepath.Join(engines, "alertmanager"), "--config.file="+config,
		"--storage.path="+dir, "--web.listen-address="+listen, "--cluster.listen-address=")
	ready(tb, "http://"+listen+"/-/ready")

	return listen
}

// prometheus starts a real one that scrapes an exporter each second, and evaluates the rules of a folder if one is
// named.
func prometheus(tb testing.TB, exporter, alertmanager, rules string) string {
	tb.Helper()

	dir, listen := tb.TempDir(), address(tb)

	text := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\n"+
		"scrape_configs: [{job_name: demo, static_configs: [{targets: [%q]}]}]\n", exporter)
	if rules != "" {
		text += fmt.Sprintf("rule_files: [%q]\nalerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}\n",
			rules+"/*.yaml", alertmanager)
	}

	config := write(tb, filepath.Join(dir, "config.yaml"), text)

	start(tb, "prometheus", filepath.Join(engines, "prometheus"), "--config.file="+config,
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+listen, "--web.enable-lifecycle")
	ready(tb, "http://"+listen+"/-/ready")

	return listen
}

// thanosRuler starts a real one that asks a Prometheus.
func thanosRuler(tb testing.TB, prometheus, alertmanager, rules string) string {
	tb.Helper()

	listen := address(tb)

	start(tb, "thanos", filepath.Join(engines, "thanos"), "rule", "--data-dir="+tb.TempDir(),
		"--http-address="+listen, "--grpc-address="+address(tb), "--query=http://"+prometheus,
		"--alertmanagers.url=http://"+alertmanager, "--rule-file="+rules+"/*.yaml", "--eval-interval=1s",
		"--resend-delay=1s", `--label=replica="a"`, "--alert.label-drop=replica")
	ready(tb, "http://"+listen+"/-/ready")

	return listen
}

// counter reads a counter of the agent.
func counter(tb testing.TB, agent, metric string) string {
	tb.Helper()

	response, err := ask(tb, http.MethodGet, "http://"+agent+"/metrics")
	if err != nil {
		tb.Fatal(err)
	}

	defer response.Body.Close()

	text := new(strings.Builder)
	if _, err := io.Copy(text, response.Body); err != nil {
		tb.Fatal(err)
	}

	for line := range strings.Lines(text.String()) {
		if value, found := strings.CutPrefix(line, metric+" "); found {
			return strings.TrimSpace(value)
		}
	}

	tb.Fatalf("the agent has no metric %s", metric)

	return ""
}
