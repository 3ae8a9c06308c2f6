package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	webhook "sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	alertingv1alpha1 "github.com/ks-core/ks-controller-manager/api/alerting/v1alpha1"
	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/cmd/ks-rule-agent/admission"
	"github.com/ks-core/ks-controller-manager/pkg/kube/servingcert"
)

// reviewPath is where the API server asks.
const reviewPath = "/validate-rules"

// admissionOptions are what the command line of admission can say.
type admissionOptions struct {
	kubeconfig, namespace string

	address, probes string

	service, secret, configuration string
	hosts                          []string

	cluster string
}

func newAdmissionCommand() *cobra.Command {
	options := &admissionOptions{}
	logging := logs.NewOptions()

	command := &cobra.Command{
		Use:   "admission",
		Short: "Answer the API server whether groups of rules are good, before they are stored",
		Long: "admission serves a validating webhook for RuleGroups, ClusterRuleGroups and GlobalRuleGroups. It\n" +
			"keeps its certificate itself. Without it nothing is let through that would not be: the controllers\n" +
			"leave the same rules out, and say so in conditions. Whoever only asks (kubectl --dry-run=server) is\n" +
			"shown what evaluators would get.",
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			return options.run(command, logging)
		},
	}
	options.addFlags(command.Flags())
	logsapi.AddFlags(logging, command.Flags())

	return command
}

func (o *admissionOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "A kubeconfig file. Empty: that of the environment, or the "+
		"account of the pod.")
	flags.StringVar(&o.namespace, "namespace", "", "The namespace of the service and of the Secret. Empty: that of "+
		"the pod.")
	flags.StringVar(&o.address, "bind-address", ":9443", "Where the API server is answered, over HTTPS.")
	flags.StringVar(&o.probes, "health-probe-bind-address", ":8081", "Where /healthz and /readyz are served. "+
		"0: nowhere.")
	flags.StringVar(&o.service, "service", "ks-rule-admission", "The Service that the API server calls.")
	flags.StringSliceVar(&o.hosts, "host", nil, "Further names and addresses that the API server calls by.")
	flags.StringVar(&o.secret, "secret", "ks-rule-admission-ca", "The Secret with the authority that all replicas "+
		"share. It is filled, and renewed, when needed.")
	flags.StringVar(&o.configuration, "configuration", "ks-rule-admission", "The ValidatingWebhookConfiguration that "+
		"is told of that authority.")
	flags.StringVar(&o.cluster, "cluster", "", "As the manager has it in --alerting-cluster-name.")
}

// run does what the options say.
func (o *admissionOptions) run(command *cobra.Command, logging *logsapi.LoggingConfiguration) error {
	config, namespace, err := connect(o.kubeconfig, o.namespace, "namespace")
	if err != nil {
		return err
	}

	if err := logsapi.ValidateAndApply(logging, nil); err != nil {
		return usageError{fmt.Errorf("logging: %w", err)}
	}

	ctrllog.SetLogger(klog.Background())
	ctx := logr.NewContext(command.Context(), klog.Background())

	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client for %s: %w", config.Host, err)
	}

	reader, err := readerFor(config)
	if err != nil {
		return err
	}

	publisher := admission.Publisher{
		Configurations: clients.AdmissionregistrationV1().ValidatingWebhookConfigurations(), Name: o.configuration,
	}
	keeper := servingcert.New(clients.CoreV1().Secrets(namespace), o.secret, o.names(namespace), publisher.Publish,
		clock.RealClock{})

	return o.serve(ctx, keeper, admission.NewReviewer(reader, o.cluster))
}

// names are all that the API server may call by.
func (o *admissionOptions) names(namespace string) []string {
	service := o.service + "." + namespace + ".svc"

	return append([]string{service, service + ".cluster.local"}, o.hosts...)
}

func readerFor(config *rest.Config) (client.Reader, error) {
	scheme := runtime.NewScheme()

	err := errors.Join(corev1.AddToScheme(scheme), alertingv1alpha1.AddToScheme(scheme),
		alertingv2beta1.AddToScheme(scheme))
	if err != nil {
		return nil, fmt.Errorf("register kinds: %w", err)
	}

	reader, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", config.Host, err)
	}

	return reader, nil
}

// serve goes on until the context ends.
func (o *admissionOptions) serve(
	ctx context.Context, keeper *servingcert.Keeper, reviewer *admission.Reviewer,
) error {
	mux := http.NewServeMux()
	mux.Handle("POST "+reviewPath, admission.Bounded(&webhook.Webhook{Handler: reviewer}))

	probes := http.NewServeMux()
	probes.HandleFunc("GET /healthz", answer(func() error { return nil }))
	probes.HandleFunc("GET /readyz", answer(keeper.Ready))

	group, ctx := errgroup.WithContext(ctx)

	group.Go(func() error {
		keeper.Run(ctx)

		return nil
	})
	group.Go(func() error { return listen(ctx, o.probes, probes) })
	group.Go(func() error { return listenTLS(ctx, o.address, mux, keeper) })

	return group.Wait()
}

// callPatience is how long one call may take as a whole. The API server waits less.
const callPatience = 15 * time.Second

// listenTLS serves until the context ends, and lets what has begun come to its end.
func listenTLS(ctx context.Context, address string, handler http.Handler, keeper *servingcert.Keeper) error {
	server := &http.Server{
		Addr: address, Handler: handler, ReadHeaderTimeout: headerPatience,
		ReadTimeout: callPatience, WriteTimeout: callPatience,
		TLSConfig:   &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: keeper.Certificate},
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ErrorLog:    klog.NewStandardLogger("WARNING"),
	}

	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)

		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), headerPatience)
		defer cancel()

		_ = server.Shutdown(ctx)
	})

	err := server.ListenAndServeTLS("", "")
	if errors.Is(err, http.ErrServerClosed) {
		<-ended

		return nil
	}

	stop()

	return fmt.Errorf("--bind-address: %w", err)
}
