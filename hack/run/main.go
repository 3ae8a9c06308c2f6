// Command run is "make run": one command to a real Kubernetes with the manager and the samples on it.
//
// It boots a control plane, installs config/run, starts the manager as its service account, applies
// config/samples and shows them become ready. Then it stays up until Ctrl-C, or, with --once, ends: with
// exit code 0 when every sample is as expected and every proof of proofs.go holds.
//
// It builds nothing: the Makefile does that before.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)

	stop()
	os.Exit(code)
}
