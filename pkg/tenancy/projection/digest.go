package projection

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

// Owner says who an object belongs to.
type Owner byte

// The owners.
const (
	// Ours was made by this project.
	Ours Owner = 'o'

	// Legacy was made by KubeSphere, or looks as if.
	Legacy Owner = 'l'

	// Foreign was made by somebody else for a purpose of their own.
	Foreign Owner = 'f'
)

// Digest tells native roles and bindings apart by what of them is ours to decide: what they grant, to whom, and
// under which labels. In memory it is a twentieth of the object.
type Digest string

// OwnerOf returns whose the object is.
func (d Digest) OwnerOf() Owner {
	if d == "" {
		return Foreign
	}

	return Owner(d[0])
}

// digestBytes is how much of a hash is kept: to make another object of the same digest takes longer than anybody
// has.
const digestBytes = 12

// DigestOf computes the digest of a native role or binding. ref is the label that names what it was made of; others
// may add labels of theirs.
func DigestOf(object metav1.Object, ref string) Digest {
	labels := object.GetLabels()

	owner := Legacy
	if labels[tenancy.ManagedByLabel] == tenancy.ManagedBy {
		owner = Ours
	}

	if isForeign(object) && owner != Ours {
		owner = Foreign
	}

	// Of objects without rules, a list that is there and one that is not say the same.
	parts := []any{labels[tenancy.ManagedByLabel], labels[tenancy.ComponentLabel], labels[ref]}

	switch native := object.(type) {
	case *rbacv1.Role:
		parts = append(parts, present(native.Rules))
	case *rbacv1.ClusterRole:
		parts = append(parts, present(native.Rules))
	case *rbacv1.RoleBinding:
		parts = append(parts, native.RoleRef, native.Subjects)
	case *rbacv1.ClusterRoleBinding:
		parts = append(parts, native.RoleRef, native.Subjects)
	}

	// Lists of strings can always be encoded.
	text, _ := json.Marshal(parts) //nolint:errchkjson // See above.
	sum := sha256.Sum256(text)

	return Digest(string(owner) + hex.EncodeToString(sum[:digestBytes]))
}

// isForeign tells whether an object under the name of a platform administrator's binding says something else than
// KubeSphere's would.
func isForeign(object metav1.Object) bool {
	binding, isBinding := object.(*rbacv1.ClusterRoleBinding)
	if !isBinding {
		return false
	}

	user, isAdmin := strings.CutSuffix(binding.Name, AdminSuffix)

	return isAdmin && (binding.RoleRef.Kind != "ClusterRole" || binding.RoleRef.Name != ClusterAdmin ||
		len(binding.Subjects) != 1 || binding.Subjects[0].Kind != rbacv1.UserKind || binding.Subjects[0].Name != user)
}
