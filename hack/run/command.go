package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/term"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// The exit codes besides zero.
const (
	exitFailure = 1
	exitUsage   = 2
)

// command runs the program and returns its exit code.
func command(
	ctx context.Context, args []string, getenv func(string) string, stdout *os.File, stderr io.Writer,
) int {
	o, err := parseOptions(args, getenv, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}

	if err != nil {
		_, _ = fmt.Fprintf(stderr, "run: %v\n", err)

		return exitUsage
	}

	ctrllog.SetLogger(logr.Discard()) // else controller-runtime complains that it has none

	s := &session{
		options: o,
		say:     announcer{out: stdout, now: time.Now},
		table:   display{out: stdout, width: terminalWidth(stdout)},
	}
	if err := locked(ctx, s); err != nil {
		_, _ = fmt.Fprintf(stderr, "\nrun: %v\n", err)

		return exitFailure
	}

	return 0
}

// terminalWidth is zero when the file is no terminal.
func terminalWidth(file *os.File) int {
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}

	return width
}

// locked runs a session as the only one of its folder.
func locked(ctx context.Context, s *session) error {
	lock, err := acquireLock(s.options.dir)
	if err != nil {
		return err
	}

	grace := time.Duration(0)

	if lock.killed != "" {
		s.say.printf("an earlier run (pid %s) was killed; cleaning up after it\n", lock.killed)

		grace = orphanGrace
	}

	err = awaitPorts(ctx, s.options.ports, grace)
	if err == nil {
		err = s.run(ctx)
	}

	keepLogs := err != nil && lock.holdsLogs()
	if keepLogs {
		s.say.printf("\nall logs are kept in %s until the next run\n", s.options.dir)
	}

	if errRelease := lock.release(keepLogs); errRelease != nil {
		return errors.Join(err, errRelease)
	}

	if err == nil {
		s.say.printf("stopped, nothing left behind\n")
	}

	return err
}
