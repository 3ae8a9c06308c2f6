package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/preview"
)

// previewOptions are what the commands below preview have in common.
type previewOptions struct {
	*options

	format string
	compat access.Profile
	world  func(context.Context, access.Profile, scope) (preview.World, error)
}

func newPreviewCommand(options *options) *cobra.Command {
	shared := &previewOptions{options: options, compat: access.ProfileAuto}
	shared.world = shared.readWorld

	return shared.command()
}

func (o *previewOptions) command() *cobra.Command {
	command := &cobra.Command{
		Use:   "preview",
		Short: "Show what a change would do to namespaces and access; changes nothing",
		Long: "preview shows what a change would do: which roles and bindings come and go, who gains or loses\n" +
			"access, which namespaces are deleted, and what stands in the way. It changes nothing. Where something\n" +
			"stands in the way it ends with exit code 1.\n\n" +
			"Commands:\n" +
			"  delete workspace NAME               delete a workspace\n" +
			"  transfer NAMESPACE... --to NAME     move namespaces to a workspace",
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			return usageError{fmt.Errorf("say what to preview; see %s --help", command.CommandPath())}
		},
	}
	command.AddCommand(o.transferCommand(), o.deleteCommand())

	return command
}

func (o *previewOptions) addFlags(command *cobra.Command) {
	flags := command.Flags()
	o.addClusterFlags(flags)
	flags.StringVarP(&o.format, "output", "o", formatTable, "table, json or yaml")
	flags.Var(&o.compat, "compat", "As the manager has it: auto, v3 or v4.")
}

func (o *previewOptions) transferCommand() *cobra.Command {
	to := ""

	command := &cobra.Command{
		Use:   "transfer NAMESPACE... --to NAME",
		Short: "Show what moving namespaces to a workspace would do",
		RunE: func(command *cobra.Command, names []string) error {
			if len(names) == 0 || to == "" {
				return usageError{errors.New("name the namespaces, and the workspace with --to")}
			}

			world, err := o.read(command.Context(), scope{namespaces: names})
			if err != nil {
				return err
			}

			transfer := preview.NewTransfer(world, names, to)
			if err := printTransfer(command.OutOrStdout(), o.format, transfer); err != nil {
				return err
			}

			return obstructed(transfer.Obstacles)
		},
	}
	o.addFlags(command)
	command.Flags().StringVar(&to, "to", "", "The workspace to move them to.")

	return command
}

func (o *previewOptions) deleteCommand() *cobra.Command {
	propagation := ""

	command := &cobra.Command{
		Use:   "delete workspace NAME",
		Short: "Show what deleting a workspace would do",
		RunE: func(command *cobra.Command, arguments []string) error {
			if len(arguments) != 2 || !strings.HasPrefix(arguments[0], "workspace") {
				return usageError{errors.New("want: delete workspace NAME")}
			}

			wanted, err := parsePropagation(propagation)
			if err != nil {
				return err
			}

			world, err := o.read(command.Context(), scope{workspace: arguments[1]})
			if err != nil {
				return err
			}

			deletion := preview.NewDeletion(world, arguments[1], wanted)
			if err := printDeletion(command.OutOrStdout(), o.format, deletion); err != nil {
				return err
			}

			return obstructed(deletion.Obstacles)
		},
	}
	o.addFlags(command)
	command.Flags().StringVar(&propagation, "propagation", "", "Orphan, Foreground or Background, in place of what "+
		"the workspace or its template says.")

	return command
}

// read checks the flags before it asks the cluster.
func (o *previewOptions) read(ctx context.Context, concerned scope) (preview.World, error) {
	if err := checkFormat(o.format); err != nil {
		return preview.World{}, err
	}

	return o.world(ctx, o.compat, concerned)
}

func parsePropagation(value string) (tenancy.Propagation, error) {
	switch propagation := tenancy.Propagation(value); propagation {
	case "", tenancy.PropagationOrphan, tenancy.PropagationForeground, tenancy.PropagationBackground:
		return propagation, nil
	default:
		return "", usageError{fmt.Errorf("--propagation=%s: want Orphan, Foreground or Background", value)}
	}
}

// obstructed turns what stands in the way into the exit code.
func obstructed(obstacles []string) error {
	if len(obstacles) == 0 {
		return nil
	}

	return fmt.Errorf("this cannot be done as it stands: %s", strings.Join(obstacles, "; "))
}
