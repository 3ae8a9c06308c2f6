package manager

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	ctrlmanager "sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/ks-core/ks-controller-manager/pkg/features"
)

// LeaseName is the Lease that KubeSphere's own manager holds while it runs. Holding the same one keeps the
// two from ever working side by side.
const LeaseName = "ks-controller-manager-leader-election"

// shutdownTimeout bounds how long reconciles in flight may take to end once the process is told to stop.
const shutdownTimeout = 10 * time.Second

// Config is what a process is started with.
type Config struct {
	// Name and Version of the binary.
	Name, Version string

	// REST says where the API server is and who the process is.
	REST *rest.Config

	// Catalog lists the controllers the process hosts.
	Catalog Catalog

	// Selection and Gates say which of them are wanted.
	Selection Selection
	Gates     features.Gates

	// LeaderElection keeps replicas from working at the same time.
	LeaderElection LeaderElection

	// Diagnostics says where metrics, profiles and the status page are served.
	Diagnostics Diagnostics

	// ProbeAddress is the host and port of /healthz and /readyz, over plain HTTP. "0" or empty: not served.
	ProbeAddress string
}

// LeaderElection keeps replicas from working at the same time.
type LeaderElection struct {
	// Enabled is false only for a process that is known to be alone.
	Enabled bool

	// Namespace of the Lease.
	Namespace string

	// LeaseDuration is how long a standby waits after the last renewal before it takes over.
	LeaseDuration time.Duration

	// RenewDeadline is how long the leader tries to renew before it ends itself.
	RenewDeadline time.Duration

	// RetryPeriod is the pause between two tries.
	RetryPeriod time.Duration
}

// Run hosts the wanted controllers until the context ends. It returns an error of one line when it could not
// start, or had to stop because it may no longer write.
func Run(ctx context.Context, config Config) error {
	if err := config.Catalog.Validate(); err != nil {
		return fmt.Errorf("the table of controllers is wrong: %w", err)
	}

	if err := checkReachable(config.REST); err != nil {
		return err
	}

	host, err := newHost(config)
	if err != nil {
		return err
	}

	if err := host.setUp(ctx); err != nil {
		return err
	}

	unregister, err := newCollector(config, host.board).register()
	if err != nil {
		return err
	}
	defer unregister()

	return host.start(ctx)
}

// host is a process with its controllers.
type host struct {
	config  Config
	manager ctrlmanager.Manager
	clients kubernetes.Interface
	board   *board
	clock   clock.PassiveClock
}

func newHost(config Config) (*host, error) {
	scheme, err := config.scheme()
	if err != nil {
		return nil, err
	}

	cacheOptions, err := config.Catalog.cacheOptions(scheme)
	if err != nil {
		return nil, err
	}

	realClock := clock.RealClock{}
	board := newBoard(realClock)
	restConfig := config.restConfig()

	manager, err := ctrlmanager.New(restConfig, config.managerOptions(scheme, cacheOptions, board))
	if err != nil {
		return nil, fmt.Errorf("set up the process: %w", err)
	}

	clients, err := kubernetes.NewForConfigAndClient(restConfig, manager.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("make a client for the API server: %w", err)
	}

	return &host{config: config, manager: manager, clients: clients, board: board, clock: realClock}, nil
}

func (c Config) scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("add the core kinds to the scheme: %w", err)
	}

	return scheme, c.Catalog.AddToScheme(scheme)
}

// restConfig leaves the pace to the API server's priority and fairness: a limit on this side would only
// hold back what the server has room for.
func (c Config) restConfig() *rest.Config {
	config := rest.CopyConfig(c.REST)
	config.QPS = -1
	config.UserAgent = c.Name + "/" + c.Version

	return config
}

