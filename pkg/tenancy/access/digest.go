package access

import (
	"crypto/sha256"
	"hash"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
)

// digestBytes of the hash are kept of each of a hundred thousand objects. Nobody but us writes them, and 96 bits
// do not collide by chance.
const digestBytes = 12

// Going is the digest of what is being deleted: it is waited for, neither changed nor deleted again.
const Going = "going"

// Foreign is the mark of what is not made by this package.
const Foreign = "foreign"

// Mark is the digest of what this package makes, and Foreign for all else.
func Mark(object metav1.Object) string {
	// As Selector, which is too slow for each object of a large cluster.
	if labels := object.GetLabels(); labels[managedByLabel] != managedBy || labels[componentLabel] != Component {
		return Foreign
	}

	return Digest(object)
}

// Digest tells apart what a role or binding grants, and under which labels of ours. It is empty for an object of
// another kind. What others add to the object does not count: all that has an effect is in fields that are ours.
func Digest(object metav1.Object) string {
	if object.GetDeletionTimestamp() != nil {
		return Going
	}

	switch object := object.(type) {
	case *rbacv1.Role:
		return digest(object.Labels, object.Rules, nil, nil)
	case *iamv1beta1.Role:
		return digest(object.Labels, object.Rules, nil, nil)
	case *rbacv1.RoleBinding:
		return digest(object.Labels, nil, &object.RoleRef, object.Subjects)
	default:
		return ""
	}
}

func digest(
	labels map[string]string, rules []rbacv1.PolicyRule, roleRef *rbacv1.RoleRef, subjects []rbacv1.Subject,
) string {
	hash := writer{sha256.New()}

	for _, key := range ownLabels() {
		hash.list(key, labels[key])
	}

	for _, rule := range rules {
		hash.list(rule.APIGroups...)
		hash.list(rule.Resources...)
		hash.list(rule.ResourceNames...)
		hash.list(rule.Verbs...)
		hash.list(rule.NonResourceURLs...)
	}

	if roleRef != nil {
		hash.list(roleRef.APIGroup, roleRef.Kind, roleRef.Name)
	}

	for _, subject := range subjects {
		hash.list(subject.APIGroup, subject.Kind, subject.Namespace, subject.Name)
	}

	return string(hash.Sum(nil)[:digestBytes])
}

// ownLabels are the labels that this package sets.
func ownLabels() []string {
	return []string{managedByLabel, componentLabel, tenantv1beta1.WorkspaceLabel, iamv1beta1.RoleLabel}
}

// writer hashes lists so that no two different sequences of lists look the same.
type writer struct{ hash.Hash }

func (w writer) list(values ...string) {
	for _, value := range values {
		_, _ = w.Write([]byte(value)) // a hash never fails
		_, _ = w.Write([]byte{0})
	}

	_, _ = w.Write([]byte{1})
}
