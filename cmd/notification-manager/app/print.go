package app

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"sigs.k8s.io/yaml"
)

// The formats of --output.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatYAML  = "yaml"
)

// checkFormat refuses an unknown format before anything is done.
func checkFormat(format string) error {
	if !slices.Contains([]string{formatTable, formatJSON, formatYAML}, format) {
		return usageError{fmt.Errorf("--output=%s: want table, json or yaml", format)}
	}

	return nil
}

// printAs writes a value as JSON or YAML, or by the function as a table.
func printAs(out io.Writer, format string, value any, table func(io.Writer)) error {
	var (
		text []byte
		err  error
	)

	switch format {
	case formatJSON:
		text, err = json.MarshalIndent(value, "", "  ")
		text = append(text, '\n')
	case formatYAML:
		text, err = yaml.Marshal(value)
	default:
		const padding = 2

		columns := tabwriter.NewWriter(out, 0, 0, padding, ' ', 0)
		table(columns)

		err = columns.Flush()
	}

	if err == nil {
		_, err = out.Write(text)
	}

	if err != nil {
		return fmt.Errorf("print as %s: %w", format, err)
	}

	return nil
}

// line writes one row of a table.
func line(out io.Writer, columns ...any) {
	for i, one := range columns {
		if i > 0 {
			_, _ = fmt.Fprint(out, "\t")
		}

		_, _ = fmt.Fprint(out, one)
	}

	_, _ = fmt.Fprintln(out)
}
