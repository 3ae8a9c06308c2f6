package app

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// controllerRow is what the controllers command says of a controller.
type controllerRow struct {
	Name     string   `json:"name"`
	Aliases  []string `json:"aliases,omitempty"`
	Domain   string   `json:"domain"`
	Gate     string   `json:"gate"`
	Default  bool     `json:"default"`
	Requires []string `json:"requires,omitempty"`
	Optional []string `json:"optional,omitempty"`
	Role     string   `json:"role"`
	Summary  string   `json:"summary"`
}

func newControllersCommand(options *options) *cobra.Command {
	format := "table"

	command := &cobra.Command{
		Use:   "controllers",
		Short: "List the controllers of the binary; needs no cluster",
		Args:  noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			return printControllers(command.OutOrStdout(), format, controllerRows(options))
		},
	}
	command.Flags().StringVarP(&format, "output", "o", format, "table, json or yaml")

	return command
}

func controllerRows(options *options) []controllerRow {
	rows := make([]controllerRow, 0, len(options.catalog))
	for _, descriptor := range options.catalog {
		rows = append(rows, controllerRow{
			Name: descriptor.Name, Aliases: descriptor.Aliases, Domain: string(descriptor.Domain),
			Gate: string(descriptor.Gate), Default: options.gates.Enabled(descriptor.Gate),
			Requires: kindNames(descriptor.RequiredKinds()), Optional: kindNames(descriptor.Optional),
			Role: manager.RoleName(descriptor.Domain), Summary: descriptor.Summary,
		})
	}

	return rows
}

func printControllers(out io.Writer, format string, rows []controllerRow) error {
	var (
		text []byte
		err  error
	)

	switch format {
	case "table":
		return printTable(out, rows)
	case "json":
		text, err = json.MarshalIndent(rows, "", "  ")
		text = append(text, '\n')
	case "yaml":
		text, err = yaml.Marshal(rows)
	default:
		return usageError{fmt.Errorf("--output=%s: want table, json or yaml", format)}
	}

	if err != nil {
		return fmt.Errorf("format the controllers as %s: %w", format, err)
	}

	if _, err := out.Write(text); err != nil {
		return fmt.Errorf("print the controllers: %w", err)
	}

	return nil
}

func printTable(out io.Writer, rows []controllerRow) error {
	const padding = 2

	table := tabwriter.NewWriter(out, 0, 0, padding, ' ', 0)
	_, _ = fmt.Fprintln(table, "NAME\tDOMAIN\tGATE\tDEFAULT\tREQUIRES\tROLE\tALIASES")

	for _, row := range rows {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%t\t%s\t%s\t%s\n", row.Name, row.Domain, row.Gate, row.Default,
			strings.Join(row.Requires, ","), row.Role, strings.Join(row.Aliases, ","))
	}

	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the controllers: %w", err)
	}

	return nil
}

// kindNames returns kinds as people write them: Kind.version.group.
func kindNames(kinds []schema.GroupVersionKind) []string {
	names := make([]string, 0, len(kinds))
	for _, kind := range kinds {
		names = append(names, kind.Kind+"."+kind.Version+"."+kind.Group)
	}

	return names
}
