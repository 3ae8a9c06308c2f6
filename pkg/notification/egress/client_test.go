package egress

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

// loopback lets tests reach the servers they start.
func loopback() Guard {
	return Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}
}

func newClient(t *testing.T, stack *Stack, settings Settings) *Client {
	t.Helper()

	client, err := stack.Client(settings)
	if err != nil {
		t.Fatal(err)
	}

	return client
}

func endpoint(t *testing.T, text string) Endpoint {
	t.Helper()

	made, err := ParseEndpoint(text)
	if err != nil {
		t.Fatal(err)
	}

	return made
}

func TestDoSendsAndReads(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		user, password, _ := r.BasicAuth()

		w.Header().Set("X-Seen", r.Header.Get("X-Ours"))
		w.WriteHeader(http.StatusAccepted)

		//nolint:gosec // a test's server says what it got
		_, _ = io.WriteString(w, strings.Join([]string{
			r.Method, r.URL.RequestURI(), string(body), r.UserAgent(), user, password,
		}, " "))
	}))
	defer server.Close()

	client := newClient(t, New(Options{UserAgent: "ours/1"}), Settings{
		Guard: loopback(), Username: "anna", Password: secret.New("pass"),
	})

	if shown := fmt.Sprintf("%v %+v %#v", client, client, client); strings.Contains(shown, "pass") {
		t.Errorf("shown: %s", shown)
	}

	got, err := client.Do(t.Context(), Request{
		To:     endpoint(t, server.URL+"/a#part").Join("b").With("k", "v +/=").With("l", ""),
		Header: http.Header{"X-Ours": {"here"}},
		Body:   []byte("body"),
	})
	if err != nil {
		t.Fatal(err)
	}

	want := "POST /a/b?k=v+%2B%2F%3D&l= body ours/1 anna pass"
	if string(got.Body) != want || got.Status != http.StatusAccepted || got.Header.Get("X-Seen") != "here" {
		t.Errorf("got %d %q %v, want %q", got.Status, got.Body, got.Header, want)
	}
}

func TestBearerComesBeforeBasic(t *testing.T) {
	seen := make(chan string, 1)

	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("Authorization")
	}))
	defer server.Close()

	settings := Settings{
		Guard: loopback(), Username: "anna", Password: secret.New("pass"), BearerToken: secret.New("ticket"),
	}
	client := newClient(t, New(Options{}), settings)

	for header, want := range map[string]string{"": "Bearer ticket", "Bearer bot": "Bearer bot"} {
		request := Request{To: endpoint(t, server.URL)}
		if header != "" {
			request.Header = http.Header{"Authorization": {header}}
		}

		if _, err := client.Do(t.Context(), request); err != nil {
			t.Fatal(err)
		}

		if got := <-seen; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestRedirectsAreAnswers(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/target" {
			t.Error("the redirect was followed")
		}

		http.Redirect(w, r, "/target", http.StatusTemporaryRedirect)
	}))
	defer server.Close()

	got, err := newClient(t, New(Options{}), Settings{Guard: loopback()}).
		Do(t.Context(), Request{To: endpoint(t, server.URL)})
	if err != nil || got.Status != http.StatusTemporaryRedirect {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	const limit = 1000

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		block := strings.Repeat("x", limit)
		for r.Context().Err() == nil { // without end, until we hang up
			if _, err := io.WriteString(w, block); err != nil {
				return
			}
		}
	}))
	defer server.Close()

	got, err := newClient(t, New(Options{AnswerLimit: limit}), Settings{Guard: loopback()}).
		Do(t.Context(), Request{To: endpoint(t, server.URL)})
	if err != nil {
		t.Fatal(err)
	}

	if len(got.Body) != limit || !errors.Is(got.Incomplete, ErrAnswerTooLong) || got.Status != http.StatusOK {
		t.Errorf("got %d bytes, %v, status %d", len(got.Body), got.Incomplete, got.Status)
	}
}

