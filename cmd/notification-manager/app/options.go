package app

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	logsapi "k8s.io/component-base/logs/api/v1"
)

// Options are what the command line can say.
type Options struct {
	// Name is the NotificationManager; Namespace is where the process runs.
	Name, Namespace string
	// Kubeconfig is a file; empty is that of the environment, or the account of the pod.
	Kubeconfig string
	// Address is where requests are answered.
	Address string
	// Data is the folder of the store; empty is a temporary one. Pod is the name of the pod that this is one of those
	// that a NotificationManager is rendered to; empty where it is none.
	Data, Pod string
	// StoreMaxBytes is how large the store may grow; zero is without a limit.
	StoreMaxBytes int64
	// Abreast is how many messages may be sent at once, and Grace how long they may take to end at the end.
	Abreast int
	Grace   time.Duration
	// IngestPatience is how long a client waits for its alerts to be on disk; SendPatience is how long a message may
	// take.
	IngestPatience, SendPatience time.Duration
	// Version is the version of the program.
	Version string

	level, format string

	ignored ignored
}

// ignored are flags of KubeSphere's binary that have no meaning here.
type ignored struct {
	workers, queue int
	kind           string
	push           time.Duration
}

func (o *Options) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.Name, "name", "", "The NotificationManager to work for. Empty: the only one, or the one that "+
		"is called notification-manager.")
	flags.StringVar(&o.Name, "manager", "", "The same as --name.")
	flags.StringVar(&o.Namespace, "namespace", os.Getenv("NAMESPACE"), "The namespace of this process: Secrets and "+
		"ConfigMaps that are named without one are there. Empty: that of the pod.")
	flags.StringVar(&o.Kubeconfig, "kubeconfig", "", "A kubeconfig file. Empty: that of the environment, or the "+
		"account of the pod.")
	flags.StringVar(&o.Address, "webhook.address", ":19093", "Where requests are answered.")
	flags.StringVar(&o.Data, "data", "", "The folder of what was taken and has not arrived yet. Empty: a temporary "+
		"one, which ends with the process.")
	flags.Int64Var(&o.StoreMaxBytes, "store-max-bytes", 0, "How large the store may grow before alerts are not taken. "+
		"0: as large as the disk.")
	flags.IntVar(&o.Abreast, "sends-abreast", 256, "How many messages may be sent at once.")
	flags.DurationVar(&o.Grace, "grace", 10*time.Second, "How long messages under way may take to end when the "+
		"process is told to stop.")
	flags.DurationVar(&o.IngestPatience, "webhook.timeout", 5*time.Second, "How long a client waits for its alerts to "+
		"be on disk.")
	flags.DurationVar(&o.SendPatience, "worker.timeout", 30*time.Second, "How long a message may take.")
	flags.StringVar(&o.level, "log.level", "", "debug, info, warn or error.")
	flags.StringVar(&o.format, "log.format", "", "logfmt or json.")

	o.Pod = os.Getenv("POD_NAME")

	const none = " It has no meaning here."

	flags.IntVar(&o.ignored.workers, "worker.queue", 0, "As in KubeSphere's binary."+none)
	flags.StringVar(&o.ignored.kind, "store.type", "", "As in KubeSphere's binary."+none)
	flags.IntVar(&o.ignored.queue, "store.memory.queue", 0, "As in KubeSphere's binary."+none)
	flags.DurationVar(&o.ignored.push, "store.memory.pushTimeout", 0, "As in KubeSphere's binary."+none)
}

// ignoredFlags are the flags that were given and have no meaning.
func ignoredFlags(flags *pflag.FlagSet) []string {
	meaningless := []string{"worker.queue", "store.type", "store.memory.queue", "store.memory.pushTimeout"}

	return slices.DeleteFunc(meaningless, func(name string) bool { return !flags.Changed(name) })
}

// check refuses what cannot be.
func (o *Options) check() error {
	switch {
	case o.Abreast < 1:
		return fmt.Errorf("--sends-abreast=%d: want one at least", o.Abreast)
	case o.StoreMaxBytes < 0:
		return fmt.Errorf("--store-max-bytes=%d: want a size, or 0", o.StoreMaxBytes)
	case o.Grace < 0:
		return fmt.Errorf("--grace=%s: want a time", o.Grace)
	case o.IngestPatience <= 0:
		return fmt.Errorf("--webhook.timeout=%s: want more than nothing", o.IngestPatience)
	case o.SendPatience <= 0:
		return fmt.Errorf("--worker.timeout=%s: want more than nothing", o.SendPatience)
	case o.Address == "":
		return errors.New("--webhook.address: say where, as in :19093")
	default:
		return nil
	}
}

// log has --log.level and --log.format, where they are given, say what --v and --logging-format do.
func (o *Options) log(logging *logsapi.LoggingConfiguration) error {
	const closer, quiet = 4, 0

	switch o.level {
	case "":
	case "debug":
		logging.Verbosity = closer
	case "info", "warn", "error": // what is not an error is little, and told once
		logging.Verbosity = quiet
	default:
		return fmt.Errorf("--log.level=%s: want debug, info, warn or error", o.level)
	}

	switch o.format {
	case "":
	case "logfmt":
		logging.Format = logsapi.DefaultLogFormat
	case "json":
		logging.Format = logsapi.JSONLogFormat
	default:
		return fmt.Errorf("--log.format=%s: want logfmt or json", o.format)
	}

	return nil
}

// podNamespace is where a pod finds the name of its namespace.
const podNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// connect returns how to reach the cluster, and the namespace of the process.
func (o *Options) connect() (*rest.Config, string, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.Kubeconfig

	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil)

	config, err := loader.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("find the cluster: %w; name a kubeconfig file with --kubeconfig", err)
	}

	const perSecond, atOnce = 50, 200

	config.UserAgent = "notification-manager"
	config.QPS, config.Burst = perSecond, atOnce

	if o.Namespace != "" {
		return config, o.Namespace, nil
	}

	if text, err := os.ReadFile(podNamespace); err == nil {
		return config, strings.TrimSpace(string(text)), nil
	}

	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("find the namespace: %w; name it with --namespace", err)
	}

	return config, namespace, nil
}
