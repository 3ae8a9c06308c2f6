package process_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/ks-core/ks-controller-manager/test/cluster/process"
)

func TestProcess(t *testing.T) {
	for _, test := range []struct {
		name    string
		script  string
		stop    bool   // ask it to stop once it has said something
		want    string // of the error; none when empty
		timeout time.Duration
	}{
		{name: "stops when asked", script: "echo up; while :; do sleep 1; done", stop: true},
		{
			name: "does not stop when asked", script: "trap '' TERM; echo up; while :; do sleep 1; done", stop: true,
			timeout: 100 * time.Millisecond, want: "test did not end within 100ms of SIGTERM and was killed",
		},
		{name: "fails", script: "echo no luck; exit 3", want: "test: ended by itself: exit status 3"},
		{name: "fails with its log", script: "echo no luck; exit 3", want: "    no luck"},
		{name: "ends", script: "exit 0", want: "test: ended by itself: exit status 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")

			started, err := process.Start(process.Command{
				Name: "test", Path: "/bin/sh", Args: []string{"-c", test.script}, Log: log, StopTimeout: test.timeout,
			})
			if err != nil {
				t.Fatalf("starting: %v", err)
			}

			if test.stop {
				awaitOutput(t, log)

				err = started.Stop()
			} else {
				err = started.Failure()
			}

			if started.Running() {
				t.Error("it still runs")
			}

			checkError(t, err, test.want)

			if err := started.Stop(); err != nil {
				t.Errorf("stopping what has ended: %v", err)
			}
		})
	}
}

func TestStartWhatIsMissing(t *testing.T) {
	_, err := process.Start(process.Command{
		Name: "test", Path: filepath.Join(t.TempDir(), "missing"), Log: filepath.Join(t.TempDir(), "log"),
	})
	checkError(t, err, "starting test: ")
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if got := process.Tail(path, 2); got != "" {
		t.Errorf("the tail of a missing file is %q", got)
	}

	if err := os.WriteFile(path, []byte("one\ntwo\nthree\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	if got, want := process.Tail(path, 2), "    two\n    three"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// checkError wants an error that says something, or none.
func checkError(t *testing.T, err error, want string) {
	t.Helper()

	switch {
	case want == "" && err != nil:
		t.Errorf("failed: %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("got %v, want %q", err, want)
	}
}

// awaitOutput waits until the program has said something, and so is past its first lines.
func awaitOutput(t *testing.T, log string) {
	t.Helper()

	err := wait.PollUntilContextTimeout(t.Context(), 10*time.Millisecond, 10*time.Second, true,
		func(context.Context) (bool, error) { return process.Tail(log, 1) != "", nil })
	if err != nil {
		t.Fatalf("the program says nothing: %v", err)
	}
}
