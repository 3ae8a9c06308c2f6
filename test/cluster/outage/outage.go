// Package outage stands between one client and an API server, and plays that the server is gone or hangs.
// Other clients of the same control plane notice nothing.
package outage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/rest"
)

// Proxy passes the connections to a local port on to an API server, byte by byte: TLS stays between the two
// ends. Its methods may be called at any time and from any goroutine.
type Proxy struct {
	target   string // host and port of the API server
	address  string // host and port of the proxy, the same over all outages
	accepted atomic.Int64

	mutex   sync.Mutex
	current *relay // nil while cut
	closed  bool
}

// New listens on a free local port. The target is an API server as rest.Config has it in Host: a URL, or a host
// and a port.
func New(target string) (*Proxy, error) {
	target, err := hostPort(target)
	if err != nil {
		return nil, err
	}

	proxy := &Proxy{target: target, address: "127.0.0.1:0"}
	if err := proxy.Restore(); err != nil {
		return nil, err
	}

	proxy.address = proxy.current.listener.Addr().String()

	return proxy, nil
}

// ForTest returns a proxy that ends with the test.
func ForTest(tb testing.TB, target string) *Proxy {
	tb.Helper()

	proxy, err := New(target)
	if err != nil {
		tb.Fatalf("no proxy: %v", err)
	}

	tb.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			tb.Errorf("closing the proxy: %v", err)
		}
	})

	return proxy
}

// Config returns a copy of the configuration of a client that goes through the proxy. The certificate of the
// API server is still checked for the name that it was made for.
func (p *Proxy) Config(config *rest.Config) *rest.Config {
	proxied := rest.CopyConfig(config)

	server, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return proxied // no client can be made of it either, and whoever tries is told why
	}

	if server.Scheme == "https" && proxied.ServerName == "" {
		proxied.ServerName = server.Hostname()
	}

	server.Host = p.address
	proxied.Host = server.String()

	return proxied
}

// Cut closes all connections and the port: who connects is refused.
func (p *Proxy) Cut() {
	p.mutex.Lock()
	defer p.mutex.Unlock()

	// A failed close leaves the port as closed as it can be, and Restore says when it is not.
	_ = p.stop()
}

// Freeze plays a server that hangs: connections stay and new ones are accepted, but nothing that is sent from
// now on arrives before Restore, not even the end of a connection. It does nothing to a proxy that is cut.
func (p *Proxy) Freeze() {
	p.mutex.Lock()
	defer p.mutex.Unlock()

	if p.current != nil {
		p.current.gate.shut()
	}
}

// Restore ends a cut or a freeze. What was sent while frozen arrives now. After a cut it listens on the same
// port again, and fails when somebody has taken that meanwhile.
func (p *Proxy) Restore() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()

	if p.closed {
		return errors.New("the proxy is closed")
	}

	if p.current != nil {
		p.current.gate.open()

		return nil
	}

	ctx, cancel := context.WithCancel(context.Background())

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", p.address)
	if err != nil {
		cancel()

		return fmt.Errorf("listening for clients of %s: %w", p.target, err)
	}

	started := &relay{listener: listener, target: p.target, accepted: &p.accepted, cancel: cancel}
	started.tasks.Go(func() { started.accept(ctx) })
	p.current = started

	return nil
}

// Accepted counts the connections so far.
func (p *Proxy) Accepted() int { return int(p.accepted.Load()) }

// Close ends everything and waits for it. It may be called again.
func (p *Proxy) Close() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()

	p.closed = true

	return p.stop()
}

// stop ends the relay, if there is one.
func (p *Proxy) stop() error {
	if p.current == nil {
		return nil
	}

	current := p.current
	p.current = nil

	return current.stop()
}

// hostPort takes the host and the port from what may be a URL.
func hostPort(target string) (string, error) {
	if strings.Contains(target, "://") {
		parsed, err := url.Parse(target)
		if err != nil {
			return "", fmt.Errorf("the target of the proxy: %w", err)
		}

		target = parsed.Host
	}

	if _, _, err := net.SplitHostPort(target); err != nil {
		return "", fmt.Errorf("the target of the proxy: %w", err)
	}

	return target, nil
}
