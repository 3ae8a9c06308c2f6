// Package alerting holds what all of the domain agrees on: how what we make is marked, and whose it is.
package alerting

import (
	"strings"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
)

// The labels of what we make, and the annotation that names the group it was made of, as level/namespace/name: a
// label has no room for every name.
const (
	ManagedByLabel = "app.kubernetes.io/managed-by"
	ManagedBy      = "ks-controller-manager"
	ComponentLabel = "app.kubernetes.io/component"

	OwnerAnnotation = "alerting.kubesphere.io/owner"
)

// ComponentOf returns the controller that is about the groups of a level.
func ComponentOf(level string) string {
	switch level {
	case alertingv2beta1.LevelNamespace:
		return "rule-group"
	case alertingv2beta1.LevelCluster:
		return "cluster-rule-group"
	default:
		return "global-rule-group"
	}
}

// Owner is a group that something was made of.
type Owner struct {
	Level, Namespace, Name string
}

// String is the owner as the annotation has it.
func (o Owner) String() string { return o.Level + "/" + o.Namespace + "/" + o.Name }

// ParseOwner reads the annotation of what we made.
func ParseOwner(text string) (Owner, bool) {
	parts := strings.Split(text, "/")
	if len(parts) != len([]string{"level", "namespace", "name"}) || parts[2] == "" {
		return Owner{}, false
	}

	return Owner{Level: parts[0], Namespace: parts[1], Name: parts[2]}, true
}
