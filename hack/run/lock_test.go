package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestLockIsExclusive(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".run")
	first := acquire(t, dir)

	_, err := acquireLock(dir)

	pid := strconv.Itoa(os.Getpid())
	for _, want := range []string{"another run is up (pid " + pid + ")", dir + "/kubeconfig", "kill " + pid} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}

	if err := first.release(false); err != nil {
		t.Fatalf("releasing: %v", err)
	}

	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}

	second := acquire(t, dir)
	if second.killed != "" {
		t.Errorf("a run that ended cleanly counts as killed: pid %s", second.killed)
	}
}

func TestLockCleansUpAfterAKilledRun(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, lockName), "4711\n")
	write(t, filepath.Join(dir, "etcd", "data"), "old")

	taken := acquire(t, dir)
	if taken.killed != "4711" {
		t.Errorf("the killed run is %q, want 4711", taken.killed)
	}

	if _, err := os.Stat(filepath.Join(dir, "etcd")); !os.IsNotExist(err) {
		t.Errorf("what the killed run left is still there: %v", err)
	}
}

func TestLockKeepsLogsOfAFailure(t *testing.T) {
	dir := t.TempDir()
	failed := acquire(t, dir)

	if failed.holdsLogs() {
		t.Error("there are logs before anything ran")
	}

	log := filepath.Join(dir, "manager.log")
	write(t, log, "why it failed")

	if !failed.holdsLogs() {
		t.Error("the log does not count")
	}

	if err := failed.release(true); err != nil {
		t.Fatalf("releasing: %v", err)
	}

	if _, err := os.Stat(log); err != nil {
		t.Errorf("the log is gone: %v", err)
	}

	if next := acquire(t, dir); next.killed != "" {
		t.Errorf("a run that failed counts as killed: pid %s", next.killed)
	}
}

func TestAwaitPorts(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	number := listener.Addr().(*net.TCPAddr).Port
	etcd := port{number: number, variable: "RUN_ETCD_PORT", use: "etcd"}
	wanted := []port{etcd}

	err = awaitPorts(t.Context(), wanted, 0)
	for _, want := range []string{
		"port " + strconv.Itoa(number), "wanted for etcd", "RUN_ETCD_PORT=",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}

	// The programs of a killed run free their ports a moment later.
	stop := context.AfterFunc(timeout(t, 150*time.Millisecond), func() { _ = listener.Close() })
	defer stop()

	if err := awaitPorts(t.Context(), wanted, 10*time.Second); err != nil {
		t.Errorf("the port was not waited for: %v", err)
	}
}

func TestFreePortIsNotOneThatIsWanted(t *testing.T) {
	const number = 20000

	wanted := []port{{number: number}, {number: number + 1}, {number: number + 2}}

	if got := freePort(t.Context(), wanted[0], wanted); got < number+3 {
		t.Errorf("got port %d, which is wanted", got)
	}
}

func timeout(t *testing.T, after time.Duration) context.Context {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), after)
	t.Cleanup(cancel)

	return ctx
}

func acquire(t *testing.T, dir string) *lock {
	t.Helper()

	taken, err := acquireLock(dir)
	if err != nil {
		t.Fatalf("taking the lock: %v", err)
	}

	t.Cleanup(func() { _ = taken.file.Close() }) // it may be released by then

	return taken
}

func write(t *testing.T, path, content string) {
	t.Helper()

	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
