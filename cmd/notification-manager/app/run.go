package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/follow"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/observe"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/report"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/server"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/tenants"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/watchdog"
	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/email"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/token"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
)

// run does what the options say.
func run(command *cobra.Command, options *Options, logging *logsapi.LoggingConfiguration) error {
	if err := errors.Join(options.check(), options.log(logging)); err != nil {
		return usageError{err}
	}

	config, namespace, err := options.connect()
	if err != nil {
		return err
	}

	if err := logsapi.ValidateAndApply(logging, nil); err != nil {
		return usageError{fmt.Errorf("logging: %w", err)}
	}

	logger := klog.Background()
	limitMemory(logger)

	if names := ignoredFlags(command.Flags()); len(names) > 0 {
		logger.Info("Flags have no meaning here and are ignored", "flags", names)
	}

	logger.Info("Starting", "version", options.Version, "server", config.Host, "namespace", namespace)

	if err := Run(klog.NewContext(command.Context(), logger), options, config, namespace); err != nil {
		return fmt.Errorf("stopped: %w", err)
	}

	logger.Info("Stopped")

	return nil
}

// limitMemory tells the garbage collector of the container's limit, which it cannot see by itself. An own GOMEMLIMIT
// counts more.
func limitMemory(logger klog.Logger) {
	limit, err := memlimit.Set()

	switch {
	case err != nil:
		logger.Info("Running without a memory limit for the garbage collector", "reason", err.Error())
	case limit < math.MaxInt64:
		logger.V(1).Info("Limited the memory of the garbage collector", "bytes", limit)
	}
}

// receipts is how many receipts are kept to be asked for.
const receipts = 10_000

// Run delivers until the context ends, and ends with everything written. It fails where the store cannot be opened or
// nobody could be answered.
func Run(ctx context.Context, options *Options, config *rest.Config, namespace string) error {
	folder, release, err := options.folder()
	if err != nil {
		return err
	}
	defer release()

	made, err := build(options, config, namespace, folder)
	if err != nil {
		return err
	}

	return made.run(ctx)
}

// folder is where the store is, made if it is not there; release removes a temporary one.
func (o *Options) folder() (folder string, release func(), err error) {
	const mode = 0o700

	if o.Data != "" {
		if err := os.MkdirAll(o.Data, mode); err != nil {
			return "", nil, fmt.Errorf("--data: %w", err)
		}

		return o.Data, func() {}, nil
	}

	made, err := os.MkdirTemp("", "notification-manager-")
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for the store: %w; name one with --data", err)
	}

	return made, func() { _ = os.RemoveAll(made) }, nil
}

// parts are all that works in the process.
type parts struct {
	options  *Options
	service  *service
	follower *follow.Follower
	tenants  *tenants.Tenants
	watchdog *watchdog.Watchdog
	reporter *report.Reporter
	server   *server.Server
}

// build makes the parts. None works yet.
func build(options *Options, config *rest.Config, namespace, folder string) (*parts, error) {
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", config.Host, err)
	}

	names, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", config.Host, err)
	}

	listers, err := follow.NewListers(config)
	if err != nil {
		return nil, err
	}

	client, err := follow.Client(config)
	if err != nil {
		return nil, err
	}

	return assemble(options, folder, world{
		clients: clients, metadata: names, listers: listers, apply: report.Applier(client),
		users: users{clients.AuthenticationV1().TokenReviews()}, namespace: namespace,
		deny: apiServer(config.Host, os.Getenv("KUBERNETES_SERVICE_HOST")),
	})
}

// assemble puts the parts together.
func assemble(options *Options, folder string, cluster world) (*parts, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	metrics := observe.NewMetrics(registry)
	observer := observe.New(metrics, receipts, time.Now)
	made := &parts{options: options, service: newService(options, folder, observer)}

	made.tenants = tenants.New(tenants.Options{
		Sidecar: tenants.Sidecar(&http.Client{}, tenants.SidecarURL),
		Review:  tenants.Review(cluster.clients.AuthorizationV1().SubjectAccessReviews(), made.cluster),
		Among:   func() []string { return made.follower.Tenants() }, Cluster: made.cluster, Clock: time.Now,
	})

	var err error

	made.follower, err = follow.New(follow.Options{
		Name: options.Name, Namespace: cluster.namespace, Listers: cluster.listers, Client: cluster.clients,
		Metadata: cluster.metadata, Service: made.service, Deny: cluster.deny,
		Stack:  egress.New(egress.Options{Timeout: options.SendPatience}),
		Tokens: token.New(time.Now), Random: rand.Reader, Clock: time.Now, Metrics: metrics, Forget: observer.Forget,
		Resolver: made.tenants.For, Mails: email.NewMemory(),
	})
	if err != nil {
		return nil, err
	}

	kept := folder
	if options.Data == "" {
		kept = ""
	}

	made.watchdog, err = watchdog.New(watchdog.Options{
		View: made.follower.View, Ingest: made.service.ingest, Show: metrics.Watchdog, Folder: kept,
		Clock: clock.RealClock{},
	})
	if err != nil {
		return nil, err
	}

	made.reporter = report.New(report.Options{
		Objects: made.follower, Observed: observer, LastWatchdog: made.watchdog.Last, Durable: made.service.durable,
		Apply: cluster.apply, Metrics: metrics, Clock: clock.RealClock{},
	})
	made.server = server.New(server.Options{
		Engine: made.service.working, Objects: made.follower, Observer: observer, Metrics: metrics, Gatherer: registry,
		Users: cluster.users, Clock: time.Now, IngestPatience: options.IngestPatience,
		SendPatience: options.SendPatience, Version: options.Version, Learn: made.tenants.Learn,
		Saw: func(alerts []alert.Alert) {
			observer.Saw()
			made.watchdog.Saw(alerts)
		},
	})

	return made, nil
}

// cluster is the name of the cluster.
func (p *parts) cluster() string { return p.follower.Cluster() }

// run has all parts work until the context ends or one of them fails: then whoever is answered still gets an answer,
// and the engine ends last, with everything written.
func (p *parts) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)

	delivering, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()

	group.Go(func() error {
		defer stop()

		return serve(ctx, p.options, p.server.Handler())
	})
	group.Go(func() error { return p.service.run(ctx, delivering) })
	group.Go(func() error { return p.follower.Run(ctx) })
	group.Go(func() error {
		p.watchdog.Run(ctx)

		return nil
	})
	group.Go(func() error {
		p.tenants.Run(ctx)

		return nil
	})
	group.Go(func() error {
		p.reporter.Run(ctx)

		return nil
	})

	return group.Wait()
}

// storeFile is the store in its folder.
func storeFile(folder string) string {
	return filepath.Join(folder, "notifications.db")
}
