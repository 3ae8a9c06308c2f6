package app

import (
	"fmt"
	"io"

	"github.com/ks-core/ks-controller-manager/pkg/tenancy/cleanup"
)

// examples is how many objects a row of the table names; JSON and YAML have all.
const examples = 3

// printCleanup tells of the steps: in a table by what is done, and of each that failed by itself.
func printCleanup(out io.Writer, format string, rows []cleanupRow) error {
	if len(rows) == 0 && format == formatTable {
		_, err := fmt.Fprintln(out, "There is nothing to clean up.")

		return err //nolint:wrapcheck // there is no more to say of it
	}

	return printAs(out, format, rows, func(table io.Writer) {
		_, _ = fmt.Fprintln(table, "RESULT\tACTION\tRESOURCE\tWHAT\tCOUNT\tOBJECTS")

		for _, result := range []string{resultPlanned, resultDone, resultFailed, resultSkipped} {
			for _, row := range cleanup.Summarize(stepsWith(rows, result)) {
				_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\n",
					result, row.Action, row.Resource, row.What, len(row.Objects), row.Examples(examples))
			}
		}

		for _, row := range rows {
			if row.Error != "" {
				_, _ = fmt.Fprintf(table, "\n%s %s: %s\n", row.Object(), row.Result, row.Error)
			}
		}
	})
}

func stepsWith(rows []cleanupRow, result string) []cleanup.Step {
	var steps []cleanup.Step

	for _, row := range rows {
		if row.Result == result {
			steps = append(steps, row.Step)
		}
	}

	return steps
}