func TestDoReturnsWithinItsDeadline(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))

	defer server.Close()
	defer close(release)

	for name, test := range map[string]struct {
		stack   time.Duration
		context time.Duration
	}{
		"the context's": {stack: time.Hour, context: 20 * time.Millisecond},
		"the stack's":   {stack: 20 * time.Millisecond, context: time.Hour},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), test.context)

		_, err := newClient(t, New(Options{Timeout: test.stack}), Settings{Guard: loopback()}).
			Do(ctx, Request{To: endpoint(t, server.URL)})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v", name, err)
		}

		cancel()
	}
}

func TestErrorsShowNothingOfTheURL(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if connection, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = connection.Close()
		}
	}))
	defer server.Close()

	client := newClient(t, New(Options{Timeout: time.Second}), Settings{Guard: loopback()})

	for name, host := range map[string]string{
		"hangs up": strings.TrimPrefix(server.URL, "http://"), "blocked": "10.1.1.1", "unknown": "no.such.name.invalid",
	} {
		to := endpoint(t, "http://user:s3cretpass@"+host+"/services/s3cretpath?key=s3cretquery#s3cretpart")

		_, err := client.Do(t.Context(), Request{To: to})
		if err == nil {
			t.Fatalf("%s: no error", name)
		}

		inside := struct{ endpoint Endpoint }{to}
		shown := fmt.Sprintf("%v %s %+v %#v %v %+v %#v", err, to, to, to, inside, &inside, inside)

		if strings.Contains(shown, "s3cret") || !strings.Contains(err.Error(), "http://"+host) {
			t.Errorf("%s: %s", name, shown)
		}
	}
}

func TestEndpointsThatCannotBeUsed(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "begins with",
		"hooks.slack.com/s3cret":      "begins with",
		"ftp://host/s3cret":           "begins with",
		"file:///etc/s3cret":          "begins with",
		"http:///s3cret":              "without a host",
		"http://:80/s3cret":           "without a host",
		"http://host:0/s3cret":        "port",
		"http://host:65536/s3cret":    "port",
		"http://host:s3cret/":         "not a URL",
		"http://ho st/s3cret":         "not a URL",
		"http://host/\x00s3cret":      "not a URL",
		"https://[::1/s3cret":         "not a URL",
		"http://host/%zzs3cret":       "not a URL",
		"javascript:alert('s3cret')":  "begins with",
		"http:s3cret@host":            "without a host",
		"https://user:s3cret@:443/x?": "without a host",
	} {
		_, err := ParseEndpoint(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}

	if _, err := newClient(t, New(Options{}), Settings{}).Do(t.Context(), Request{}); err == nil {
		t.Error("nothing to send to is no error")
	}
}

func TestSettingsThatCannotBeUsed(t *testing.T) {
	pair := newCertificate(t)

	for name, test := range map[string]struct {
		settings Settings
		field    string
	}{
		"no URL as proxy":      {Settings{ProxyURL: secret.New("s3cret")}, "proxyUrl"},
		"proxy of another way": {Settings{ProxyURL: secret.New("ftp://s3cret")}, "proxyUrl"},
		"broken proxy":         {Settings{ProxyURL: secret.New("http://a b/s3cret")}, "proxyUrl"},
		"no CA":                {Settings{TLS: TLS{RootCA: secret.New("s3cret")}}, "tlsConfig.rootCA"},
		"certificate alone":    {Settings{TLS: TLS{Certificate: pair.certificate}}, "tlsConfig.clientCertificate"},
		"key alone":            {Settings{TLS: TLS{Key: pair.key}}, "tlsConfig.clientCertificate"},
		"another's key": {
			Settings{TLS: TLS{Certificate: pair.certificate, Key: newCertificate(t).key}},
			"tlsConfig.clientCertificate",
		},
		"no key": {
			Settings{TLS: TLS{Certificate: pair.certificate, Key: secret.New("s3cret")}}, "tlsConfig.clientCertificate",
		},
		"colon":          {Settings{Username: "s3cret:s3cret"}, "basicAuth.username"},
		"no name":        {Settings{Password: secret.New("s3cret")}, "basicAuth.username"},
		"line in bearer": {Settings{BearerToken: secret.New("s3cret\n")}, "bearerToken"},
	} {
		_, err := New(Options{}).Client(test.settings)

		var known *SettingError
		if !errors.As(err, &known) || known.Field != test.field || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want one of %s", name, err, test.field)
		}
	}
}

