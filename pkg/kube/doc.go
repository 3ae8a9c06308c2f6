// Package kube is how this house talks to Kubernetes: what is applied, how an
// object tells its state, how finalizers come and go, and which errors ask for
// a retry.
//
// Everything here takes the client it shall use, holds no state of its own and
// starts nothing. Package harness, below, proves that a reconciler built from
// these parts keeps its promises.
package kube
