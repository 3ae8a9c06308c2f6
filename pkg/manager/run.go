package manager

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	ctrlmanager "sigs.k8s.io/controller-runtime/pkg/manager"
)

// LeaseName is the Lease that KubeSphere's own manager holds while it runs. Holding the same one keeps the
// two from ever working side by side.
const LeaseName = "ks-controller-manager-leader-election"

// shutdownTimeout bounds how long reconciles in flight may take to end once the process is told to stop.
const shutdownTimeout = 10 * time.Second

// Run hosts the wanted controllers until the context ends. It returns an error of one line when it could not
// start, or had to stop because it may no longer write.
func Run(ctx context.Context, config Config) error {
	if err := config.Catalog.Validate(); err != nil {
		return fmt.Errorf("the table of controllers is wrong: %w", err)
	}

	if err := checkReachable(config.REST); err != nil {
		return err
	}

	host, err := newHost(ctx, config)
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
	config   Config
	clock    clock.PassiveClock
	board    *board
	clients  kubernetes.Interface
	mapper   meta.RESTMapper
	runnable Catalog
	manager  ctrlmanager.Manager
}

// newHost decides which controllers run before it makes their caches: the cache of a kind that the API server
// does not serve cannot even be configured.
func newHost(ctx context.Context, config Config) (*host, error) {
	restConfig := config.restConfig()

	httpClient, err := rest.HTTPClientFor(restConfig)
	if err != nil {
		return nil, fmt.Errorf("make a client for the API server: %w", err)
	}

	clients, err := kubernetes.NewForConfigAndClient(restConfig, httpClient)
	if err != nil {
		return nil, fmt.Errorf("make a client for the API server: %w", err)
	}

	mapper, err := apiutil.NewDynamicRESTMapper(restConfig, httpClient)
	if err != nil {
		return nil, fmt.Errorf("ask the API server for its kinds: %w", err)
	}

	clock := clock.RealClock{}
	host := &host{config: config, clock: clock, board: newBoard(clock), clients: clients, mapper: mapper}

	host.runnable, err = host.decide(ctx)
	if err != nil {
		return nil, err
	}

	options, err := host.managerOptions()
	if err != nil {
		return nil, err
	}

	host.manager, err = ctrlmanager.New(restConfig, options)
	if err != nil {
		return nil, fmt.Errorf("set up the process: %w", err)
	}

	return host, nil
}

func (h *host) managerOptions() (ctrlmanager.Options, error) {
	scheme, err := h.config.scheme()
	if err != nil {
		return ctrlmanager.Options{}, err
	}

	cacheOptions, err := h.runnable.cacheOptions(scheme)
	if err != nil {
		return ctrlmanager.Options{}, err
	}

	leader := h.config.LeaderElection
	timeout := shutdownTimeout

	return ctrlmanager.Options{
		Scheme:                        scheme,
		MapperProvider:                h.provideMapper,
		Logger:                        klog.Background(),
		Cache:                         cacheOptions,
		Metrics:                       h.config.Diagnostics.serverOptions(h.board),
		HealthProbeBindAddress:        h.config.ProbeAddress,
		LeaderElection:                leader.Enabled,
		LeaderElectionConfig:          h.config.restConfig(),
		LeaderElectionID:              LeaseName,
		LeaderElectionNamespace:       leader.Namespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &leader.LeaseDuration,
		RenewDeadline:                 &leader.RenewDeadline,
		RetryPeriod:                   &leader.RetryPeriod,
		GracefulShutdownTimeout:       &timeout,
	}, nil
}

func (h *host) provideMapper(*rest.Config, *http.Client) (meta.RESTMapper, error) {
	return h.mapper, nil
}

// setUp readies the controllers that run.
func (h *host) setUp(ctx context.Context) error {
	if err := checkPermissions(ctx, h.clients, h.runnable); err != nil {
		return err
	}

	for _, descriptor := range h.runnable {
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

	missing, err := missingKinds(h.mapper, descriptor)
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
