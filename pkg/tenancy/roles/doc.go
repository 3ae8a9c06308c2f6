// Package roles makes permissions effective that were written for KubeSphere. Its API server evaluated them by
// itself and knew what a workspace is; Kubernetes knows rules, namespaces and the cluster. What the package returns
// is sorted and without repetitions, so that equal permissions look equal.
package roles
