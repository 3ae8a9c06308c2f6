package outage_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"

	"github.com/ks-core/ks-controller-manager/test/cluster/outage"
)

const (
	// patience is more than anything here takes.
	patience = 30 * time.Second
	// moment is how long a test watches that nothing comes.
	moment = 100 * time.Millisecond
)

func TestPassesBytesOn(t *testing.T) {
	t.Parallel()

	target := echo(t)
	proxy := outage.ForTest(t, target)

	for range 2 {
		client := dial(t, address(proxy))
		send(t, client, "hello")
		receive(t, client, "hello")
	}

	if got := proxy.Accepted(); got != 2 {
		t.Errorf("accepted %d connections, want 2", got)
	}
}

func TestHangUpIsPassedOn(t *testing.T) {
	t.Parallel()

	listener := listen(t)
	proxy := outage.ForTest(t, listener.Addr().String())
	client := dial(t, address(proxy))

	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}

	send(t, server, "bye")
	finish(t, server)
	receive(t, client, "bye")
	expectEnd(t, client)
}

func TestServerThatIsReallyGone(t *testing.T) {
	t.Parallel()

	listener := listen(t)
	proxy := outage.ForTest(t, listener.Addr().String())

	finish(t, listener)
	expectEnd(t, dial(t, address(proxy)))
}

func TestCut(t *testing.T) {
	t.Parallel()

	target := echo(t)
	proxy := outage.ForTest(t, target)
	before := address(proxy)

	for outages := range 3 {
		client := dial(t, before)
		send(t, client, "hello")
		receive(t, client, "hello")

		for range 2 {
			proxy.Cut()
		}

		expectEnd(t, client)
		expectRefused(t, before)
		proxy.Freeze()
		expectRefused(t, before)

		for range 2 {
			if err := proxy.Restore(); err != nil {
				t.Fatalf("restoring: %v", err)
			}
		}

		if got, want := proxy.Accepted(), outages+1; got != want {
			t.Errorf("accepted %d connections, want %d", got, want)
		}
	}

	if after := address(proxy); after != before {
		t.Errorf("the proxy has moved from %s to %s", before, after)
	}

	// Whoever does not go through the proxy saw no outage.
	direct := dial(t, target)
	send(t, direct, "hello")
	receive(t, direct, "hello")
}

func TestFreeze(t *testing.T) {
	t.Parallel()

	proxy := outage.ForTest(t, echo(t))
	early := dial(t, address(proxy))
	send(t, early, "before ")
	receive(t, early, "before ")

	for range 2 {
		proxy.Freeze()
	}

	late := dial(t, address(proxy))
	eventually(t, "the frozen proxy accepts", func() bool { return proxy.Accepted() == 2 })

	for _, client := range []net.Conn{early, late} {
		send(t, client, "meanwhile")
	}

	for _, client := range []net.Conn{early, late} {
		expectSilence(t, client)
	}

	if err := proxy.Restore(); err != nil {
		t.Fatalf("restoring: %v", err)
	}

	for _, client := range []net.Conn{early, late} {
		receive(t, client, "meanwhile")
	}
}

func TestFreezeHoldsUpTheEnd(t *testing.T) {
	t.Parallel()

	listener := listen(t)
	proxy := outage.ForTest(t, listener.Addr().String())
	client := dial(t, address(proxy))

	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}

	proxy.Freeze()
	finish(t, server)
	expectSilence(t, client)

	if err := proxy.Restore(); err != nil {
		t.Fatalf("restoring: %v", err)
	}

	expectEnd(t, client)
}

func TestCutWhileFrozen(t *testing.T) {
	t.Parallel()

	proxy := outage.ForTest(t, echo(t))
	client := dial(t, address(proxy))

	proxy.Freeze()
	send(t, client, "hello")
	proxy.Cut()
	expectEnd(t, client)

	if err := proxy.Restore(); err != nil {
		t.Fatalf("restoring: %v", err)
	}

	client = dial(t, address(proxy))
	send(t, client, "hello")
	receive(t, client, "hello")
}

