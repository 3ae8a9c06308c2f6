package app

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
)

type rejectedRule = alertingv2beta1.RejectedRule

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

// printRendered writes manifests that kubectl takes.
func printRendered(out io.Writer, format string, outcomes []outcome) error {
	var objects []*monitoringv1.PrometheusRule

	for _, outcome := range outcomes {
		if outcome.object != nil {
			objects = append(objects, outcome.object)
		}
	}

	if format == formatYAML {
		for _, object := range objects {
			_, _ = fmt.Fprintln(out, "---")

			if err := printAs(out, format, object, nil); err != nil {
				return err
			}
		}

		return nil
	}

	list := map[string]any{"apiVersion": "v1", "kind": "List", "items": objects}

	return printAs(out, format, list, func(table io.Writer) {
		_, _ = fmt.Fprintln(table, "PROMETHEUSRULE\tGROUP\tRULES")

		for _, object := range objects {
			for _, group := range object.Spec.Groups {
				_, _ = fmt.Fprintf(table, "%s/%s\t%s\t%d\n",
					object.Namespace, object.Name, group.Name, len(group.Rules))
			}
		}
	})
}

// printChecked says what is refused, each in a line of its own.
func printChecked(out io.Writer, format string, outcomes []outcome) error {
	short := make([]outcome, 0, len(outcomes))
	for _, outcome := range outcomes {
		outcome.Explain = nil
		short = append(short, outcome)
	}

	return printAs(out, format, short, func(table io.Writer) {
		_, _ = fmt.Fprintln(table, "KIND\tGROUP\tRESULT\tWHAT")

		for _, outcome := range short {
			for _, line := range outcome.lines() {
				_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", outcome.Kind, outcome.title(), line)
			}
		}
	})
}

// lines are "result TAB what".
func (o outcome) lines() []string {
	var lines []string

	if o.Error != "" {
		lines = append(lines, "refused\t"+o.Error)
	}

	for _, rejected := range o.Rejected {
		lines = append(lines, "rejected\t"+place(rejected))
	}

	for _, failure := range o.Failures {
		lines = append(lines, "test fails\t"+strings.ReplaceAll(failure, "\n", "; "))
	}

	for _, note := range o.Notes {
		lines = append(lines, "note\t"+note)
	}

	if o.good() {
		lines = append(lines, fmt.Sprintf("good\t%d rules, %d tests", o.Rules, o.Tests))
	}

	return lines
}

// place says where in the group something is rejected, and why.
func place(rejected rejectedRule) string {
	where := fmt.Sprintf("spec.rules[%d]", rejected.Index)
	if rejected.Field != "" {
		where += "." + rejected.Field
	}

	return fmt.Sprintf("%s (%s): %s: %s", where, rejected.Name, rejected.Reason, rejected.Message)
}

// printExplained shows each rule in a block of its own.
func printExplained(out io.Writer, format string, outcomes []outcome) error {
	return printAs(out, format, outcomes, func(table io.Writer) {
		for i, outcome := range outcomes {
			if i > 0 {
				_, _ = fmt.Fprintln(table)
			}

			_, _ = fmt.Fprintf(table, "%s %s\n", outcome.Kind, outcome.title())

			for _, note := range append(nonEmpty(outcome.Error), outcome.Notes...) {
				_, _ = fmt.Fprintf(table, "  note: %s\n", note)
			}

			for _, one := range outcome.Explain {
				printOne(table, one)
			}
		}
	})
}

func nonEmpty(text string) []string {
	if text == "" {
		return nil
	}

	return []string{text}
}

func printOne(table io.Writer, one explanation) {
	_, _ = fmt.Fprintf(table, "  rules[%d] %s: %s\n", one.Index, one.Name, one.State)

	if one.Source != "" {
		_, _ = fmt.Fprintf(table, "    written:\t%s\n", strings.Join(strings.Fields(one.Source), " "))
	}

	if one.Evaluated != "" {
		_, _ = fmt.Fprintf(table, "    evaluated:\t%s\n", one.Evaluated)
	}

	for _, name := range slices.Sorted(maps.Keys(one.Labels)) {
		_, _ = fmt.Fprintf(table, "    label:\t%s=%s\n", name, one.Labels[name])
	}

	for _, why := range one.Why {
		_, _ = fmt.Fprintf(table, "    why:\t%s\n", why)
	}
}
