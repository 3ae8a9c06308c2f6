package tenancy

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
)

// Propagation says what becomes of the namespaces of a workspace that is deleted.
type Propagation string

// The values of the annotation kubesphere.io/deletion-propagation, which is KubeSphere 4's. The last two both mean
// that the namespaces go first: nobody deletes a workspace to be surprised later by what it left behind.
const (
	PropagationOrphan     Propagation = "Orphan"
	PropagationBackground Propagation = "Background"
	PropagationForeground Propagation = "Foreground"
)

// ReasonInvalidPropagation tells of a deletion that does not say what it wants.
const ReasonInvalidPropagation = "InvalidDeletionPropagation"

// PropagationOf reads what a deletion wants. Orphan is what happens unless somebody asks for more; 3.x marked it by
// a finalizer.
func PropagationOf(annotations map[string]string, finalizers []string) (Propagation, Problems) {
	if slices.Contains(finalizers, tenantv1beta1.LegacyOrphanFinalizer) {
		return PropagationOrphan, nil
	}

	value := annotations[tenantv1beta1.DeletionPropagationAnnotation]

	switch propagation := Propagation(value); propagation {
	case "":
		return PropagationOrphan, nil
	case PropagationOrphan, PropagationBackground, PropagationForeground:
		return propagation, nil
	}

	path := field.NewPath("metadata", "annotations").Key(tenantv1beta1.DeletionPropagationAnnotation)

	return "", Problems{{Reason: ReasonInvalidPropagation, Err: field.NotSupported(path, value,
		[]Propagation{PropagationOrphan, PropagationBackground, PropagationForeground})}}
}

// Cascades tells whether the namespaces are deleted, too.
func (p Propagation) Cascades() bool { return p == PropagationBackground || p == PropagationForeground }

// Member is a namespace of a workspace that is being deleted.
type Member struct {
	Name      string
	Protected bool
}

// Obstacles returns the namespaces that must not be deleted, sorted: protected ones, and those of the system. As
// long as there are any, none is deleted.
func Obstacles(members []Member) []string {
	var names []string

	for _, member := range members {
		if member.Protected || IsSystemNamespace(member.Name) {
			names = append(names, member.Name)
		}
	}

	slices.Sort(names)

	return names
}

// IsSystemNamespace tells whether a namespace is one of Kubernetes or of the platform.
func IsSystemNamespace(name string) bool {
	return name == "default" || strings.HasPrefix(name, "kube-") || strings.HasPrefix(name, "kubesphere-")
}

// ForeignOwners are the owner references that are not of a workspace, as 3.x set them on namespaces: those the garbage
// collector would delete the namespace by when its workspace goes, or is made anew under another UID.
func ForeignOwners(owners []metav1.OwnerReference) []metav1.OwnerReference {
	return slices.DeleteFunc(slices.Clone(owners), OwnsAsWorkspace)
}

// OwnsAsWorkspace tells whether an owner reference is that of a workspace.
func OwnsAsWorkspace(owner metav1.OwnerReference) bool {
	group, _, _ := strings.Cut(owner.APIVersion, "/")

	return group == tenantv1beta1.GroupName
}

// shown is how many names a message has room for.
const shown = 10

// Listed names a few of many.
func Listed(names []string) string {
	names = slices.Clone(names)
	slices.Sort(names)

	if len(names) <= shown {
		return strings.Join(names, ", ")
	}

	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}
