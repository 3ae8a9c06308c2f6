// Package groupbinding makes users members of groups as GroupBindings say. It is the only one to write the groups of a
// user.
package groupbinding

import (
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/user/traces"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Name of the controller.
const Name = "group-binding"

// Descriptor describes the controller.
func Descriptor() manager.Descriptor {
	return manager.Descriptor{
		Name:     Name,
		Aliases:  []string{"groupbinding"},
		Domain:   manager.Tenancy,
		Summary:  "Makes the users that each GroupBinding names members of its group.",
		Gate:     features.GroupBinding,
		Requires: traces.Require("GroupBinding", "Group", "User"),
		Caches: []manager.Cached{
			{Kind: traces.Kind("GroupBinding"), Resource: "groupbindings", Depth: manager.Full},
			{Kind: traces.Kind("Group"), Resource: "groups", Depth: manager.Full},
			{Kind: traces.Kind("User"), Resource: "users", Depth: manager.Full},
		},
		Writes: []rbacv1.PolicyRule{
			{
				// Finalizers that KubeSphere left.
				APIGroups: []string{iamv1beta1.GroupName}, Resources: []string{"groupbindings"},
				Verbs: []string{"patch"},
			},
			{
				APIGroups: []string{iamv1beta1.GroupName}, Resources: []string{"groupbindings/status"},
				Verbs: []string{"patch"},
			},
			{APIGroups: []string{iamv1beta1.GroupName}, Resources: []string{"users"}, Verbs: []string{"patch"}},
		},
		AddToScheme: []func(*runtime.Scheme) error{iamv1beta1.AddToScheme},
		New:         New,
	}
}