func TestRestoreOfATakenPort(t *testing.T) {
	t.Parallel()

	proxy := outage.ForTest(t, echo(t))
	proxy.Cut()

	taker, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address(proxy))
	if err != nil {
		t.Fatal(err)
	}

	if err := proxy.Restore(); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("restoring on a port that is taken: %v", err)
	}

	finish(t, taker)

	if err := proxy.Restore(); err != nil {
		t.Errorf("restoring: %v", err)
	}
}

func TestClose(t *testing.T) { //nolint:paralleltest // it counts goroutines
	for name, state := range map[string]func(*outage.Proxy){
		"open":   func(*outage.Proxy) {},
		"cut":    (*outage.Proxy).Cut,
		"frozen": (*outage.Proxy).Freeze,
	} {
		t.Run(name, func(t *testing.T) {
			proxy := outage.ForTest(t, echo(t))
			at := address(proxy)
			busy := dial(t, at)
			send(t, busy, "hello")
			receive(t, busy, "hello")
			dial(t, at)

			if goroutines(t) == "" {
				t.Error("the test does not see the goroutines of the proxy")
			}

			state(proxy)

			for range 2 {
				if err := proxy.Close(); err != nil {
					t.Errorf("closing: %v", err)
				}
			}

			if left := goroutines(t); left != "" {
				t.Errorf("left behind:\n%s", left)
			}

			expectEnd(t, busy)
			expectRefused(t, at)

			proxy.Cut()
			proxy.Freeze()

			if err := proxy.Restore(); err == nil {
				t.Error("a closed proxy was restored")
			}

			expectRefused(t, at)
		})
	}
}

// TestAllAtOnce is for the race detector.
func TestAllAtOnce(t *testing.T) {
	t.Parallel()

	proxy := outage.ForTest(t, echo(t))
	at := address(proxy)

	var group sync.WaitGroup

	for _, act := range []func(){
		proxy.Cut, proxy.Freeze,
		func() { _ = proxy.Restore() }, // another port's user may come in between
		func() { proxy.Accepted() },
		func() {
			if client, err := connect(t.Context(), at); err == nil {
				_, _ = client.Write([]byte("hello"))
				_ = client.Close() // it may be cut meanwhile
			}
		},
	} {
		group.Go(func() {
			for range 50 {
				act()
			}
		})
	}

	group.Wait()

	if err := proxy.Restore(); err != nil {
		t.Fatalf("restoring: %v", err)
	}

	client := dial(t, at)
	send(t, client, "hello")
	receive(t, client, "hello")
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()

	for _, target := range []string{"", "127.0.0.1", "https://127.0.0.1", "://127.0.0.1:6443", "a:b:c"} {
		if _, err := outage.New(target); err == nil || !strings.HasPrefix(err.Error(), "the target of the proxy: ") {
			t.Errorf("New(%q) = %v", target, err)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()

	proxy := outage.ForTest(t, "https://127.0.0.1:6443/")
	at := address(proxy)
	authority := rest.TLSClientConfig{CAData: []byte("any")}
	named := rest.TLSClientConfig{ServerName: "api.example.com"}

	tests := map[string]struct {
		config rest.Config
		host   string
		name   string
	}{
		"as test/cluster has it": {rest.Config{Host: "https://127.0.0.1:6443/"}, "https://" + at + "/", "127.0.0.1"},
		"by name":                {rest.Config{Host: "https://localhost:6443"}, "https://" + at, "localhost"},
		"with a path":            {rest.Config{Host: "https://127.0.0.1:6443/c/a"}, "https://" + at + "/c/a", "127.0.0.1"},
		"with a name of its own": {rest.Config{Host: "https://[::1]:1/", TLSClientConfig: named}, "https://" + at + "/", "api.example.com"},
		"host and port":          {rest.Config{Host: "127.0.0.1:6443", TLSClientConfig: authority}, "https://" + at, "127.0.0.1"},
		"without TLS":            {rest.Config{Host: "http://127.0.0.1:6443"}, "http://" + at, ""},
		"unusable":               {rest.Config{Host: "http://%"}, "http://%", ""},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			before := rest.CopyConfig(&test.config)

			got := proxy.Config(&test.config)
			if got.Host != test.host || got.ServerName != test.name {
				t.Errorf("host %q, server name %q, want %q, %q", got.Host, got.ServerName, test.host, test.name)
			}

			if test.config.Host != before.Host || test.config.ServerName != before.ServerName {
				t.Error("the configuration was changed in place")
			}

			if diff := cmp.Diff(before.CAData, got.CAData); diff != "" {
				t.Errorf("authority (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTLS goes through with a certificate that is checked.
func TestTLS(t *testing.T) {
	t.Parallel()

	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok"))
	}))
	t.Cleanup(server.Close)

	proxy := outage.ForTest(t, server.URL)
	config := proxy.Config(&rest.Config{Host: server.URL, TLSClientConfig: rest.TLSClientConfig{
		CAData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
	}})

	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()

	get := func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, config.Host, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}

		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()

		body, err := io.ReadAll(response.Body)
		if string(body) != "ok" {
			t.Errorf("body %q, %v", body, err)
		}

		return err
	}

	if err := get(t.Context()); err != nil {
		t.Errorf("before: %v", err)
	}

	proxy.Cut()

	if err := get(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("while cut: %v", err)
	}

	if err := proxy.Restore(); err != nil {
		t.Fatalf("restoring: %v", err)
	}

	if err := get(t.Context()); err != nil {
		t.Errorf("after: %v", err)
	}

	proxy.Freeze()

	impatient, cancel := context.WithTimeout(t.Context(), moment)
	defer cancel()

	if err := get(impatient); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while frozen: %v", err)
	}
}

