package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// exitWithParentVariable names the environment variable that ties a program's life to its parent's: it
// holds the parent's process id. The id, not only a switch, so that a program whose parent is gone before
// it looks for the first time notices that too.
const exitWithParentVariable = "KUBE_EXIT_WITH_PARENT"

// exitWithParent makes the program end within a second of its parent when the variable is set: a test
// run or a "make run" that is killed with SIGKILL cannot stop its servers, so they watch it instead.
func exitWithParent() {
	value := os.Getenv(exitWithParentVariable)
	if value == "" {
		return
	}

	parent, err := strconv.Atoi(value)
	if err != nil {
		fmt.Fprintf(os.Stderr, "kube: %s=%q: want the process id of the parent\n", exitWithParentVariable, value)
		os.Exit(2)
	}

	go func() {
		for ; os.Getppid() == parent; <-time.After(time.Second / 2) {
		}

		fmt.Fprintln(os.Stderr, "kube: the parent process is gone, exiting")
		os.Exit(1)
	}()
}
