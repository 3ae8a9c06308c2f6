package cleanup

import (
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

const leaseGroup = "coordination.k8s.io"

// Kind is a kind that the cluster serves.
type Kind struct {
	schema.GroupVersionKind

	// Resource is its name in addresses: lower-case and plural.
	Resource string
}

// String names the kind as kubectl takes it.
func (k Kind) String() string {
	return schema.GroupResource{Group: k.Group, Resource: k.Resource}.String()
}

// isOurs tells whether the kind is one of our own.
func (k Kind) isOurs() bool { return slices.Contains(Groups(), k.Group) }

// Groups are the groups of our own kinds, all of which are looked at, also those that a later release adds.
func Groups() []string { return []string{tenantv1beta1.GroupName, iamv1beta1.GroupName} }

// Native are the other kinds that are looked at, by group.
func Native() map[string][]string {
	return map[string][]string{
		"":               {"namespaces", "serviceaccounts"},
		rbacv1.GroupName: {"roles", "rolebindings", "clusterroles", "clusterrolebindings"},

		admissionregistrationv1.GroupName: {"validatingadmissionpolicybindings"},
	}
}

// Selector selects the objects of a kind that can have traces. Of roles and bindings, also of admission policies, that
// are the ones a controller made; of the rest it cannot be told by a label.
func (k Kind) Selector() labels.Selector {
	if k.Group == rbacv1.GroupName || k.Group == admissionregistrationv1.GroupName {
		return labels.SelectorFromSet(labels.Set{tenancy.ManagedByLabel: tenancy.ManagedBy})
	}

	return labels.Everything()
}

// finalizers are those that this project or either release of KubeSphere sets.
func finalizers() []string {
	return []string{
		tenantv1beta1.CascadingDeletionFinalizer,
		tenantv1beta1.LegacyWorkspaceFinalizer,
		tenantv1beta1.LegacyWorkspaceTemplateFinalizer,
		tenantv1beta1.LegacyNamespaceFinalizer,
		tenantv1beta1.LegacyOrphanFinalizer,
		iamv1beta1.UserFinalizer,
		iamv1beta1.LegacyGroupFinalizer,
		iamv1beta1.LegacyGroupBindingFinalizer,
		iamv1beta1.LegacyGlobalRoleFinalizer,
		iamv1beta1.LegacyGlobalRoleBindingFinalizer,
		iamv1beta1.LegacyWorkspaceRoleFinalizer,
		iamv1beta1.LegacyWorkspaceRoleBindingFinalizer,
		iamv1beta1.LegacyServiceAccountFinalizer,
	}
}

// labelsToTake are what says on a namespace to which workspace it belongs.
func labelsToTake() []string {
	return []string{tenantv1beta1.WorkspaceLabel, tenantv1beta1.NamespaceLabel}
}

// isNoted tells whether an annotation on an object of Kubernetes itself is one of the manager's notes.
func isNoted(annotation string) bool {
	return strings.HasPrefix(annotation, tenantv1beta1.GroupName+"/")
}
