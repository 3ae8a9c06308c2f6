package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ks-core/ks-controller-manager/cmd/ks-rule-agent/agent"
)

// handler serves health and metrics.
func handler(registry *prometheus.Registry, keeper *agent.Agent) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", answer(keeper.Alive))
	mux.HandleFunc("GET /readyz", answer(keeper.Ready))

	return mux
}

// answer says ok, or what is wrong.
func answer(check func() error) http.HandlerFunc {
	return func(writer http.ResponseWriter, _ *http.Request) {
		if err := check(); err != nil {
			http.Error(writer, err.Error(), http.StatusServiceUnavailable)

			return
		}

		_, _ = fmt.Fprintln(writer, "ok")
	}
}

// headerPatience is how long a client may take to say what it wants.
const headerPatience = 5 * time.Second

// listen serves until the context ends.
func listen(ctx context.Context, address string, handler http.Handler) error {
	if address == "0" {
		<-ctx.Done()

		return nil
	}

	server := &http.Server{
		Addr: address, Handler: handler, ReadHeaderTimeout: headerPatience,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}

	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()

	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("--health-probe-bind-address: %w", err)
	}

	return nil
}
