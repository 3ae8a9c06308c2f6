// Command run measures a manager in a large cluster and judges what it has found: "make scale".
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/ks-core/ks-controller-manager/test/scale"
	"github.com/ks-core/ks-controller-manager/test/scale/report"
)

// The exit codes besides zero.
const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command(ctx, os.Args[1:], os.Stdout, os.Stderr)

	stop()
	os.Exit(code)
}

// settings are what the command line can say.
type settings struct {
	manager, root, dir, out string
	size, revision, workers string
	divide, edits           int
	seed                    uint64
	settle                  time.Duration
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings

	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.manager, "manager", "bin/ks-controller-manager", "the binary to measure")
	flags.StringVar(&s.root, "root", ".", "the checkout with the definitions, roles and policies to install")
	flags.StringVar(&s.dir, "dir", "", "folder for the clusters; empty: a temporary one")
	flags.StringVar(&s.out, "out", ".run/scale", "folder for the result")
	flags.StringVar(&s.size, "size", "T10", sizes()+"; says what is measured, too")
	flags.IntVar(&s.divide, "divide", 1, "a part of that size: 50 for a fiftieth")
	flags.StringVar(&s.revision, "revision", "", "what is measured; empty: what git says")
	flags.StringVar(&s.workers, "workers", "1,8,32", "how many workers to measure with, without a manager")
	flags.IntVar(&s.edits, "edits", 100, "how many edits of each kind to make")
	flags.Uint64Var(&s.seed, "seed", 1, "what random choices follow from")
	// Go's garbage collector runs at least every two minutes, and gives memory back after that.
	flags.DurationVar(&s.settle, "settle", 150*time.Second, "how long to wait before memory is looked at")

	if err := flags.Parse(args); err != nil {
		return settings{}, err //nolint:wrapcheck // the flag set has said it already
	}

	if flags.NArg() > 0 {
		return settings{}, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}

	return s, nil
}

// command runs the program and returns its exit code.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "run:", err)

		return exitUsage
	}

	ctrllog.SetLogger(logr.Discard()) // else controller-runtime complains that it has none

	failures, err := s.run(ctx, stdout)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "run:", err)

		return exitFailure
	}

	if len(failures) > 0 {
		_, _ = fmt.Fprintf(stderr, "run: %s\n", strings.Join(failures, "\nrun: "))

		return exitFailure
	}

	return 0
}

// run measures, writes the result and returns what is wrong with it.
func (s settings) run(ctx context.Context, stdout io.Writer) ([]string, error) {
	options, err := s.options(stdout)
	if err != nil {
		return nil, err
	}

	thresholds, err := s.thresholds(options.Scenario.Name)
	if err != nil {
		return nil, err
	}

	if s.dir == "" {
		options.Dir, err = os.MkdirTemp("", "ks-scale-")
		if err != nil {
			return nil, fmt.Errorf("making a folder: %w", err)
		}
	}

	result, err := scale.Run(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("%w\nlogs and clusters are kept in %s", err, options.Dir)
	}

	result.Machine, result.Revision = machine(), s.revision
	if s.revision == "" {
		result.Revision = revision(ctx, s.root)
	}

	verdicts := thresholds.Check(result, report.Count, report.Ratio, report.Bytes)

	path, err := result.Write(s.out, verdicts)
	if err != nil {
		return nil, err
	}

	_, _ = fmt.Fprintf(stdout, "%s\n%s\n", result.Markdown(verdicts), path)

	if s.dir == "" {
		err = os.RemoveAll(options.Dir)
	}

	return verdicts.Failures(), err
}

// thresholds are those of a scenario, without those of what was asked not to be measured.
func (s settings) thresholds(scenario string) (report.Thresholds, error) {
	all, err := report.ReadThresholds(filepath.Join(s.root, "test", "scale", "thresholds.yaml"))
	if err != nil {
		return report.Thresholds{}, err
	}

	thresholds, isThere := all[scenario]
	if !isThere {
		return report.Thresholds{}, fmt.Errorf("there are no thresholds for scenario %s", scenario)
	}

	maps.DeleteFunc(thresholds.Figures, func(name string, _ report.Threshold) bool {
		return s.edits == 0 && strings.HasPrefix(name, "edit.") || s.workers == "" && name == "cold.ratio"
	})

	return thresholds, nil
}

func (s settings) options(stdout io.Writer) (scale.Options, error) {
	scenario, size, err := s.sizeOf()
	if err != nil {
		return scale.Options{}, err
	}

	workers, err := numbers(s.workers)
	if err != nil {
		return scale.Options{}, err
	}

	started := time.Now()

	return scale.Options{
		Scenario: scenario, Size: size, Seed: s.seed,
		Manager: scale.Program{Path: s.manager}, Root: s.root, Dir: s.dir,
		Workers: workers, Edits: s.edits,
		Quiet: 3 * time.Second, Settle: s.settle, Look: 10 * time.Second, Timeout: time.Hour,
		Logf: func(format string, args ...any) {
			_, _ = fmt.Fprintf(stdout, "%6.1f s  %s\n", time.Since(started).Seconds(), fmt.Sprintf(format, args...))
		},
	}, nil
}

// sizeOf is the size that was asked for, and the scenario that is measured at it.
func (s settings) sizeOf() (scale.Scenario, scale.Size, error) {
	for _, scenario := range scale.Scenarios() {
		for _, size := range scenario.Sizes {
			if size.Name == s.size {
				return scenario, size.Divided(s.divide), nil
			}
		}
	}

	return scale.Scenario{}, scale.Size{}, fmt.Errorf("--size=%s: want %s", s.size, sizes())
}

// sizes names all there are.
func sizes() string {
	var names []string

	for _, scenario := range scale.Scenarios() {
		for _, size := range scenario.Sizes {
			names = append(names, size.Name)
		}
	}

	return strings.Join(names, ", ")
}

// numbers reads a list with commas between.
func numbers(list string) ([]int, error) {
	var read []int

	for word := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' }) {
		number, err := strconv.Atoi(word)
		if err != nil || number < 1 {
			return nil, fmt.Errorf("--workers=%s: want numbers with commas between", list)
		}

		read = append(read, number)
	}

	return read, nil
}

// machine says in a few words what the figures that depend on it were measured on.
func machine() string {
	model := "unknown processor"

	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)

				break
			}
		}
	}

	return fmt.Sprintf("%d x %s, %s/%s, %s", runtime.NumCPU(), model, runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// revision is what git calls the checkout; a checkout without git has none.
func revision(ctx context.Context, root string) string {
	said, err := exec.CommandContext(ctx, "git", "-C", root, "describe", "--always", "--dirty", "--tags").Output()
	if err != nil {
		return "unknown"
	}

	return strings.TrimSpace(string(said))
}
