// Command compare shows the figures of two results of "make scale" side by side.
//
//	go run ./test/scale/compare before.json after.json
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/ks-core/ks-controller-manager/test/scale/report"
)

// The exit codes besides zero.
const (
	exitFailure = 1
	exitUsage   = 2
)

func main() { os.Exit(command(os.Args[1:], os.Stdout, os.Stderr)) }

func command(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(stderr)
	path := flags.String("thresholds", "test/scale/thresholds.yaml", "the file that says how far figures vary")

	if err := flags.Parse(args); err != nil {
		return exitUsage
	}

	if flags.NArg() != 2 { //nolint:mnd // two results
		_, _ = fmt.Fprintln(stderr, "compare: want two results: go run ./test/scale/compare before.json after.json")

		return exitUsage
	}

	before, errBefore := report.Read(flags.Arg(0))
	after, errAfter := report.Read(flags.Arg(1))
	thresholds, errThresholds := report.ReadThresholds(*path)

	if err := errors.Join(errBefore, errAfter, errThresholds); err != nil {
		_, _ = fmt.Fprintln(stderr, "compare:", err)

		return exitFailure
	}

	_, _ = fmt.Fprint(stdout, report.Compare(before, after, thresholds[after.Scenario]))

	return 0
}
