// Package traces finds and removes what names a user or a group: bindings of roles, memberships, login records. The
// controllers of users, of groups and of login records share it, and with it what they keep in memory.
package traces

import (
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

// HolderIndex finds bindings by the key of a holder they name.
const HolderIndex = "holder"

// Kind returns a kind of the group iam.kubesphere.io.
func Kind(name string) schema.GroupVersionKind { return iamv1beta1.SchemeGroupVersion.WithKind(name) }

// Require returns kinds of the group iam.kubesphere.io as a descriptor requires them.
func Require(names ...string) []manager.Required {
	required := make([]manager.Required, 0, len(names))
	for _, name := range names {
		required = append(required,
			manager.Required{GroupVersionKind: Kind(name), Revision: iamv1beta1.SchemaRevision})
	}

	return required
}

// BindingKinds are the kinds of bindings of roles, as a descriptor requires them.
func BindingKinds() []manager.Required {
	return Require("GlobalRoleBinding", "WorkspaceRoleBinding", "ClusterRoleBinding", "RoleBinding")
}

// BindingCaches is what is kept of bindings: those of KubeSphere whole, for their subjects, and of the native ones the
// metadata of those that carry the label of such a holder.
func BindingCaches(holderLabel string) []manager.Cached {
	labelled := exists(holderLabel)

	return []manager.Cached{
		{Kind: Kind("GlobalRoleBinding"), Resource: "globalrolebindings", Depth: manager.Full},
		{Kind: Kind("WorkspaceRoleBinding"), Resource: "workspacerolebindings", Depth: manager.Full},
		{Kind: Kind("ClusterRoleBinding"), Resource: "clusterrolebindings", Depth: manager.Full},
		{Kind: Kind("RoleBinding"), Resource: "rolebindings", Depth: manager.Full},
		{
			Kind: nativeKind("ClusterRoleBinding"), Resource: "clusterrolebindings", Depth: manager.MetadataOnly,
			Labels: labelled,
		},
		{
			Kind: nativeKind("RoleBinding"), Resource: "rolebindings", Depth: manager.MetadataOnly, Labels: labelled,
		},
	}
}

// BindingWrites is what removing bindings takes.
func BindingWrites() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{
			APIGroups: []string{iamv1beta1.GroupName},
			Resources: []string{"globalrolebindings", "workspacerolebindings", "clusterrolebindings", "rolebindings"},
			Verbs:     []string{"patch", "delete"},
		},
		{
			APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterrolebindings", "rolebindings"},
			Verbs: []string{"delete"},
		},
	}
}

// LoginRecords is what is kept of login records: what decides, and no more, for there are many.
func LoginRecords() manager.Cached {
	return manager.Cached{
		Kind: Kind("LoginRecord"), Resource: "loginrecords", Depth: manager.Slim,
		Trim: stores.Trim{Name: "login-record", Do: trimLoginRecord},
	}
}

func trimLoginRecord(object client.Object) {
	object.SetManagedFields(nil)
	object.SetAnnotations(nil)
	object.SetOwnerReferences(nil)
	object.SetGenerateName("")

	kept := map[string]string(nil)
	if user := object.GetLabels()[iamv1beta1.UserLabel]; user != "" {
		kept = map[string]string{iamv1beta1.UserLabel: user}
	}

	object.SetLabels(kept)

	if record, isRecord := object.(*iamv1beta1.LoginRecord); isRecord {
		record.Spec = iamv1beta1.LoginRecordSpec{Type: record.Spec.Type, Success: record.Spec.Success}
	}
}

func nativeKind(name string) schema.GroupVersionKind { return rbacv1.SchemeGroupVersion.WithKind(name) }

// exists selects what carries a label.
func exists(label string) labels.Selector {
	// Exists takes no values, so nothing can be wrong with the requirement.
	requirement, err := labels.NewRequirement(label, selection.Exists, nil)
	if err != nil {
		return labels.Nothing()
	}

	return labels.NewSelector().Add(*requirement)
}

// bindingKind is a kind of bindings that are looked up by holder.
type bindingKind struct {
	name   string
	object client.Object
	list   client.ObjectList
}

func bindingKinds() []bindingKind {
	return []bindingKind{
		{"GlobalRoleBinding", &iamv1beta1.GlobalRoleBinding{}, &iamv1beta1.GlobalRoleBindingList{}},
		{"WorkspaceRoleBinding", &iamv1beta1.WorkspaceRoleBinding{}, &iamv1beta1.WorkspaceRoleBindingList{}},
		{"ClusterRoleBinding", &iamv1beta1.ClusterRoleBinding{}, &iamv1beta1.ClusterRoleBindingList{}},
		{"RoleBinding", &iamv1beta1.RoleBinding{}, &iamv1beta1.RoleBindingList{}},
		nativeBindingKind("ClusterRoleBinding"),
		nativeBindingKind("RoleBinding"),
	}
}

func nativeBindingKind(name string) bindingKind {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(nativeKind(name))

	return bindingKind{name: "native " + name, object: manager.MetadataOf(nativeKind(name)), list: list}
}

// BindingIndexes make bindings findable by holder.
func BindingIndexes() []manager.Index {
	kinds := bindingKinds()
	indexes := make([]manager.Index, 0, len(kinds))

	for _, kind := range kinds {
		indexes = append(indexes, manager.Index{Object: kind.object, Field: HolderIndex, Value: holderKeys})
	}

	return indexes
}

func holderKeys(binding client.Object) []string {
	subjects, _ := subjectsOf(binding)

	return accounts.HolderKeys(binding.GetLabels(), subjects)
}

// subjectsOf returns whom a binding names, and whether its kind is kept with them.
func subjectsOf(binding client.Object) ([]rbacv1.Subject, bool) {
	switch b := binding.(type) {
	case *iamv1beta1.GlobalRoleBinding:
		return b.Subjects, true
	case *iamv1beta1.WorkspaceRoleBinding:
		return b.Subjects, true
	case *iamv1beta1.ClusterRoleBinding:
		return b.Subjects, true
	case *iamv1beta1.RoleBinding:
		return b.Subjects, true
	}

	return nil, false
}
