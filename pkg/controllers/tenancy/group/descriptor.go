// Package group reports on groups, and removes what names a group that is deleted.
package group

import (
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/user/traces"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Name of the controller.
const Name = "group"

// Descriptor describes the controller.
func Descriptor() manager.Descriptor {
	return manager.Descriptor{
		Name:     Name,
		Domain:   manager.Tenancy,
		Summary:  "Reports on each Group, and cleans up after it.",
		Gate:     features.Group,
		Requires: append(traces.Require("Group", "GroupBinding", "User"), traces.BindingKinds()...),
		Caches: append([]manager.Cached{
			{Kind: traces.Kind("Group"), Resource: "groups", Depth: manager.Full},
			{Kind: traces.Kind("GroupBinding"), Resource: "groupbindings", Depth: manager.Full},
			{Kind: traces.Kind("User"), Resource: "users", Depth: manager.Full},
		}, traces.BindingCaches(iamv1beta1.GroupLabel)...),
		Writes:      writes(),
		AddToScheme: []func(*runtime.Scheme) error{iamv1beta1.AddToScheme, rbacv1.AddToScheme},
		New:         New,
	}
}

func writes() []rbacv1.PolicyRule {
	return append([]rbacv1.PolicyRule{
		{APIGroups: []string{iamv1beta1.GroupName}, Resources: []string{"groups"}, Verbs: []string{"patch"}},
		{APIGroups: []string{iamv1beta1.GroupName}, Resources: []string{"groups/status"}, Verbs: []string{"patch"}},
		{APIGroups: []string{iamv1beta1.GroupName}, Resources: []string{"groupbindings"}, Verbs: []string{"delete"}},
	}, traces.BindingWrites()...)
}
