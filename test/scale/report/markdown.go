package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const mebibyte = 1 << 20

// String writes the value with its unit.
func (f Figure) String() string {
	switch f.Kind {
	case Bytes:
		return fmt.Sprintf("%.1f MiB", f.Value/mebibyte)
	case Seconds:
		return fmt.Sprintf("%.3f s", f.Value)
	case Rate:
		return fmt.Sprintf("%.1f/s", f.Value)
	case Ratio:
		return fmt.Sprintf("%.3f", f.Value)
	case Count:
	}

	return number(f.Value)
}

// Markdown is the result for people.
func (r *Result) Markdown(verdicts Verdicts) string {
	var text strings.Builder

	fmt.Fprintf(&text, "# %s\n\nScenario %s, size %s, seed %d, revision %s, on %s.\n",
		r.Run, r.Scenario, r.Size, r.Seed, r.Revision, r.Machine)
	r.writeFigures(&text, verdicts)
	r.writeObjects(&text)
	r.writePhases(&text)

	return text.String()
}

func (r *Result) writeFigures(text *strings.Builder, verdicts Verdicts) {
	rows := make([][]string, 0, len(r.Figures))

	for _, name := range slices.Sorted(maps.Keys(r.Figures)) {
		rows = append(rows, []string{name, r.Figures[name].String(), verdicts[name].text(), r.Figures[name].Text})
	}

	writeTable(text, []string{"figure", "value", "verdict", "what it is"}, rows)

	for _, failure := range verdicts.Failures() {
		fmt.Fprintf(text, "\nFAILED: %s\n", failure)
	}
}

// text is the verdict in a word or two; that of a figure without a threshold is empty.
func (v Verdict) text() string {
	switch {
	case v.Figure == "":
		return ""
	case v.Problem == "":
		return "good"
	case v.Enforced:
		return "FAILED: " + v.Problem
	default:
		return "note: " + v.Problem
	}
}

func (r *Result) writeObjects(text *strings.Builder) {
	rows := make([][]string, 0, len(r.Objects))

	for _, name := range slices.Sorted(maps.Keys(r.Objects)) {
		rows = append(rows, []string{name, strconv.Itoa(r.Objects[name]), strconv.Itoa(r.Made[name])})
	}

	writeTable(text, []string{"objects", "all", "of the manager"}, rows)
}

func (r *Result) writePhases(text *strings.Builder) {
	for _, phase := range r.Phases {
		fmt.Fprintf(text, "\n## %s, %.1f s\n", phase.Name, phase.Seconds)

		var rows [][]string

		for _, name := range slices.Sorted(maps.Keys(phase.Processes)) {
			used := phase.Processes[name]
			rows = append(rows, []string{
				name, fmt.Sprintf("%.1f s", used.CPUSeconds), mebibytes(used.Resident), mebibytes(used.ResidentPeak),
				mebibytes(used.Anonymous),
			})
		}

		writeTable(text, []string{"process", "CPU", "resident", "at most", "anonymous"}, rows)

		rows = nil
		for _, call := range phase.Calls {
			rows = append(rows, []string{call.Verb, call.Resource, strconv.Itoa(call.Count), strconv.Itoa(call.Failed)})
		}

		writeTable(text, []string{"verb", "resource", "calls of the manager", "refused"}, rows)
	}
}

// Compare is a table of the figures of two results for people. Whether a difference means anything, the deviation in
// the file of thresholds tells.
func Compare(before, after *Result, thresholds Thresholds) string {
	var text strings.Builder

	fmt.Fprintf(&text, "before: %s (%s, %s)\nafter:  %s (%s, %s)\n",
		before.Run, before.Revision, before.Size, after.Run, after.Revision, after.Size)

	if before.Size != after.Size || before.Scenario != after.Scenario {
		text.WriteString("\nThe two are not of the same scenario and size: only ratios can be compared.\n")
	}

	if before.Machine != after.Machine {
		text.WriteString("\nThe two are not of the same machine: seconds and rates cannot be compared.\n")
	}

	names := map[string]bool{}

	for _, figures := range []map[string]Figure{before.Figures, after.Figures} {
		for name := range figures {
			names[name] = true
		}
	}

	rows := make([][]string, 0, len(names))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		rows = append(rows, compareFigure(name, before.Figures, after.Figures, thresholds.Figures[name]))
	}

	writeTable(&text, []string{"figure", "before", "after", "change", "in deviations"}, rows)

	return text.String()
}

func compareFigure(name string, before, after map[string]Figure, threshold Threshold) []string {
	old, hadOld := before[name]
	current, hasNew := after[name]

	switch {
	case !hadOld:
		return []string{name, "-", current.String(), "", ""}
	case !hasNew:
		return []string{name, old.String(), "-", "", ""}
	}

	difference := current.Value - old.Value
	change, deviations := "0", ""

	if difference != 0 && old.Value != 0 {
		change = fmt.Sprintf("%+.1f %%", 100*difference/old.Value)
	} else if difference != 0 {
		change = fmt.Sprintf("%+g", difference)
	}

	if threshold.Deviation > 0 {
		deviations = fmt.Sprintf("%+.1f", difference/threshold.Deviation)
	}

	return []string{name, old.String(), current.String(), change, deviations}
}

func mebibytes(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/mebibyte) }

// writeTable writes nothing where there are no rows.
func writeTable(text *strings.Builder, header []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}

	widths := make([]int, len(header))
	for _, row := range append([][]string{header}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}

	rule := make([]string, len(header))
	for i := range rule {
		rule[i] = strings.Repeat("-", cmp.Or(widths[i], 1))
	}

	text.WriteString("\n")

	for _, row := range append([][]string{header, rule}, rows...) {
		for i, cell := range row {
			fmt.Fprintf(text, "| %-*s ", widths[i], cell)
		}

		text.WriteString("|\n")
	}
}
