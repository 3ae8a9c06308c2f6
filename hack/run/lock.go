package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const lockName = "lock"

// lock makes a run the only one of its folder. The kernel drops it when the process ends, however that is;
// the process id in the file then tells the next run that this one did not clean up.
type lock struct {
	file *os.File
	dir  string

	// killed is the process id of an earlier run that did not clean up, or empty.
	killed string
}

// acquireLock takes the folder for this run and removes what an earlier one has left in it.
func acquireLock(dir string) (*lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the run: %w", err)
	}

	file, err := lockFile(dir)
	if err != nil {
		return nil, err
	}

	taken := &lock{file: file, dir: dir}
	if err := taken.takeOver(); err != nil {
		return nil, errors.Join(err, file.Close())
	}

	return taken, nil
}

// lockFile opens and locks the file in the folder.
func lockFile(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)

	for {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, fmt.Errorf("opening the lock of the run: %w", err)
		}

		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			return nil, errors.Join(lockError(dir, path, err), file.Close())
		}

		if sameFile(file, path) {
			return file, nil
		}

		// A run that ended has removed the file between our opening and our locking it.
		if err := file.Close(); err != nil {
			return nil, fmt.Errorf("closing an old lock: %w", err)
		}
	}
}

func lockError(dir, path string, err error) error {
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("locking %s: %w", path, err)
	}

	return fmt.Errorf("another run is up (pid %[1]s): use it with\n\n    export KUBECONFIG=%[2]s\n\n"+
		"or stop it with Ctrl-C in its terminal, or with\n\n    kill %[1]s",
		readPID(path), absolute(filepath.Join(dir, kubeconfigName)))
}

func sameFile(file *os.File, path string) bool {
	opened, errOpened := file.Stat()
	named, errNamed := os.Stat(path)

	return errOpened == nil && errNamed == nil && os.SameFile(opened, named)
}

func readPID(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}

	return strings.TrimSpace(string(content))
}

// takeOver cleans the folder and writes our process id into the file.
func (l *lock) takeOver() error {
	l.killed = readPID(l.file.Name())

	if err := l.clean(); err != nil {
		return err
	}

	return l.write(strconv.Itoa(os.Getpid()) + "\n")
}

func (l *lock) write(content string) error {
	if err := l.file.Truncate(0); err != nil {
		return fmt.Errorf("emptying the lock: %w", err)
	}

	if _, err := l.file.WriteAt([]byte(content), 0); err != nil {
		return fmt.Errorf("writing the lock: %w", err)
	}

	return nil
}

// clean removes all in the folder but the lock.
func (l *lock) clean() error {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return fmt.Errorf("cleaning up after an earlier run: %w", err)
	}

	for _, entry := range entries {
		if entry.Name() == lockName {
			continue
		}

		if err := os.RemoveAll(filepath.Join(l.dir, entry.Name())); err != nil {
			return fmt.Errorf("cleaning up after an earlier run: %w", err)
		}
	}

	return nil
}

// holdsLogs reports whether there is more in the folder than the lock.
func (l *lock) holdsLogs() bool {
	entries, err := os.ReadDir(l.dir)

	return err == nil && len(entries) > 1
}

// release gives the folder up: with its logs when something failed, else without a trace.
func (l *lock) release(keepLogs bool) error {
	errs := []error{l.write("")}
	if !keepLogs {
		errs = append(errs, os.RemoveAll(l.dir))
	}

	return errors.Join(append(errs, l.file.Close())...)
}

func absolute(path string) string {
	if resolved, err := filepath.Abs(path); err == nil {
		return resolved
	}

	return path
}
