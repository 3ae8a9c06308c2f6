package app

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/logs"

	"github.com/ks-core/ks-controller-manager/pkg/controllers"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// developmentVersion is that of binaries that were not built as a release.
const developmentVersion = "v" + features.Release + ".0-dev"

// defaultNamespace is where KubeSphere, and so this project, keeps its own objects.
const defaultNamespace = "kubesphere-system"

// options are what the command line can say.
type options struct {
	name, version string
	catalog       manager.Catalog
	gates         features.Gates

	kubeconfig, master  string
	controllers         []string
	featureGates        []string
	leader              manager.LeaderElection
	diagnostics         manager.Diagnostics
	probeAddress        string
	webhookCertificates string
	logging             *logs.Options
}

func newOptions(name, version string, catalog manager.Catalog) (*options, error) {
	gates, err := features.New()
	if err != nil {
		return nil, fmt.Errorf("make the feature gates: %w", err)
	}

	return &options{
		name: name, version: cmp.Or(version, developmentVersion), catalog: catalog, gates: gates,
		controllers: []string{"*"},
		leader: manager.LeaderElection{
			Enabled:       true,
			Namespace:     defaultNamespace,
			LeaseDuration: 15 * time.Second,
			RenewDeadline: 10 * time.Second,
			RetryPeriod:   2 * time.Second,
		},
		diagnostics:  manager.Diagnostics{Address: ":8080"},
		probeAddress: ":8081",
		logging:      logs.NewOptions(),
	}, nil
}

// sections returns the flags as --help groups them.
func (o *options) sections() cliflag.NamedFlagSets {
	var sections cliflag.NamedFlagSets

	o.addControllerFlags(sections.FlagSet("controllers"))
	o.addSettings(&sections)
	o.addClusterFlags(sections.FlagSet("API server"))
	o.addLeaderFlags(sections.FlagSet("leader election"))
	o.addDiagnosticsFlags(sections.FlagSet("diagnostics"))

	return sections
}

func (o *options) addControllerFlags(flags *pflag.FlagSet) {
	flags.StringSliceVar(&o.controllers, "controllers", o.controllers, "Controllers to run: '*' for all, 'foo' for "+
		"the controller or the whole domain foo, '-foo' for all but it. What names a controller counts more than "+
		"what names its domain, and that more than '*'; '*' is implied when there are only '-foo'. Names that "+
		"KubeSphere gave are known.\n"+controllersHelp(o.catalog))
	flags.StringSliceVar(&o.featureGates, "feature-gates", nil, "Feature gates as Name=true or Name=false. "+
		"Gates:\n"+strings.Join(o.gates.KnownFeatures(), "\n"))
	flags.StringVar(&o.webhookCertificates, "webhook-cert-dir", "", "Folder with tls.crt and tls.key, used for the "+
		"diagnostics too. Without it their certificate is self-signed.")
}

// addSettings adds what operators may choose of single controllers, domain by domain.
func (o *options) addSettings(sections *cliflag.NamedFlagSets) {
	for _, descriptor := range o.catalog {
		if descriptor.Flags != nil {
			descriptor.Flags(sections.FlagSet(string(descriptor.Domain)))
		}
	}
}

func controllersHelp(catalog manager.Catalog) string {
	var help strings.Builder

	for _, domain := range catalog.Domains() {
		names := make([]string, 0, len(catalog))
		for _, descriptor := range catalog.OfDomain(domain) {
			names = append(names, descriptor.Name)
		}

		fmt.Fprintf(&help, "%s: %s\n", domain, strings.Join(names, ", "))
	}

	return strings.TrimSuffix(help.String(), "\n")
}

func (o *options) addClusterFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "Path of a kubeconfig file. Without it $KUBECONFIG, and without "+
		"that the account of the pod.")
	flags.StringVar(&o.master, "master", "", "Address of the API server, in place of the kubeconfig's.")
}

