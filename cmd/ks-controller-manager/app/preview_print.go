package app

import (
	"fmt"
	"io"
	"strings"

	"github.com/ks-core/ks-controller-manager/pkg/tenancy/preview"
)

// printTransfer shows each change in a line of its own: that is what people look for.
func printTransfer(out io.Writer, format string, transfer preview.Transfer) error {
	return printAs(out, format, transfer, func(table io.Writer) {
		_, _ = fmt.Fprintln(table, "NAMESPACE\tFROM\tTO\tCHANGE\tWHAT")

		for _, moved := range transfer.Namespaces {
			for _, line := range changeLines(moved.Change) {
				_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", moved.Name, dash(moved.From), moved.To, line)
			}
		}

		if limit := transfer.Limit; limit != nil {
			_, _ = fmt.Fprintf(table, "\nNamespaces of workspace %s: %d now, %d then; WorkspacePolicy %s allows %d.\n",
				transfer.Workspace, limit.Before, limit.After, limit.Policy, limit.Namespaces)
		}

		printNames(table, "Roles lose their effect in", transfer.Frozen)
		printNames(table, "Roles regain their effect in", transfer.Thawed)
		printNotes(table, transfer.Obstacles, transfer.Warnings)
	})
}

// printDeletion does so for the namespaces of a workspace that is deleted.
func printDeletion(out io.Writer, format string, deletion preview.Deletion) error {
	return printAs(out, format, deletion, func(table io.Writer) {
		_, _ = fmt.Fprintf(table, "Deleting workspace %s with propagation %s:\n\n",
			deletion.Workspace, dash(string(deletion.Propagation)))
		_, _ = fmt.Fprintln(table, "NAMESPACE\tFATE\tCHANGE\tWHAT")

		for _, left := range deletion.Namespaces {
			for _, line := range changeLines(left.Change) {
				_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", left.Name, left.Fate, line)
			}
		}

		for _, lost := range deletion.Loses {
			_, _ = fmt.Fprintf(table, "(the workspace)\t\tloses access\t%s: %s\n", lost.Subject, lost.Role)
		}

		printNotes(table, deletion.Obstacles, deletion.Warnings)
	})
}

// changeLines tells of each change as "change TAB what".
func changeLines(change preview.Change) []string {
	var lines []string

	add := func(what string, names []string) {
		for _, name := range names {
			lines = append(lines, what+"\t"+name)
		}
	}

	add("role added", change.RolesAdded)
	add("role removed", change.RolesRemoved)
	add("binding added", change.BindingsAdded)
	add("binding removed", change.BindingsRemoved)
	add("gains access", accessLines(change.Gains))
	add("loses access", accessLines(change.Loses))

	if len(lines) == 0 {
		return []string{"none\t"}
	}

	return lines
}

func accessLines(all []preview.Access) []string {
	lines := make([]string, 0, len(all))
	for _, one := range all {
		lines = append(lines, one.Subject+": "+one.Role)
	}

	return lines
}

func printNames(table io.Writer, what string, names []string) {
	if len(names) > 0 {
		_, _ = fmt.Fprintf(table, "\n%s: %s\n", what, strings.Join(names, ", "))
	}
}

func printNotes(table io.Writer, obstacles, warnings []string) {
	for _, obstacle := range obstacles {
		_, _ = fmt.Fprintf(table, "\nIn the way: %s\n", obstacle)
	}

	for _, warning := range warnings {
		_, _ = fmt.Fprintf(table, "\nNote: %s\n", warning)
	}
}

// dash stands for nothing, so that columns stay columns.
func dash(text string) string {
	if text == "" {
		return "-"
	}

	return text
}
