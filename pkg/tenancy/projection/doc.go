// Package projection computes the native roles and bindings that stand for those of KubeSphere, so that they count
// for kubectl too. KubeSphere 3.x and 4.x evaluated most of theirs in an API server of their own.
package projection
