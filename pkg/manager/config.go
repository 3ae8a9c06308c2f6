package manager

import (
	"fmt"
	"net"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"github.com/ks-core/ks-controller-manager/pkg/features"
)

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

	// MigrationSettle is how long a definition must have stayed as it is before stored objects are rewritten in
	// its version. Zero: two minutes.
	MigrationSettle time.Duration

	// RunTimeout bounds one run of a reconciler. Zero: one minute.
	RunTimeout time.Duration

	// RunGrace is how much longer a run may take that was told to end, before the process goes on without it. Zero:
	// five seconds.
	RunGrace time.Duration

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

func (c Config) scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, coordinationv1.AddToScheme, appsv1.AddToScheme, metav1.AddMetaToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("add the kinds of the process to the scheme: %w", err)
		}
	}

	return scheme, c.Catalog.AddToScheme(scheme)
}

// restConfig leaves the pace to the API server's priority and fairness: a limit on this side would only
// hold back what the server has room for.
func (c Config) restConfig() *rest.Config {
	config := rest.CopyConfig(c.REST)
	// As kube-controller-manager does: to compress lists and each event of a watch costs both sides more than it spares
	// a network this short.
	config.DisableCompression = true
	config.QPS = -1
	config.UserAgent = c.Name + "/" + c.Version

	return config
}

// leaseRESTConfig is for clients of the Leases alone: on connections of their own, so that Leases are renewed also
// while the others are busy.
func (c Config) leaseRESTConfig() *rest.Config {
	config := c.restConfig()
	config.UserAgent += " (leases)"

	if config.Dial == nil {
		config.Dial = (&net.Dialer{Timeout: c.leasePatience()}).DialContext
	}

	return config
}

// leaseTries is how often a call about a Lease may fail within the deadline for renewing it.
const leaseTries = 2

// leasePatience is how long one call about a Lease may take. A watch takes as long as it likes.
func (c Config) leasePatience() time.Duration { return c.LeaderElection.RenewDeadline / leaseTries }