// address is where clients of the proxy connect.
func address(proxy *outage.Proxy) string {
	return strings.TrimPrefix(proxy.Config(&rest.Config{Host: "http://127.0.0.1:1"}).Host, "http://")
}

func listen(t *testing.T) net.Listener {
	t.Helper()

	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = listener.Close() })

	return listener
}

// echo starts a server that sends back what it gets and returns its address.
func echo(t *testing.T) string {
	t.Helper()

	listener := listen(t)

	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}

			go func() {
				defer connection.Close()

				_, _ = io.Copy(connection, connection)
			}()
		}
	}()

	return listener.Addr().String()
}

func connect(ctx context.Context, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()

	connection, err := connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = connection.Close() })

	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}

	return connection
}

func finish(t *testing.T, closer io.Closer) {
	t.Helper()

	if err := closer.Close(); err != nil {
		t.Fatalf("closing: %v", err)
	}
}

func send(t *testing.T, to net.Conn, text string) {
	t.Helper()

	if _, err := io.WriteString(to, text); err != nil {
		t.Fatalf("sending: %v", err)
	}
}

func receive(t *testing.T, from net.Conn, want string) {
	t.Helper()

	got := make([]byte, len(want))
	if _, err := io.ReadFull(from, got); err != nil || string(got) != want {
		t.Fatalf("received %q, %v, want %q", got, err, want)
	}
}

// expectEnd expects that the other side hangs up without another word.
func expectEnd(t *testing.T, connection net.Conn) {
	t.Helper()

	count, err := connection.Read(make([]byte, 1))
	if count > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d bytes, %v, want the end", count, err)
	}
}

// expectSilence expects that a connection stays and nothing comes.
func expectSilence(t *testing.T, connection net.Conn) {
	t.Helper()

	if err := connection.SetReadDeadline(time.Now().Add(moment)); err != nil {
		t.Fatal(err)
	}

	if count, err := connection.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d bytes, %v, want none", count, err)
	}

	if err := connection.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
}

func expectRefused(t *testing.T, address string) {
	t.Helper()

	connection, err := connect(t.Context(), address)
	if err == nil {
		finish(t, connection)
	}

	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("connecting to %s: %v, want that it is refused", address, err)
	}
}

// goroutines returns the stacks that run code of the proxy's relay.
func goroutines(t *testing.T) string {
	t.Helper()

	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]

	var found []string

	for stack := range bytes.SplitSeq(stacks, []byte("\n\n")) {
		if bytes.Contains(stack, []byte("/outage.(*relay).")) {
			found = append(found, string(stack))
		}
	}

	return strings.Join(found, "\n\n")
}

func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()

	err := wait.PollUntilContextTimeout(t.Context(), time.Millisecond, patience, true,
		func(context.Context) (bool, error) { return check(), nil })
	if err != nil {
		t.Fatalf("waiting until %s: %v", what, err)
	}
}
