// Package process runs a program as a child of this one and owns it until it has ended.
//
// The child writes to a log file, so that a failure can show the last of it. It has a process group of its
// own: a Ctrl-C in the terminal reaches only us, and we stop our children in their order. On Linux it ends
// with us even when we are killed with SIGKILL.
package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// defaultStopTimeout is how long a program may take to end after SIGTERM.
const defaultStopTimeout = 10 * time.Second

// Command says what to run.
type Command struct {
	// Name is what errors call the program.
	Name string
	Path string
	Args []string
	// Env is added to the environment of this process.
	Env []string
	// Log is the file that takes what the program writes.
	Log string
	// StopTimeout is how long the program may take to end after SIGTERM; 10 seconds when zero.
	StopTimeout time.Duration
}

// Process is a running, or ended, program.
type Process struct {
	command Command
	cmd     *exec.Cmd
	exited  chan struct{}
	exitErr error // set before exited is closed
}

// Start runs the program. The caller must call Stop.
func Start(command Command) (*Process, error) {
	if command.StopTimeout == 0 {
		command.StopTimeout = defaultStopTimeout
	}

	log, err := os.OpenFile(command.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", command.Name, err)
	}
	defer func() { _ = log.Close() }() // the child has its own

	cmd := exec.Command(command.Path, command.Args...) //nolint:noctx // it outlives the call, Stop ends it
	cmd.Env = append(os.Environ(), command.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes()

	process := &Process{command: command, cmd: cmd, exited: make(chan struct{})}
	started := make(chan error)

	go process.run(started)

	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", command.Name, err)
	}

	return process, nil
}

// run starts the program and waits for it on one and the same thread: Linux sends the parent death signal
// when the thread that started the child ends, which for an unlocked goroutine may be at any time.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()

	defer runtime.UnlockOSThread()

	err := p.cmd.Start()
	started <- err

	if err != nil {
		return
	}

	p.exitErr = p.cmd.Wait()
	close(p.exited)
}

// Name is what the program is called.
func (p *Process) Name() string { return p.command.Name }

// PID is its process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the program has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Running reports whether the program has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Failure says that the program ended by itself: how, and the last lines of its log. It waits for the end.
func (p *Process) Failure() error {
	<-p.exited

	reason := "exit status 0"
	if p.exitErr != nil {
		reason = p.exitErr.Error()
	}

	return Failure(p.command.Name, p.command.Log, errors.New("ended by itself: "+reason))
}

// Stop ends the program, with SIGTERM first and SIGKILL when that takes too long, and waits until it is
// gone. Stopping a program that has ended is no error.
func (p *Process) Stop() error {
	if !p.Running() {
		return nil
	}

	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}

	timeout := time.NewTimer(p.command.StopTimeout)
	defer timeout.Stop()

	select {
	case <-p.exited:
		return nil
	case <-timeout.C:
	}

	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}

	<-p.exited

	return fmt.Errorf("%s did not end within %s of SIGTERM and was killed", p.command.Name, p.command.StopTimeout)
}

// signal sends to the whole process group, for a program that has children.
func (p *Process) signal(signal syscall.Signal) error {
	err := syscall.Kill(-p.PID(), signal)
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("sending %s to %s: %w", signal, p.command.Name, err)
	}

	return nil
}

// Failure is an error about a program that quotes the end of its log.
func Failure(name, log string, reason error) error {
	tail := Tail(log, 10)
	if tail == "" {
		return fmt.Errorf("%s: %w (its log %s is empty)", name, reason, log)
	}

	return fmt.Errorf("%s: %w; the end of its log %s:\n%s", name, reason, log, tail)
}

// Tail returns the last lines of a file, indented, and nothing when it cannot be read.
func Tail(path string, lines int) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}

	text := strings.TrimSpace(string(content))
	if text == "" {
		return ""
	}

	all := strings.Split(text, "\n")
	last := all[max(0, len(all)-lines):]

	return "    " + strings.Join(last, "\n    ")
}
