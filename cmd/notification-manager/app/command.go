// Package app is the command line of the delivery service.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"

	_ "k8s.io/component-base/logs/json/register" // makes --logging-format=json known
)

// Exit codes of every binary of this project.
const (
	exitGood    = 0
	exitRefused = 1
	exitUsage   = 2
)

// usageError is a mistake in the command line.
type usageError struct{ error }

// Unwrap gives errors.As and errors.Is access to the cause.
func (e usageError) Unwrap() error { return e.error }

// Main runs the command until it ends or the process is told to stop, and returns the exit code.
func Main(name, version string, arguments []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer logs.FlushLogs()

	command := NewCommand(name, version)
	command.SetArgs(arguments)

	return tell(os.Stderr, name, command.ExecuteContext(ctx))
}

// tell prints an error as one line and returns the exit code it stands for.
func tell(out io.Writer, name string, err error) int {
	if err == nil {
		return exitGood
	}

	_, _ = fmt.Fprintf(out, "%s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", "; "))

	if _, is := errors.AsType[usageError](err); is {
		return exitUsage
	}

	return exitRefused
}

// NewCommand returns the command with all its verbs. Without a verb it delivers, as KubeSphere's Deployments have it.
func NewCommand(name, version string) *cobra.Command {
	options := &Options{Version: orUnknown(version)}
	logging := logs.NewOptions()

	command := &cobra.Command{
		Use:   name,
		Short: "Takes alerts, keeps them until they have arrived, and tells people of them",
		Long: name + " takes alerts of an Alertmanager or a Prometheus, finds out who is to be told, and tries\n" +
			"until they are. What it acknowledges is on disk. It also shows, without a cluster, what becomes of\n" +
			"alerts.",
		Args:          noArguments,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(command *cobra.Command, _ []string) error {
			return run(command, options, logging)
		},
	}
	options.addFlags(command.Flags())
	logsapi.AddFlags(logging, command.Flags())

	command.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	command.AddCommand(newRunCommand(version), newCheckCommand(), newExplainCommand(), newRenderCommand(),
		newVersionCommand(name, version))

	return command
}

// newRunCommand is the verb for what the command does without one.
func newRunCommand(version string) *cobra.Command {
	options := &Options{Version: orUnknown(version)}
	logging := logs.NewOptions()

	command := &cobra.Command{
		Use:   "run",
		Short: "Deliver alerts; so it does without a verb too",
		Args:  noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			return run(command, options, logging)
		},
	}
	options.addFlags(command.Flags())
	logsapi.AddFlags(logging, command.Flags())

	return command
}

func newVersionCommand(name, version string) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of the binary",
		Args:  noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(command.OutOrStdout(), "%s %s %s %s/%s\n",
				name, orUnknown(version), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			if err != nil {
				return fmt.Errorf("print the version: %w", err)
			}

			return nil
		},
	}
}

func orUnknown(version string) string {
	if version == "" {
		return "unknown"
	}

	return version
}

func noArguments(command *cobra.Command, arguments []string) error {
	if len(arguments) == 0 {
		return nil
	}

	return usageError{fmt.Errorf("unknown argument %q; see %s --help", arguments[0], command.CommandPath())}
}
