package outage

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// relay is what runs between two cuts.
type relay struct {
	listener net.Listener
	target   string
	accepted *atomic.Int64
	gate     gate

	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

// stop refuses new connections, closes those there are and waits for all goroutines.
func (r *relay) stop() error {
	err := r.listener.Close()

	r.cancel()
	r.tasks.Wait()

	if err != nil {
		return fmt.Errorf("closing the port of the proxy: %w", err)
	}

	return nil
}

// accept serves connections until the port is closed.
func (r *relay) accept(ctx context.Context) {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			// Should it fail while in use, clients are refused rather than left waiting.
			_ = r.listener.Close()

			return
		}

		r.accepted.Add(1)
		r.tasks.Go(func() { r.connect(ctx, client) })
	}
}

// connect joins a client with the server until one of them hangs up or the relay ends. That it closes both
// connections then ends both directions.
func (r *relay) connect(ctx context.Context, client net.Conn) {
	defer hangUp(client)

	server, err := new(net.Dialer).DialContext(ctx, "tcp", r.target)
	if err != nil {
		return // the server is really gone, and the client sees it hang up
	}
	defer hangUp(server)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
		r.tasks.Go(func() {
			defer cancel()

			r.move(ctx, pair[0], pair[1])
		})
	}

	<-ctx.Done()
}

// hangUp closes a connection that the other side may have closed already.
func hangUp(connection net.Conn) { _ = connection.Close() }

// move passes bytes on while the gate is open. The end of the stream waits at the gate as well.
func (r *relay) move(ctx context.Context, from, to net.Conn) {
	buffer := make([]byte, 32<<10)

	for {
		count, end := from.Read(buffer)

		if !r.gate.pass(ctx) {
			return
		}

		if _, err := to.Write(buffer[:count]); err != nil || end != nil {
			return
		}
	}
}

// gate holds up whoever passes while it is shut. The zero gate is open.
type gate struct {
	mutex  sync.Mutex
	opened chan struct{} // closed when the gate opens; nil when it is open
}

func (g *gate) shut() {
	g.mutex.Lock()
	defer g.mutex.Unlock()

	if g.opened == nil {
		g.opened = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mutex.Lock()
	defer g.mutex.Unlock()

	if g.opened != nil {
		close(g.opened)
		g.opened = nil
	}
}

// pass waits until the gate is open, and tells whether the context has not ended before.
func (g *gate) pass(ctx context.Context) bool {
	g.mutex.Lock()
	opened := g.opened
	g.mutex.Unlock()

	if opened == nil {
		return ctx.Err() == nil
	}

	select {
	case <-opened:
		return true
	case <-ctx.Done():
		return false
	}
}
