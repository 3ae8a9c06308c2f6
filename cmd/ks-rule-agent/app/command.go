// Package app is the command line of the agent that brings rules into an evaluator.
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

	return report(os.Stderr, name, command.ExecuteContext(ctx))
}

// report prints an error as one line and returns the exit code it stands for.
func report(out io.Writer, name string, err error) int {
	if err == nil {
		return exitGood
	}

	_, _ = fmt.Fprintf(out, "%s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", "; "))

	if _, is := errors.AsType[usageError](err); is {
		return exitUsage
	}

	return exitRefused
}

// NewCommand returns the command with all its verbs.
func NewCommand(name, version string) *cobra.Command {
	command := &cobra.Command{
		Use:   name,
		Short: "Brings PrometheusRules into a Prometheus or a Thanos Ruler, and shows what becomes of rules",
		Long: name + " brings the PrometheusRules of a cluster into a Prometheus or a Thanos Ruler: as a sidecar or\n" +
			"beside it, within seconds, and without an operator. It also shows what RuleGroups,\n" +
			"ClusterRuleGroups and GlobalRuleGroups become, without a cluster.",
		Args:          noArguments,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(command *cobra.Command, _ []string) error {
			return usageError{fmt.Errorf("say what to do; see %s --help", command.CommandPath())}
		},
	}
	command.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	command.AddCommand(newRunCommand(), newAdmissionCommand(), newRenderCommand(), newCheckCommand(),
		newExplainCommand(), newVersionCommand(name, version))

	return command
}

func newVersionCommand(name, version string) *cobra.Command {
	if version == "" {
		version = "unknown"
	}

	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of the binary",
		Args:  noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(command.OutOrStdout(), "%s %s %s %s/%s\n",
				name, version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			if err != nil {
				return fmt.Errorf("print the version: %w", err)
			}

			return nil
		},
	}
}

func noArguments(command *cobra.Command, arguments []string) error {
	if len(arguments) == 0 {
		return nil
	}

	return usageError{fmt.Errorf("unknown argument %q; see %s --help", arguments[0], command.CommandPath())}
}
