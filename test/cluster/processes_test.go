package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/test/cluster"
	"github.com/ks-core/ks-controller-manager/test/cluster/ports"
)

// helperDir is set for the process of runHelper: the folder of its control plane.
const helperDir = "KS_CLUSTER_TEST_HELPER_DIR"

// everything is all programs that a control plane may have.
func everything(dir string) cluster.Options {
	return cluster.Options{Dir: dir, ControllerManager: true, Scheduler: true}
}

func TestStopLeavesNoProcess(t *testing.T) {
	requireProc(t)

	dir := t.TempDir()

	c, err := cluster.Start(t.Context(), everything(dir))
	if err != nil {
		t.Fatalf("starting: %v", err)
	}

	want := []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
	if diff := cmp.Diff(want, programsOf(dir)); diff != "" {
		t.Errorf("the programs that run (-want +got):\n%s", diff)
	}

	for range 2 {
		if err := c.Stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
	}

	if left := programsOf(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestChildrenDieWithUs(t *testing.T) {
	requireProc(t)

	dir := t.TempDir()
	parent := startHelper(t, dir)

	if err := parent.Process.Kill(); err != nil {
		t.Fatalf("killing the parent: %v", err)
	}

	_ = parent.Wait() // it was killed

	eventually(t, "all programs have ended", func(context.Context) (bool, error) {
		return len(programsOf(dir)) == 0, nil
	})
}

func TestWatchNamesWhatEnded(t *testing.T) {
	requireProc(t)

	for _, program := range []string{"etcd", "kube-controller-manager"} {
		t.Run(program, func(t *testing.T) {
			dir := t.TempDir()
			options := everything(dir)
			options.Scheduler = false
			c := cluster.ForTest(t, options)

			kill(t, dir, program)

			err := c.Watch(t.Context())
			if err == nil || !strings.HasPrefix(err.Error(), program+": ended by itself") {
				t.Errorf("got %v, want that %s has ended", err, program)
			}
		})
	}
}

func TestTakenPort(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("taking a port: %v", err)
	}
	defer listener.Close()

	port := listener.Addr().(*net.TCPAddr).Port

	_, err = cluster.Start(t.Context(), cluster.Options{APIServerPort: port})

	var taken *ports.TakenError
	if !errors.As(err, &taken) || taken.Port != port {
		t.Errorf("got %v, want a *ports.TakenError of port %d", err, port)
	}

	for _, want := range []string{strconv.Itoa(port), "the API server", "Options.APIServerPort"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

func TestFailedStartShowsTheLog(t *testing.T) {
	assets := t.TempDir()

	for _, program := range []string{"etcd", "kube-apiserver"} {
		script := []byte("#!/bin/sh\necho it is raining\nexit 3\n")
		path := filepath.Join(assets, program)

		if err := os.WriteFile(path, script, 0o700); err != nil { //nolint:gosec // it is a program
			t.Fatalf("writing a program that fails: %v", err)
		}
	}

	_, err := cluster.Start(t.Context(), cluster.Options{Assets: assets})

	for _, want := range []string{"etcd: did not start", "it is raining"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

// startHelper runs this test binary as a process that has a control plane, and waits for that.
func startHelper(t *testing.T, dir string) *exec.Cmd {
	t.Helper()

	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatalf("making a pipe: %v", err)
	}
	defer reader.Close()

	helper := exec.CommandContext(t.Context(), os.Args[0])

	helper.Env = append(os.Environ(), helperDir+"="+dir)
	helper.Stdout, helper.Stderr = writer, os.Stderr

	if err := helper.Start(); err != nil {
		t.Fatalf("starting the helper: %v", err)
	}

	if err := writer.Close(); err != nil {
		t.Fatalf("closing our end of the pipe: %v", err)
	}

	// The helper says one line when its control plane is up.
	if _, err := reader.Read(make([]byte, 1)); err != nil {
		t.Fatalf("the helper has no control plane: %v", err)
	}

	return helper
}

// runHelper is the main of that process: it has a control plane until it is killed.
func runHelper(dir string) error {
	ctx := context.Background()

	c, err := cluster.Start(ctx, everything(dir))
	if err != nil {
		return err
	}

	if _, err := fmt.Fprintln(os.Stdout, "up"); err != nil {
		return err
	}

	return c.Watch(ctx)
}

// programsOf returns the programs of the control plane in dir: all have a path in there as an argument.
func programsOf(dir string) []string {
	var names []string

	for _, process := range processesOf(dir) {
		names = append(names, process.program)
	}

	return names
}

func kill(t *testing.T, dir, program string) {
	t.Helper()

	for _, process := range processesOf(dir) {
		if process.program != program {
			continue
		}

		if err := syscall.Kill(process.pid, syscall.SIGKILL); err != nil {
			t.Fatalf("killing %s: %v", program, err)
		}
	}
}

type runningProgram struct {
	pid     int
	program string
}

// processesOf finds them in /proc, sorted by name.
func processesOf(dir string) []runningProgram {
	var found []runningProgram

	files, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is correct, there is no other error
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(content, []byte(dir)) {
			continue // ended meanwhile, or not ours
		}

		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			continue
		}

		program, _, _ := strings.Cut(string(content), "\x00")
		found = append(found, runningProgram{pid: pid, program: filepath.Base(program)})
	}

	slices.SortFunc(found, func(a, b runningProgram) int { return strings.Compare(a.program, b.program) })

	return found
}

func requireProc(t *testing.T) {
	t.Helper()

	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skip("needs /proc to see processes")
	}
}
