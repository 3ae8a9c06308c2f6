package supervisor_test

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/ks-core/ks-controller-manager/test/cluster/process"
)

// childPatience is how long a child may take to end: the race detector makes it slow.
const childPatience = 20 * time.Second

// child is a manager in a process of its own, which can be killed.
type child struct {
	*running

	process *process.Process
	probes  string
	log     string
}

// startChild starts the manager with the command line of the product as a ServiceAccount. What it asks of the API
// server is recorded on the way there. It does not wait for anything; the child ends with the test.
func startChild(t *testing.T, account string, flags ...string) *child {
	t.Helper()

	return startChildAs(t, plainChild, account, flags...)
}

func startChildAs(t *testing.T, what, account string, flags ...string) *child {
	t.Helper()

	recorded := &calls{}
	folder := t.TempDir()
	started := &child{probes: freeAddress(t), log: filepath.Join(folder, "log")}
	diagnostics := freeAddress(t)

	var err error

	started.process, err = process.Start(process.Command{
		Name: "the child", Path: os.Args[0], Log: started.log, StopTimeout: childPatience,
		// The race detector would have it linger for a second at its end.
		Env: []string{childFlag + "=" + what, "GORACE=atexit_sleep_ms=0"},
		Args: append([]string{
			"--kubeconfig=" + recordedKubeconfig(t, account, folder, recorded),
			"--diagnostics-address=" + diagnostics, "--insecure-diagnostics",
			"--health-probe-bind-address=" + started.probes,
		}, flags...),
	})
	if err != nil {
		t.Fatal(err)
	}

	started.running = &running{
		diagnostics: "http://" + diagnostics, calls: recorded, done: make(chan struct{}),
		cancel: func() { _ = started.process.Stop() },
	}

	go func() {
		defer close(started.done)

		started.err = started.process.Failure()
	}()

	t.Cleanup(func() {
		_ = started.stop()

		if t.Failed() {
			t.Logf("the log of the child:\n%s", strings.Join(started.lines(t), "\n"))
		}
	})

	return started
}

// recordedKubeconfig writes a kubeconfig of a ServiceAccount that leads through a proxy, which records.
func recordedKubeconfig(t *testing.T, account, folder string, recorded *calls) string {
	t.Helper()

	path := filepath.Join(folder, "kubeconfig")
	if err := shared.ServiceAccountKubeconfig(t.Context(), accountNamespace, account, path); err != nil {
		t.Fatal(err)
	}

	proxy := newRecorder(t, recorded)

	kubeconfig, err := clientcmd.LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}

	for _, server := range kubeconfig.Clusters {
		server.Server = proxy.URL
		server.CertificateAuthorityData = pem.EncodeToMemory(&pem.Block{
			Type: "CERTIFICATE", Bytes: proxy.Certificate().Raw,
		})
	}

	if err := clientcmd.WriteToFile(*kubeconfig, path); err != nil {
		t.Fatal(err)
	}

	return path
}

// newRecorder starts a proxy in front of the API server. Whoever goes through it shows its own token.
func newRecorder(t *testing.T, recorded *calls) *httptest.Server {
	t.Helper()

	target, err := url.Parse(shared.Config().Host)
	if err != nil {
		t.Fatal(err)
	}

	transport, err := rest.TransportFor(rest.AnonymousClientConfig(shared.Config()))
	if err != nil {
		t.Fatal(err)
	}

	proxy := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite:       func(request *httputil.ProxyRequest) { request.SetURL(target) },
		Transport:     recorded.wrap(transport),
		FlushInterval: -1, // a watch is told of each event at once
		ErrorHandler: func(writer http.ResponseWriter, _ *http.Request, _ error) {
			writer.WriteHeader(http.StatusBadGateway)
		},
	})
	proxy.EnableHTTP2 = true
	proxy.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	proxy.StartTLS()
	t.Cleanup(proxy.Close)

	return proxy
}

// signal sends a signal to the child, and returns when.
func (c *child) signal(t *testing.T, signal syscall.Signal) time.Time {
	t.Helper()

	if err := syscall.Kill(c.process.PID(), signal); err != nil {
		t.Fatal(err)
	}

	return time.Now()
}

// exitedWell tells whether the child has ended with code 0.
func (c *child) exitedWell() bool { return strings.Contains(c.err.Error(), "exit status 0") }

// lines returns what the child has logged.
func (c *child) lines(t *testing.T) []string {
	t.Helper()

	logged, err := os.ReadFile(c.log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}

	return strings.Split(strings.TrimSpace(string(logged)), "\n")
}
