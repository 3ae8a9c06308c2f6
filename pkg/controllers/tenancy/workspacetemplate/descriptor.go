// Package workspacetemplate makes the Workspace that a WorkspaceTemplate asks for, and lets the workspace's
// manager see and administer it.
package workspacetemplate

import (
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

// Name of the controller.
const Name = "workspace-template"

// Descriptor describes the controller.
func Descriptor() manager.Descriptor {
	template := tenantv1beta1.SchemeGroupVersion.WithKind("WorkspaceTemplate")
	workspace := tenantv1beta1.SchemeGroupVersion.WithKind("Workspace")
	ours := labels.SelectorFromSet(labels.Set{tenancy.ManagedByLabel: tenancy.ManagedBy})

	return manager.Descriptor{
		Name:    Name,
		Aliases: []string{"workspacetemplate"},
		Domain:  manager.Tenancy,
		Summary: "Makes the Workspace of each WorkspaceTemplate and lets its manager administer it.",
		Gate:    features.WorkspaceTemplate,
		Requires: []manager.Required{
			{GroupVersionKind: template, Revision: tenantv1beta1.SchemaRevision},
			{GroupVersionKind: workspace, Revision: tenantv1beta1.SchemaRevision},
		},
		Caches: []manager.Cached{
			{Kind: template, Resource: "workspacetemplates", Depth: manager.Full},
			{Kind: workspace, Resource: "workspaces", Depth: manager.Full},
			{
				Kind: rbacv1.SchemeGroupVersion.WithKind("ClusterRole"), Resource: "clusterroles",
				Depth: manager.Full, Labels: ours,
			},
			{
				Kind: rbacv1.SchemeGroupVersion.WithKind("ClusterRoleBinding"), Resource: "clusterrolebindings",
				Depth: manager.Full, Labels: ours,
			},
		},
		Writes:      writes(),
		AddToScheme: []func(*runtime.Scheme) error{tenantv1beta1.AddToScheme, rbacv1.AddToScheme},
		New:         New,
	}
}

// writes lists what the controller changes. Applying an object takes patch, and create where it is new.
func writes() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{
			APIGroups: []string{tenantv1beta1.GroupName}, Resources: []string{"workspaces"},
			Verbs: []string{"create", "patch", "delete"},
		},
		{
			APIGroups: []string{tenantv1beta1.GroupName}, Resources: []string{"workspacetemplates"},
			Verbs: []string{"patch"},
		},
		{
			APIGroups: []string{tenantv1beta1.GroupName}, Resources: []string{"workspacetemplates/status"},
			Verbs: []string{"patch"},
		},
		{
			APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles", "clusterrolebindings"},
			Verbs: []string{"create", "patch", "delete"},
		},
		// Nobody may grant what they do not hold themselves, so the controller holds what managers get. This
		// is instead of the verbs escalate and bind, with which it could grant anything.
		{
			APIGroups: []string{tenantv1beta1.GroupName}, Resources: []string{"workspaces", "workspacetemplates"},
			Verbs: tenancy.ManagerVerbs(),
		},
	}
}