func (o *options) addLeaderFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&o.leader.Enabled, "leader-elect", o.leader.Enabled, "Hold a Lease while working, so that replicas "+
		"take turns. Switch it off only for a process that is alone.")
	flags.StringVar(&o.leader.Namespace, "leader-elect-namespace", o.leader.Namespace, "Namespace of the "+
		"Leases, one for each domain.")
	flags.DurationVar(&o.leader.LeaseDuration, "leader-elect-lease-duration", o.leader.LeaseDuration,
		"How long a standby waits after the last renewal before it takes over.")
	flags.DurationVar(&o.leader.RenewDeadline, "leader-elect-renew-deadline", o.leader.RenewDeadline,
		"How long the leader tries to renew before it ends itself. Less than the lease duration.")
	flags.DurationVar(&o.leader.RetryPeriod, "leader-elect-retry-period", o.leader.RetryPeriod,
		"Pause between two tries to hold or renew the Lease.")
}

func (o *options) addDiagnosticsFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.diagnostics.Address, "diagnostics-address", o.diagnostics.Address, "Host and port of /metrics, "+
		"/controllers, /debug/pprof and /debug/flags/v, over HTTPS, for whom the API server allows them. '0': none.")
	flags.BoolVar(&o.diagnostics.Insecure, "insecure-diagnostics", false, "Serve the diagnostics over HTTP and to "+
		"everybody. For debugging on a machine of your own.")
	flags.StringVar(&o.probeAddress, "health-probe-bind-address", o.probeAddress, "Host and port of /healthz and "+
		"/readyz, over HTTP. '0': none.")
	addLoggingFlags(o.logging, flags)
}

// complete checks the options, all of them before it says no, and turns them into what the process runs with.
func (o *options) complete() (manager.Config, error) {
	selection, errSelection := manager.Select(o.catalog, o.controllers, controllers.LegacyNames(o.catalog))
	errGates := features.Set(o.gates, strings.Join(o.featureGates, ","))

	if errSelection != nil {
		errSelection = fmt.Errorf("--controllers: %w", errSelection)
	}

	if errGates != nil {
		errGates = fmt.Errorf("--feature-gates: %w", errGates)
	}

	if err := errors.Join(errSelection, errGates, o.checkLeader()); err != nil {
		return manager.Config{}, usageError{err}
	}

	if len(selection.Controllers()) == 0 {
		return manager.Config{}, usageError{fmt.Errorf("--controllers=%s selects no controller of this binary; "+
			"see %s controllers", strings.Join(o.controllers, ","), o.name)}
	}

	restConfig, err := o.restConfig()
	if err != nil {
		return manager.Config{}, err
	}

	diagnostics := o.diagnostics
	diagnostics.CertificateDirectory = o.webhookCertificates

	return manager.Config{
		Name: o.name, Version: o.version, REST: restConfig, Catalog: o.catalog, Selection: selection, Gates: o.gates,
		LeaderElection: o.leader, Diagnostics: diagnostics, ProbeAddress: o.probeAddress,
	}, nil
}

// checkLeader holds the order that keeps two leaders from overlapping.
func (o *options) checkLeader() error {
	if !o.leader.Enabled {
		return nil
	}

	lease, renew, retry := o.leader.LeaseDuration, o.leader.RenewDeadline, o.leader.RetryPeriod
	if retry > 0 && renew > retry && lease > renew {
		return nil
	}

	return fmt.Errorf("--leader-elect-lease-duration=%s, --leader-elect-renew-deadline=%s and "+
		"--leader-elect-retry-period=%s: each must be longer than the next, and the last longer than zero",
		lease, renew, retry)
}

// restConfig finds the API server: by the flags, else by $KUBECONFIG, else by the account of the pod.
func (o *options) restConfig() (*rest.Config, error) {
	path := cmp.Or(o.kubeconfig, os.Getenv(clientcmd.RecommendedConfigPathEnvVar))
	if path == "" && o.master == "" {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("no --kubeconfig, no $KUBECONFIG, and not in a pod: %w", err)
		}

		return config, nil
	}

	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: path}
	overrides := &clientcmd.ConfigOverrides{}
	overrides.ClusterInfo.Server = o.master

	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %q: %w", path, err)
	}

	return config, nil
}
