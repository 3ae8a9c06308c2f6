package app

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/ks-core/ks-controller-manager/cmd/ks-rule-agent/agent"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rulefiles"
)

// runOptions are what the command line of run can say.
type runOptions struct {
	name, evaluator, url, folder string

	namespace, selector string

	kubeconfig, reportNamespace string

	address string

	debounce, resync, reloading, confirming time.Duration

	init, cleanup bool
}

func (o *runOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.name, "name", "main", "The name of this agent. It reports in the ConfigMap ks-rule-agent-NAME.")
	flags.StringVar(&o.evaluator, "evaluator", string(rulefiles.Prometheus), "prometheus or thanos-ruler.")
	flags.StringVar(&o.url, "evaluator-url", "http://127.0.0.1:9090", "Where the evaluator answers /-/reload and "+
		"/api/v1/rules.")
	flags.StringVar(&o.folder, "rule-dir", "", "The folder that the evaluator reads *.yaml of. It belongs to one "+
		"agent; files of others there are left alone.")
	flags.StringVar(&o.namespace, "namespace", "", "The namespace of the PrometheusRules. Empty: all.")
	flags.StringVar(&o.selector, "selector", "", "The labels of the PrometheusRules, as kubectl has them. Empty: all.")
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "A kubeconfig file. Empty: that of the environment, or the "+
		"account of the pod.")
	flags.StringVar(&o.reportNamespace, "report-namespace", "", "The namespace of the ConfigMap. Empty: that of "+
		"the pod.")
	flags.StringVar(&o.address, "health-probe-bind-address", ":8081", "Where /healthz, /readyz and /metrics are "+
		"served. 0: nowhere.")
	flags.DurationVar(&o.debounce, "debounce", 200*time.Millisecond, "How long is waited for more changes after one.")
	flags.DurationVar(&o.resync, "resync", 30*time.Second, "How often is looked whether the folder and the evaluator "+
		"are still as they should be.")
	flags.DurationVar(&o.reloading, "reload-timeout", time.Minute, "How long the evaluator may take to read its files.")
	flags.DurationVar(&o.confirming, "confirm-timeout", 10*time.Second, "How long it may take to show that it has.")
	flags.BoolVar(&o.init, "init", false, "Write the files and end, before an evaluator starts.")
	flags.BoolVar(&o.cleanup, "cleanup", false, "Remove what this agent has left, and end.")
}

// complete checks the options, and gives those of the agent.
func (o *runOptions) complete() (agent.Options, labels.Selector, error) {
	dialect := rulefiles.Dialect(o.evaluator)
	if dialect != rulefiles.Prometheus && dialect != rulefiles.ThanosRuler {
		return agent.Options{}, nil, usageError{
			fmt.Errorf("--evaluator=%s: want prometheus or thanos-ruler", o.evaluator),
		}
	}

	target, err := url.Parse(o.url)
	if err != nil || target.Host == "" || !strings.HasPrefix(target.Scheme, "http") {
		return agent.Options{}, nil, usageError{
			fmt.Errorf("--evaluator-url=%s: want one as http://127.0.0.1:9090", o.url),
		}
	}

	selector, err := labels.Parse(o.selector)
	if err != nil {
		return agent.Options{}, nil, usageError{fmt.Errorf("--selector: %w", err)}
	}

	if err := o.check(); err != nil {
		return agent.Options{}, nil, usageError{err}
	}

	return agent.Options{
		Folder: o.folder, URL: target, Dialect: dialect, Debounce: o.debounce, Resync: o.resync,
		Reloading: o.reloading, Confirming: o.confirming,
	}, selector, nil
}

func (o *runOptions) check() error {
	if o.folder == "" {
		return errors.New("--rule-dir: name the folder that the evaluator reads")
	}

	if problems := validation.IsDNS1123Subdomain(agent.Name + "-" + o.name); len(problems) > 0 {
		return fmt.Errorf("--name=%s: %s", o.name, strings.Join(problems, "; "))
	}

	for flag, duration := range map[string]time.Duration{
		"debounce": o.debounce, "resync": o.resync, "reload-timeout": o.reloading, "confirm-timeout": o.confirming,
	} {
		if duration <= 0 {
			return fmt.Errorf("--%s=%s: want more than nothing", flag, duration)
		}
	}

	if o.init && o.cleanup {
		return errors.New("--init and --cleanup: want one of them")
	}

	return nil
}

// podNamespace is where a pod finds the name of its namespace.
const podNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// cluster returns how to reach the cluster, and the namespace of reports.
func (o *runOptions) cluster() (*rest.Config, string, error) {
	return connect(o.kubeconfig, o.reportNamespace, "report-namespace")
}

// connect returns how to reach the cluster, and a namespace: what the flag says, or that of the pod, or that of the
// kubeconfig.
func connect(kubeconfig, namespace, flag string) (*rest.Config, string, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig

	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil)

	config, err := loader.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("find the cluster: %w; name a kubeconfig file with --kubeconfig", err)
	}

	config.UserAgent = agent.Name

	if namespace != "" {
		return config, namespace, nil
	}

	if text, err := os.ReadFile(podNamespace); err == nil {
		return config, strings.TrimSpace(string(text)), nil
	}

	namespace, _, err = loader.Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("find the namespace: %w; name it with --%s", err, flag)
	}

	return config, namespace, nil
}
