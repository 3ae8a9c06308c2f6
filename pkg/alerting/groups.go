package alerting

import (
	"cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
)

// WorkspaceLabel says on a namespace which workspace it belongs to. It is of another domain, and no more than a name
// here.
const WorkspaceLabel = "kubesphere.io/workspace"

// Enabled tells whether a group is to be evaluated, by KubeSphere's label.
func Enabled(group metav1.Object) bool {
	return group.GetLabels()[alertingv2beta1.EnableLabel] == "true"
}

// Counts tells whether a group takes a share of what those of its namespace may have together.
func Counts(group metav1.Object) bool {
	return Enabled(group) && group.GetDeletionTimestamp().IsZero()
}

// Age orders groups: the oldest first, and those of the same second by name. An object that is about to be made has no
// time yet and comes after all others.
func Age(a, b metav1.Object) int {
	first, second := a.GetCreationTimestamp(), b.GetCreationTimestamp()

	switch {
	case first.IsZero() != second.IsZero() && first.IsZero():
		return 1
	case first.IsZero() != second.IsZero():
		return -1
	default:
		return cmp.Or(first.Compare(second.Time), cmp.Compare(a.GetName(), b.GetName()))
	}
}
