// Package app is the command line of a process that hosts controllers. A second binary over a part of the
// catalogue is a main that calls Main with that part.
package app

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"syscall"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/component-base/term"
	"k8s.io/klog/v2"

	"github.com/ks-core/ks-controller-manager/pkg/manager"

	_ "k8s.io/component-base/logs/json/register" // makes --logging-format=json known
)

// Exit codes of every binary of this project.
const (
	exitGood    = 0
	exitRefused = 1
	exitUsage   = 2
)

// Main runs the command until it ends or the process is told to stop, and returns the exit code.
func Main(name, version string, catalog manager.Catalog, arguments []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer logs.FlushLogs()

	command, err := NewCommand(name, version, catalog)
	if err == nil {
		command.SetArgs(arguments)
		err = command.ExecuteContext(ctx)
	}

	return report(os.Stderr, name, err)
}

// report prints an error as one line and returns the exit code it stands for.
func report(out io.Writer, name string, err error) int {
	if err == nil {
		return exitGood
	}

	_, _ = fmt.Fprintf(out, "%s: %s\n", name, oneLine(err))

	if isUsage(err) {
		return exitUsage
	}

	return exitRefused
}

// NewCommand returns the command of a binary that hosts the controllers of a catalogue.
func NewCommand(name, version string, catalog manager.Catalog) (*cobra.Command, error) {
	options, err := newOptions(name, version, catalog)
	if err != nil {
		return nil, err
	}

	command := &cobra.Command{
		Use:   name,
		Short: "Hosts controllers for Kubernetes, each of which can be switched on and off",
		Long: name + " hosts controllers, each of which has its own feature gate and runs when the command line,\n" +
			"its gate, the kinds the cluster serves and the rights of the process allow it.\n\n" +
			"Commands:\n" +
			"  cleanup       take off the cluster what would outlive the manager\n" +
			"  controllers   list the controllers of the binary\n" +
			"  preview       show what a change would do to namespaces and access\n" +
			"  version       print its version",
		Args:          noArguments,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(command *cobra.Command, _ []string) error {
			return run(command.Context(), command.Flags(), options)
		},
	}
	command.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	command.AddCommand(newVersionCommand(options), newControllersCommand(options), newCleanupCommand(options),
		newPreviewCommand(options))

	sections := options.sections()
	for _, section := range sections.FlagSets {
		command.Flags().AddFlagSet(section)
	}

	addLegacyFlags(command.Flags())

	columns, _, _ := term.TerminalSize(command.OutOrStdout())
	cliflag.SetUsageAndHelpFunc(command, sections, columns)
	explain(command.Commands(), columns)

	return command, nil
}

// explain gives each command the help for its own flags, where it would show those of its parent.
func explain(commands []*cobra.Command, columns int) {
	for _, command := range commands {
		var sections cliflag.NamedFlagSets

		sections.FlagSet(command.Name()).AddFlagSet(command.Flags())
		cliflag.SetUsageAndHelpFunc(command, sections, columns)
		explain(command.Commands(), columns)
	}
}

// run applies the options and hosts the controllers until the context ends.
func run(ctx context.Context, flags *pflag.FlagSet, options *options) error {
	config, err := options.complete()
	if err != nil {
		return err
	}

	if err := logsapi.ValidateAndApply(options.logging, nil); err != nil {
		return usageError{fmt.Errorf("logging: %w", err)}
	}

	logger := klog.Background()
	ctx = klog.NewContext(ctx, logger)

	limitMemory(logger)
	logIgnored(logger, flags, options)
	logger.Info("Starting", "binary", config.Name, "version", config.Version, "server", config.REST.Host)

	if err := manager.Run(ctx, config); err != nil {
		return fmt.Errorf("stopped: %w", err)
	}

	logger.Info("Stopped")

	return nil
}

// limitMemory tells the garbage collector of the container's limit, which it cannot see by itself. An own
// GOMEMLIMIT counts more.
func limitMemory(logger klog.Logger) {
	limit, err := memlimit.Set()

	switch {
	case err != nil:
		logger.Info("Running without a memory limit for the garbage collector", "reason", err.Error())
	case limit < math.MaxInt64:
		logger.V(1).Info("Limited the memory of the garbage collector", "bytes", limit)
	}
}

func noArguments(command *cobra.Command, arguments []string) error {
	if len(arguments) == 0 {
		return nil
	}

	return usageError{fmt.Errorf("unknown argument %q; see %s --help", arguments[0], command.CommandPath())}
}
