package manager

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/healthz"
)

// serveProbes serves /healthz and /readyz. Alive is who answers. Ready is who has once brought every controller to
// where it can get by itself: leading or not, waiting for a definition or not. A controller that starts later does
// not take the process out of service.
func (p *process) serveProbes(ctx context.Context) error {
	var ready atomic.Bool

	mux := http.NewServeMux()
	handle(mux, "/healthz", "alive", healthz.Ping)
	handle(mux, "/readyz", "controllers", func(*http.Request) error {
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
	})

	return serve(ctx, p.config.ProbeAddress, mux)
}

// handle answers at a path with a check. The handler takes what is below its path for the name of a check.
func handle(mux *http.ServeMux, path, name string, check healthz.Checker) {
	handler := http.StripPrefix(path, &healthz.Handler{Checks: map[string]healthz.Checker{name: check}})

	mux.Handle(path, handler)
	mux.Handle(path+"/", handler)
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