type certificate struct {
	certificate, key secret.String
	parsed           *x509.Certificate
}

func newCertificate(t *testing.T) certificate {
	t.Helper()

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	made, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, &x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}

	parsed, err := x509.ParseCertificate(made)
	if err != nil {
		t.Fatal(err)
	}

	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}

	return certificate{
		certificate: secret.New(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made}))),
		key:         secret.New(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))),
		parsed:      parsed,
	}
}

func TestTLS(t *testing.T) {
	ours := newCertificate(t)

	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strconv.Itoa(len(r.TLS.PeerCertificates)))
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = nil
	server.StartTLS()

	defer server.Close()

	root := secret.New(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))

	for name, test := range map[string]struct {
		tls  TLS
		want string // empty: refused
	}{
		"unknown root":     {TLS{}, ""},
		"its root":         {TLS{RootCA: root}, "0"},
		"another name":     {TLS{RootCA: root, ServerName: "other.test"}, ""},
		"its name":         {TLS{RootCA: root, ServerName: "example.com"}, "0"}, // httptest's certificate has it
		"another root":     {TLS{RootCA: ours.certificate}, ""},
		"not verified":     {TLS{InsecureSkipVerify: true}, "0"},
		"with certificate": {TLS{RootCA: root, Certificate: ours.certificate, Key: ours.key}, "1"},
	} {
		got, err := newClient(t, New(Options{}), Settings{Guard: loopback(), TLS: test.tls}).
			Do(t.Context(), Request{To: endpoint(t, server.URL)})

		switch {
		case test.want == "" && err == nil:
			t.Errorf("%s: was accepted", name)
		case test.want != "" && (err != nil || string(got.Body) != test.want):
			t.Errorf("%s: %v %v, want %q", name, got, err, test.want)
		}
	}
}

func TestProxy(t *testing.T) {
	var asked atomic.Value

	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.String() + " " + r.Header.Get("Proxy-Authorization"))
	}))
	defer proxy.Close()

	through := secret.New(strings.Replace(proxy.URL, "http://", "http://user:pass@", 1))
	settings := Settings{Guard: loopback(), ProxyURL: through}

	if _, err := newClient(t, New(Options{}), settings).
		Do(t.Context(), Request{To: endpoint(t, "http://hooks.example.org/x")}); err != nil {
		t.Fatal(err)
	}

	if got := asked.Load(); got != "http://hooks.example.org/x Basic dXNlcjpwYXNz" {
		t.Errorf("the proxy was asked for %v", got)
	}

	asked.Store("nothing")

	blocked := new(BlockedError)

	// A proxy that the guard does not let through.
	_, err := newClient(t, New(Options{}), Settings{ProxyURL: through}).
		Do(t.Context(), Request{To: endpoint(t, "http://hooks.example.org/x")})
	if !errors.As(err, &blocked) || strings.Contains(err.Error(), "pass") {
		t.Errorf("the guard of the proxy gave %v", err)
	}

	// A target that the proxy would connect to for us.
	_, err = newClient(t, New(Options{}), settings).
		Do(t.Context(), Request{To: endpoint(t, "http://169.254.169.254/latest/meta-data/")})
	if !errors.As(err, &blocked) {
		t.Errorf("the guard of the target gave %v", err)
	}

	if got := asked.Load(); got != "nothing" {
		t.Errorf("the proxy was asked for %v", got)
	}
}

