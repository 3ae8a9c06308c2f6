package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"
)

// row is a line of the table.
type row struct {
	kind    string
	name    string
	ready   string
	reason  string
	message string
	created time.Time
	current bool // the condition speaks of the newest generation
	want    expectation
}

// asExpected reports whether the object has reached what its sample says.
func (r row) asExpected() bool {
	return r.current && r.ready == r.want.status && (r.want.reason == "" || r.reason == r.want.reason)
}

// problem says what is not as expected.
func (r row) problem() string {
	is := fmt.Sprintf("Ready is %s (%s)", r.ready, r.reason)

	switch {
	case r.ready == "-":
		is = "has no condition Ready"
	case !r.current:
		is += " for an older generation"
	case r.message != "":
		is += ": " + r.message
	}

	return fmt.Sprintf("%s %s: %s; want %s", r.kind, r.name, is, r.want)
}

// changed reports whether a reader would want a new line for the row.
func (r row) changed(before row) bool { return r.ready != before.ready || r.reason != before.reason }

// reasonWidth keeps the columns where they are when a reason changes, which the length of most allows.
const reasonWidth = 20

// render lays the rows out in columns, the header first.
func render(rows []row, now time.Time) []string {
	var text strings.Builder

	columns := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)

	// A strings.Builder never fails.
	_, _ = fmt.Fprintln(columns, "KIND\tNAME\tREADY\tREASON\tAGE")

	for _, r := range rows {
		age := duration.HumanDuration(now.Sub(r.created))
		_, _ = fmt.Fprintf(columns, "%s\t%s\t%s\t%-*s\t%s\n", r.kind, r.name, r.ready, reasonWidth, r.reason, age)
	}

	_ = columns.Flush()

	return strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
}

// display shows the table while it changes: in place on a terminal, else as a line for each change.
type display struct {
	out io.Writer
	// width of the terminal; zero when out is none.
	width int

	shown []row
	drawn int // lines on the terminal
}

func (d *display) update(rows []row, now time.Time) {
	lines := render(rows, now)

	if d.width > 0 {
		d.redraw(lines)
	} else {
		d.append(rows, lines)
	}

	d.shown = slices.Clone(rows)
}

// redraw goes back to the first line and writes over what is there.
func (d *display) redraw(lines []string) {
	var text strings.Builder

	if d.drawn > 0 {
		fmt.Fprintf(&text, "\x1b[%dA", d.drawn)
	}

	for _, line := range lines {
		// A line that wraps would be two, and the way back too short.
		if runes := []rune(line); len(runes) >= d.width {
			line = string(runes[:d.width-1])
		}

		text.WriteString("\r\x1b[K" + line + "\n")
	}

	_, _ = io.WriteString(d.out, text.String())
	d.drawn = len(lines)
}

// append writes the lines of the rows that have changed.
func (d *display) append(rows []row, lines []string) {
	if d.shown == nil {
		_, _ = fmt.Fprintln(d.out, lines[0])
	}

	for i, r := range rows {
		if i >= len(d.shown) || r.changed(d.shown[i]) {
			_, _ = fmt.Fprintln(d.out, lines[i+1])
		}
	}
}