func (c Config) managerOptions(
	scheme *runtime.Scheme, cacheOptions cache.Options, board *board,
) ctrlmanager.Options {
	timeout := shutdownTimeout

	return ctrlmanager.Options{
		Scheme:                        scheme,
		Logger:                        klog.Background(),
		Cache:                         cacheOptions,
		Metrics:                       c.Diagnostics.serverOptions(board),
		HealthProbeBindAddress:        c.ProbeAddress,
		LeaderElection:                c.LeaderElection.Enabled,
		LeaderElectionConfig:          c.restConfig(),
		LeaderElectionID:              LeaseName,
		LeaderElectionNamespace:       c.LeaderElection.Namespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &c.LeaderElection.LeaseDuration,
		RenewDeadline:                 &c.LeaderElection.RenewDeadline,
		RetryPeriod:                   &c.LeaderElection.RetryPeriod,
		GracefulShutdownTimeout:       &timeout,
	}
}

// setUp decides which controllers run, and readies those.
func (h *host) setUp(ctx context.Context) error {
	runnable, err := h.decide(ctx)
	if err != nil {
		return err
	}

	if err := checkPermissions(ctx, h.clients, runnable); err != nil {
		return err
	}

	for _, descriptor := range runnable {
		if err := h.addController(ctx, descriptor); err != nil {
			return fmt.Errorf("set up controller %s: %w", descriptor.Name, err)
		}
	}

	return h.addChecks()
}

// decide asks of each controller whether it is selected, its gate is on and its kinds are served. The first
// "no" is what the user is told.
func (h *host) decide(ctx context.Context) (Catalog, error) {
	var runnable Catalog

	for _, descriptor := range h.config.Catalog {
		row, err := h.verdict(descriptor)
		if err != nil {
			return nil, err
		}

		h.board.put(row)

		if row.State == Starting {
			runnable = append(runnable, descriptor)

			continue
		}

		klog.FromContext(ctx).Info("Controller does not run",
			"controller", row.Name, "state", row.State, "reason", row.Reason, "message", row.Message)
	}

	return runnable, nil
}

func (h *host) verdict(descriptor Descriptor) (Row, error) {
	row := Row{Name: descriptor.Name, Domain: descriptor.Domain, State: Disabled}

	if !h.config.Selection.Selected(descriptor) {
		row.Reason, row.Message = ReasonNotSelected, "--controllers does not ask for it"

		return row, nil
	}

	if !h.config.Gates.Enabled(descriptor.Gate) {
		row.Reason, row.Message = ReasonGateDisabled, fmt.Sprintf("the feature gate %s is off", descriptor.Gate)

		return row, nil
	}

	missing, err := missingKinds(h.manager.GetRESTMapper(), descriptor)
	if err != nil {
		return row, err
	}

	row.State, row.Reason = Starting, ReasonCachesSyncing
	if len(missing) > 0 {
		row.State, row.Reason = Waiting, ReasonCRDMissing
		row.Message = "the API server does not serve " + strings.Join(missing, ", ") +
			": install config/crd and restart this process"
	}

	return row, nil
}

// addChecks adds the probes: alive is who answers, ready is who has all caches filled, leader or not.
func (h *host) addChecks() error {
	alive := func(*http.Request) error { return nil }
	ready := func(*http.Request) error {
		for _, row := range h.board.snapshot() {
			if row.State == Starting {
				return fmt.Errorf("controller %s is starting", row.Name)
			}
		}

		return nil
	}

	return errors.Join(h.manager.AddHealthzCheck("alive", alive), h.manager.AddReadyzCheck("controllers", ready))
}

// start runs until the context ends or the Lease is lost.
func (h *host) start(ctx context.Context) error {
	leading := ctrlmanager.RunnableFunc(func(context.Context) error {
		h.board.becameLeader()

		return nil
	})
	if err := h.manager.Add(leading); err != nil {
		return fmt.Errorf("add the leader's announcement: %w", err)
	}

	// The background logger is all that controller-runtime's own packages know of.
	ctrl.SetLogger(klog.FromContext(ctx))

	err := h.manager.Start(ctx)
	if err != nil && ctx.Err() == nil && strings.Contains(err.Error(), "leader election lost") {
		return fmt.Errorf("lost the Lease %s/%s, so another replica may be writing now: %w",
			h.config.LeaderElection.Namespace, LeaseName, err)
	}

	if err != nil {
		return fmt.Errorf("run the controllers: %w", err)
	}

	return nil
}
