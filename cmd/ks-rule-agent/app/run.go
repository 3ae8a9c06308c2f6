package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"

	"github.com/ks-core/ks-controller-manager/cmd/ks-rule-agent/agent"

	_ "k8s.io/component-base/logs/json/register" // makes --logging-format=json known
)

func newRunCommand() *cobra.Command {
	options := &runOptions{}
	logging := logs.NewOptions()

	command := &cobra.Command{
		Use:   "run",
		Short: "Keep the rules of an evaluator as the PrometheusRules of a cluster say",
		Args:  noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			return options.run(command, logging)
		},
	}
	options.addFlags(command.Flags())
	logsapi.AddFlags(logging, command.Flags())

	return command
}

// run does what the options say.
func (o *runOptions) run(command *cobra.Command, logging *logsapi.LoggingConfiguration) error {
	settings, selector, err := o.complete()
	if err != nil {
		return err
	}

	config, namespace, err := o.cluster()
	if err != nil {
		return err
	}

	if err := logsapi.ValidateAndApply(logging, nil); err != nil {
		return usageError{fmt.Errorf("logging: %w", err)}
	}

	ctx := logr.NewContext(command.Context(), klog.Background())

	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client for %s: %w", config.Host, err)
	}

	watch, err := agent.NewWatch(config, o.namespace, selector)
	if err != nil {
		return err
	}

	registry := prometheus.NewRegistry()
	reporter := agent.NewConfigMapReporter(clients.CoreV1(), namespace, o.name)
	keeper := agent.New(settings, watch, reporter, agent.NewMetrics(registry))

	switch {
	case o.cleanup:
		return clean(ctx, command, keeper, reporter)
	case o.init:
		return prepare(ctx, watch, keeper)
	}

	if _, err := os.ReadDir(o.folder); err != nil {
		return fmt.Errorf("--rule-dir: %w; make the folder, or mount it", err)
	}

	return serve(ctx, o.address, registry, watch, keeper)
}

// serve goes on until the context ends.
func serve(
	ctx context.Context, address string, registry *prometheus.Registry, watch *agent.Watch, keeper *agent.Agent,
) error {
	group, ctx := errgroup.WithContext(ctx)

	group.Go(func() error { return listen(ctx, address, handler(registry, keeper)) })
	group.Go(func() error {
		watch.Run(ctx)

		return nil
	})
	group.Go(func() error {
		// The kind may come later. Until all objects have been seen, nothing is decided about any.
		if err := watch.Wait(ctx); err == nil {
			keeper.Run(ctx, watch.Changes())
		}

		return nil
	})

	return group.Wait()
}

// startPatience is how long a cluster may take to show its objects to who waits for them.
const startPatience = time.Minute

func prepare(ctx context.Context, watch *agent.Watch, keeper *agent.Agent) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()

	go watch.Run(ctx)

	if err := watch.Wait(ctx); err != nil {
		return err
	}

	return keeper.Prepare(ctx)
}

// clean removes files and report, and says what it has removed.
func clean(
	ctx context.Context, command *cobra.Command, keeper *agent.Agent, reporter *agent.ConfigMapReporter,
) error {
	files, errFiles := keeper.Clear(ctx)
	for _, file := range files {
		command.Println("removed file " + file)
	}

	report, errReport := reporter.Clear(ctx)
	if report != "" {
		command.Println("removed ConfigMap " + report)
	}

	return errors.Join(errFiles, errReport)
}
