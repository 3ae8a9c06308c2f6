package supervisor_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/klog/v2"
)

// stacks are goroutines by their numbers.
type stacks map[string]string

// goroutines returns all there are, but for those of connections that client-go and the proxy keep open beyond a
// manager.
func goroutines() stacks {
	text := make([]byte, 16<<20)
	text = text[:runtime.Stack(text, true)]

	found := stacks{}

	for stack := range strings.SplitSeq(string(text), "\n\n") {
		fields := strings.Fields(stack)
		if len(fields) > 1 && !isKeptConnection(stack) {
			found[fields[1]] = stack
		}
	}

	return found
}

func isKeptConnection(stack string) bool {
	return slices.ContainsFunc([]string{
		"net/http.(*persistConn).", "http2clientConnReadLoop", "http2.(*clientConnReadLoop)", "/outage.(*relay).",
	}, func(part string) bool { return strings.Contains(stack, part) })
}

// noGoroutinesLeft holds that a manager that was stopped has left no goroutine behind. One that pauses between two
// tries may end late.
func noGoroutinesLeft(t *testing.T, before stacks) {
	t.Helper()

	const late = 40 * time.Second

	eventually(t, late, "goroutines are left", func(context.Context) error {
		if left := goroutines().beside(before); len(left) > 0 {
			return fmt.Errorf("%d:\n%s", len(left), strings.Join(left, "\n\n"))
		}

		return nil
	})
}

// beside returns the stacks of those that were not there before.
func (s stacks) beside(before stacks) []string {
	var others []string

	for number, stack := range s {
		if _, known := before[number]; !known {
			others = append(others, stack)
		}
	}

	return others
}

// settled returns how many goroutines there are beside those before: the least of a second.
func settled(t *testing.T, before stacks) int {
	t.Helper()

	least := len(goroutines().beside(before))

	always(t, time.Second, "count", func(context.Context) error {
		least = min(least, len(goroutines().beside(before)))

		return nil
	})

	return least
}

// logged is what this process has logged while a test ran.
type logged struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

// captureLog takes the log until the test ends, and shows it if it fails.
func captureLog(t *testing.T) *logged {
	t.Helper()

	taken := &logged{}

	// A line of one severity goes to all lower ones too.
	for _, severity := range []string{"FATAL", "ERROR", "WARNING"} {
		klog.SetOutputBySeverity(severity, io.Discard)
	}

	klog.SetOutputBySeverity("INFO", taken)
	klog.LogToStderr(false)

	t.Cleanup(func() {
		klog.LogToStderr(true)

		if t.Failed() {
			t.Logf("the log:\n%s", strings.Join(taken.lines(), "\n"))
		}
	})

	return taken
}

// Write implements io.Writer.
func (l *logged) Write(text []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()

	return l.text.Write(text)
}

// lines returns what was logged so far. A stack belongs to its line.
func (l *logged) lines() []string {
	l.mutex.Lock()
	defer l.mutex.Unlock()

	begin := regexp.MustCompile(`(?m)^[IWEF]\d{4} `)
	text := l.text.String()

	var lines []string

	starts := begin.FindAllStringIndex(text, -1)
	for i, start := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}

		lines = append(lines, strings.TrimSpace(text[start[0]:end]))
	}

	return lines
}

// metric returns the value of a series of a manager, written as /metrics has it.
func (r *running) metric(ctx context.Context, series string) (float64, error) {
	body, err := get(ctx, r.diagnostics+"/metrics")
	if err != nil {
		return 0, err
	}

	for line := range strings.SplitSeq(string(body), "\n") {
		if value, found := strings.CutPrefix(line, series+" "); found {
			return strconv.ParseFloat(value, 64)
		}
	}

	return 0, fmt.Errorf("no series %s", series)
}