// B8: the connections of one send serve the next; neither goroutines nor descriptors grow with the sends.
func TestSendsDoNotGrowGoroutinesOrDescriptors(t *testing.T) {
	var connections atomic.Int64

	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()

	defer server.Close()

	stack, to := New(Options{}), endpoint(t, server.URL)

	send := func() {
		// A client for each send, as when receivers are edited all the time.
		if _, err := newClient(t, stack, Settings{Guard: loopback()}).Do(t.Context(), Request{To: to}); err != nil {
			t.Fatal(err)
		}
	}

	send()

	goroutines, before := runtime.NumGoroutine(), descriptors(t)

	for range 200 {
		send()
	}

	if got := runtime.NumGoroutine(); got > goroutines+2 {
		t.Errorf("there are %d goroutines, there were %d", got, goroutines)
	}

	if got := descriptors(t); got > before+2 {
		t.Errorf("there are %d descriptors, there were %d", got, before)
	}

	if got := connections.Load(); got > 2 {
		t.Errorf("%d connections were made for one host", got)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()

	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("descriptors cannot be counted here")
	}

	return len(entries)
}

// Connections to one host are bounded even when many send at once.
func TestConnectionsPerHostAreBounded(t *testing.T) {
	const bound = 4

	var open, most atomic.Int64

	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		most.Store(max(most.Load(), open.Add(1)))
		runtime.Gosched()
		open.Add(-1)
	}))
	defer server.Close()

	client := newClient(t, New(Options{ConnectionsPerHost: bound}), Settings{Guard: loopback()})
	to := endpoint(t, server.URL)

	var senders sync.WaitGroup
	for range 64 {
		senders.Go(func() {
			if _, err := client.Do(t.Context(), Request{To: to}); err != nil {
				t.Error(err)
			}
		})
	}

	senders.Wait()

	if most.Load() > bound {
		t.Errorf("%d were open at once, want at most %d", most.Load(), bound)
	}
}

func TestConnectionsAreSharedByEqualSettingsAlone(t *testing.T) {
	stack := New(Options{})
	a, b := netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("11.0.0.0/8")

	base := newClient(t, stack, Settings{Guard: Guard{Allow: []netip.Prefix{a, b}}})

	same := newClient(t, stack, Settings{
		Guard: Guard{Allow: []netip.Prefix{b, a}}, Username: "anna", BearerToken: secret.New("other"),
	})
	if same.http.Transport != base.http.Transport {
		t.Error("credentials in headers keep connections apart")
	}

	for name, other := range map[string]Settings{
		"guard":            {},
		"private":          {Guard: Guard{Allow: []netip.Prefix{a, b}, AllowPrivate: true}},
		"deny for allow":   {Guard: Guard{Deny: []netip.Prefix{a, b}}},
		"proxy":            {Guard: Guard{Allow: []netip.Prefix{a, b}}, ProxyURL: secret.New("http://proxy")},
		"server name":      {Guard: Guard{Allow: []netip.Prefix{a, b}}, TLS: TLS{ServerName: "x"}},
		"verification":     {Guard: Guard{Allow: []netip.Prefix{a, b}}, TLS: TLS{InsecureSkipVerify: true}},
		"another sequence": {Guard: Guard{Allow: []netip.Prefix{a}, Deny: []netip.Prefix{b}}},
	} {
		if newClient(t, stack, other).http.Transport == base.http.Transport {
			t.Errorf("%s: connections are shared", name)
		}
	}
}

// A receiver that is gone leaves nothing behind, though nobody says so.
func TestConnectionsOfNobodyEnd(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()

	stack := New(Options{IdleTimeout: time.Millisecond})
	kept := newClient(t, stack, Settings{Guard: loopback()})

	for i := range 20 {
		settings := Settings{Guard: loopback(), TLS: TLS{ServerName: fmt.Sprintf("tenant-%d", i)}}

		if _, err := newClient(t, stack, settings).Do(t.Context(), Request{To: endpoint(t, server.URL)}); err != nil {
			t.Fatal(err)
		}
	}

	deadline := time.After(10 * time.Second)

	for stack.kinds() > 1 {
		runtime.GC() //nolint:revive // what is tested is what the collector finds

		select {
		case <-deadline:
			t.Fatalf("%d kinds of connections are left, want 1", stack.kinds())
		case <-time.After(5 * time.Millisecond):
		}
	}

	if _, err := kept.Do(t.Context(), Request{To: endpoint(t, server.URL)}); err != nil {
		t.Errorf("those of somebody: %v", err)
	}
}
