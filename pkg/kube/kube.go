package kube

import (
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// PausedAnnotation stops the reconciliation of any object of ours on which
	// it is set to "true". The pause is shown as the reason of the Ready condition.
	PausedAnnotation = "ks.kubesphere.io/paused"

	// ManagerName is the name this process goes by at the API server, and the
	// first part of the name of each of its field managers.
	ManagerName = "ks-controller-manager"

	// maxFieldOwner is the longest name of a field manager, in bytes, that the
	// API server accepts.
	maxFieldOwner = 128

	fieldOwnerPrefix = ManagerName + "/"
)

// Paused tells whether the user has put obj on hold. Only the exact value
// "true" pauses: a typo must not silently stop a controller.
func Paused(obj client.Object) bool {
	return obj.GetAnnotations()[PausedAnnotation] == "true"
}

// FieldOwner returns the field manager of a controller. Each controller has its
// own, so that two of them may share an object without taking each other's
// fields. Names beyond the API server's limit of 128 bytes are cut.
func FieldOwner(controller string) client.FieldOwner {
	name := fieldOwnerPrefix + controller
	if len(name) > maxFieldOwner {
		name = name[:maxFieldOwner]
	}

	return client.FieldOwner(strings.ToValidUTF8(name, ""))
}
