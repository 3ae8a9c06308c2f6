package manager

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/component-base/logs"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
)

// maxLevelBytes bounds the body that sets the log level: a small number.
const maxLevelBytes = 16

// Diagnostics says where and how the process shows its inner life.
type Diagnostics struct {
	// Address is the host and port of /metrics, /controllers, /debug/pprof and /debug/flags/v. "0" or
	// empty: not served.
	Address string

	// Insecure serves them over plain HTTP and to everybody. Otherwise they are served over HTTPS and
	// only to those whom the API server authenticates and authorises for the path.
	Insecure bool

	// CertificateDirectory holds tls.crt and tls.key. Empty, or without them: a self-signed certificate.
	CertificateDirectory string
}

// Endpoint is a path of the diagnostics for the reference pages.
type Endpoint struct {
	Path string
	Does string
}

// Endpoints lists the paths of the diagnostics.
func Endpoints() []Endpoint {
	return []Endpoint{
		{Path: "/metrics", Does: "metrics in Prometheus' text format"},
		{Path: "/controllers", Does: "state, reason and since when of every controller, who holds the Leases, " +
			"and what is kept in memory for whom, as JSON"},
		{Path: "/debug/pprof/", Does: "profiles in Go's pprof format"},
		{Path: "/debug/flags/v", Does: "PUT a number to change the log level while the process runs"},
	}
}

func (d Diagnostics) serverOptions(status http.Handler) metricsserver.Options {
	address := d.Address
	if address == "" {
		address = "0"
	}

	options := metricsserver.Options{
		BindAddress:   address,
		SecureServing: !d.Insecure,
		CertDir:       d.CertificateDirectory,
		ExtraHandlers: map[string]http.Handler{
			"/controllers":         status,
			"/debug/flags/v":       http.HandlerFunc(serveLogLevel),
			"/debug/pprof/":        http.HandlerFunc(pprof.Index),
			"/debug/pprof/cmdline": http.HandlerFunc(pprof.Cmdline),
			"/debug/pprof/profile": http.HandlerFunc(pprof.Profile),
			"/debug/pprof/symbol":  http.HandlerFunc(pprof.Symbol),
			"/debug/pprof/trace":   http.HandlerFunc(pprof.Trace),
		},
	}
	if !d.Insecure {
		options.FilterProvider = filters.WithAuthenticationAndAuthorization
	}

	return options
}

// Status is what /controllers answers.
type Status struct {
	// Controllers are all that the binary has.
	Controllers []Row `json:"controllers"`
	// Leases are those of the domains that the process works in, or would.
	Leases []LeaseRow `json:"leases"`
	// Migrations tell in which versions the objects of our definitions are stored.
	Migrations []MigrationRow `json:"migrations"`
	// Caches are what is kept in memory, and for whom.
	Caches []CacheRow `json:"caches"`
}

// CacheRow is what the status page says of a store.
type CacheRow = stores.Report

// LeaseRow is what the status page says of the Lease of a domain.
type LeaseRow struct {
	Domain  Domain `json:"domain"`
	Name    string `json:"name"`
	Leading bool   `json:"leading"`
	// Message says why it is not held.
	Message string `json:"message,omitempty"`
}

// serveDiagnostics serves until the context ends.
func (p *process) serveDiagnostics(ctx context.Context) error {
	httpClient, err := rest.HTTPClientFor(p.rest)
	if err != nil {
		return fmt.Errorf("make a client for the API server: %w", err)
	}

	options := p.config.Diagnostics.serverOptions(http.HandlerFunc(p.serveStatus))

	server, err := metricsserver.NewServer(options, p.rest, httpClient)
	if err != nil {
		return fmt.Errorf("serve the diagnostics: %w", err)
	}

	if server == nil { // switched off
		<-ctx.Done()

		return nil
	}

	if err := server.Start(ctx); err != nil {
		return fmt.Errorf("serve the diagnostics: %w", err)
	}

	return nil
}

// serveStatus answers with the state of every controller and what is kept for it.
func (p *process) serveStatus(response http.ResponseWriter, _ *http.Request) {
	response.Header().Set("Content-Type", "application/json")

	encoder := json.NewEncoder(response)
	encoder.SetIndent("", "  ")

	_ = encoder.Encode(p.status()) //nolint:errchkjson // an error means that the client has gone
}

func (p *process) status() Status {
	status := Status{
		Controllers: p.rows(),
		Leases:      []LeaseRow{},
		Migrations:  p.migrations.rows(),
		Caches:      slices.Concat(p.stores.Report(), p.leaseStores.Report()),
	}

	for _, domain := range Domains() {
		if elector, elects := p.electors[domain]; elects {
			leading, message := elector.standing()
			status.Leases = append(status.Leases, LeaseRow{
				Domain: domain, Name: elector.lease(), Leading: leading, Message: message,
			})
		}
	}

	return status
}

// serveLogLevel sets the verbosity of the logs to the number in the body.
func serveLogLevel(response http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodPut {
		http.Error(response, "PUT a number, for example: curl -X PUT -d 4", http.StatusMethodNotAllowed)

		return
	}

	body, err := io.ReadAll(http.MaxBytesReader(response, request.Body, maxLevelBytes))
	if err != nil {
		http.Error(response, "read the log level: "+err.Error(), http.StatusBadRequest)

		return
	}

	level := strings.TrimSpace(string(body))
	if _, err := logs.GlogSetter(level); err != nil {
		http.Error(response, fmt.Sprintf("log level %q: want a number from 0 to 10", level), http.StatusBadRequest)

		return
	}

	_, _ = fmt.Fprintf(response, "log level is %s\n", level)
}
