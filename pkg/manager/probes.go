package manager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// serveProbes serves the probes until the context ends.
func (p *process) serveProbes(ctx context.Context) error {
	return serve(ctx, p.config.ProbeAddress, p.probes())
}

// probes answers at /healthz and /readyz. Alive is who answers. Ready is who has once brought every controller to
// where it can get by itself: leading or not, waiting for a definition or not. A controller that starts later does
// not take the process out of service.
func (p *process) probes() http.Handler {
	var ready atomic.Bool

	mux := http.NewServeMux()
	mux.Handle("/healthz", probe(func() error { return nil }))
	mux.Handle("/readyz", probe(func() error {
		if ready.Load() {
			return nil
		}

		for _, row := range p.board.snapshot() {
			if !row.State.Settled() {
				return fmt.Errorf("controller %s is starting", row.Name)
			}
		}

		ready.Store(true)

		return nil
	}))

	return mux
}

// probe answers with what is amiss, to whoever asks and not to the log: probes come every few seconds.
func probe(check func() error) http.HandlerFunc {
	return func(response http.ResponseWriter, _ *http.Request) {
		if err := check(); err != nil {
			http.Error(response, err.Error(), http.StatusServiceUnavailable)

			return
		}

		_, _ = io.WriteString(response, "ok") // an error means that the client has gone
	}
}

// headerTimeout bounds how long a caller may take to say what it wants.
const headerTimeout = 10 * time.Second

// serve answers at an address until the context ends.
func serve(ctx context.Context, address string, handler http.Handler) error {
	if address == "" || address == "0" {
		<-ctx.Done()

		return nil
	}

	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("serve the probes: %w", err)
	}

	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout}

	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()

	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the probes: %w", err)
	}

	return nil
}
