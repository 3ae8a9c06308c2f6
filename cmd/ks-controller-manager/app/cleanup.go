package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/cleanup"
)

// cleanupOptions are what the command line of cleanup can say.
type cleanupOptions struct {
	yes, dryRun, force      bool
	labels, customResources bool
	namespace, format       string
}

func newCleanupCommand(options *options) *cobra.Command {
	wanted := cleanupOptions{namespace: options.leader.Namespace, format: formatTable}

	command := &cobra.Command{
		Use:   "cleanup",
		Short: "Take off the cluster what would keep namespaces and users from being deleted without a manager",
		Long: "cleanup takes off the cluster what the manager, and KubeSphere before it, left there: finalizers\n" +
			"that nobody else takes off, owner references by which namespaces would go with their Workspace, roles\n" +
			"and bindings that controllers made, and Leases. Stop the manager first.\n\n" +
			"Without --yes it only shows what it would do. No namespace is ever deleted, and what people wrote is\n" +
			"deleted only with --custom-resources. It can be run again at any time, and goes on where it ended.",
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := checkFormat(wanted.format); err != nil {
				return err
			}

			config, err := options.restConfig()
			if err != nil {
				return err
			}

			cleaner, err := newCleaner(config)
			if err != nil {
				return err
			}

			return cleaner.run(command, wanted)
		},
	}

	flags := command.Flags()
	options.addClusterFlags(flags)
	flags.StringVar(&wanted.namespace, "leader-elect-namespace", wanted.namespace, "Namespace of the manager's Leases.")
	flags.BoolVar(&wanted.yes, "yes", false, "Do it, instead of showing what would be done.")
	flags.BoolVar(&wanted.dryRun, "dry-run", false, "Show what would be done, even with --yes.")
	flags.BoolVar(&wanted.force, "force", false, "Go on while a manager runs, which puts back what is taken off.")
	flags.BoolVar(&wanted.labels, "labels", false, "Take off namespaces also the labels and notes that say to which "+
		"workspace they belong. With them a later installation takes them up again.")
	flags.BoolVar(&wanted.customResources, "custom-resources", false, "Delete all Workspaces, users, roles and the "+
		"like, also those that people wrote.")
	flags.StringVarP(&wanted.format, "output", "o", wanted.format, "table, json or yaml")

	return command
}

// cleanupRow is what is told of one step.
type cleanupRow struct {
	cleanup.Step `json:",inline"`

	Result string `json:"result"`
	Error  string `json:"error,omitempty"`
}

// Results of a step.
const (
	resultPlanned = "planned"
	resultDone    = "done"
	resultFailed  = "failed"
	resultSkipped = "skipped"
)

// run shows what is to be done, and does it where that is wanted.
func (c *cleaner) run(command *cobra.Command, wanted cleanupOptions) error {
	ctx := command.Context()
	doIt := wanted.yes && !wanted.dryRun

	guards, err := c.guards(ctx, wanted.namespace)
	if err != nil {
		return err
	}

	if len(guards) > 0 && doIt && !wanted.force {
		return fmt.Errorf("a manager runs and would put back what is taken off: %s; stop it first, or use --force",
			strings.Join(guards, "; "))
	}

	traces := cleanup.Options{
		Labels: wanted.labels, CustomResources: wanted.customResources, Leases: leasesIn(wanted.namespace),
	}

	steps, err := c.plan(ctx, traces)
	if err != nil {
		return err
	}

	rows := planned(steps)
	if doIt {
		c.perform(ctx, rows, traces)
	}

	if err := printCleanup(command.OutOrStdout(), wanted.format, rows); err != nil {
		return err
	}

	for _, guard := range guards {
		command.PrintErrln("Note: " + guard + "; stop it before you run this with --yes.")
	}

	if !doIt && len(rows) > 0 {
		command.PrintErrln("Nothing has been changed. Run it with --yes to do this.")
	}

	return failures(rows)
}

func planned(steps []cleanup.Step) []cleanupRow {
	rows := make([]cleanupRow, 0, len(steps))
	for _, step := range steps {
		rows = append(rows, cleanupRow{Step: step, Result: resultPlanned})
	}

	return rows
}

// failures sums up what went wrong. Each object is named with its error in the output.
func failures(rows []cleanupRow) error {
	failed := slices.DeleteFunc(slices.Clone(rows), func(row cleanupRow) bool {
		return row.Result != resultFailed && row.Result != resultSkipped
	})
	if len(failed) == 0 {
		return nil
	}

	return fmt.Errorf("%d of %d objects are not cleaned up, the first of them %s: %w; put that right and run it again",
		len(failed), len(rows), failed[0].Object(), errors.New(failed[0].Error))
}

// leasesIn names the Leases of all domains.
func leasesIn(namespace string) []types.NamespacedName {
	var names []types.NamespacedName
	for _, domain := range manager.Domains() {
		names = append(names, types.NamespacedName{Namespace: namespace, Name: manager.LeaseName(domain)})
	}

	return names
}

// perform takes the steps, phase by phase. A Workspace is not let go while a namespace may still go with it.
func (c *cleaner) perform(ctx context.Context, rows []cleanupRow, options cleanup.Options) {
	unfree := ""

	for start := 0; start < len(rows); {
		end := start
		for end < len(rows) && rows[end].Phase == rows[start].Phase {
			end++
		}

		c.performAll(ctx, rows[start:end], unfree, options)

		for _, row := range rows[start:end] {
			if row.Frees() && row.Result == resultFailed && unfree == "" {
				unfree = row.Object()
			}
		}

		start = end
	}
}
