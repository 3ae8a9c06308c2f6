// Package workspacetemplate makes the Workspace that a WorkspaceTemplate asks for, with its built-in roles, and makes
// the workspace's manager its administrator.
package workspacetemplate

import (
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	iamv1alpha2 "github.com/ks-core/ks-controller-manager/api/iam/v1alpha2"
	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/platform"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Name of the controller.
const Name = "workspace-template"

const concurrency = 4

// Descriptor describes the controller.
func Descriptor() manager.Descriptor {
	return manager.Descriptor{
		Name:    Name,
		Aliases: []string{"workspacetemplate"},
		Domain:  manager.Tenancy,
		Summary: "Makes the Workspace of each WorkspaceTemplate and its built-in roles, and makes its manager their " +
			"administrator.",
		Gate: features.WorkspaceTemplate,
		Requires: append(platform.Requires(), []manager.Required{
			{GroupVersionKind: tenantKind("WorkspaceTemplate"), Revision: tenantv1beta1.SchemaRevision},
			{GroupVersionKind: tenantKind("Workspace"), Revision: tenantv1beta1.SchemaRevision},
			{GroupVersionKind: iamKind("WorkspaceRole"), Revision: iamv1beta1.SchemaRevision},
			{GroupVersionKind: iamKind("WorkspaceRoleBinding"), Revision: iamv1beta1.SchemaRevision},
		}...),
		Caches: append(platform.Caches(), []manager.Cached{
			{Kind: tenantKind("WorkspaceTemplate"), Resource: "workspacetemplates", Depth: manager.Full},
			{Kind: tenantKind("Workspace"), Resource: "workspaces", Depth: manager.Full},
			{Kind: iamKind("WorkspaceRole"), Resource: "workspaceroles", Depth: manager.Full},
			{Kind: iamKind("WorkspaceRoleBinding"), Resource: "workspacerolebindings", Depth: manager.Full},
		}...),
		Writes: writes(),
		AddToScheme: []func(*runtime.Scheme) error{
			tenantv1beta1.AddToScheme, iamv1beta1.AddToScheme, iamv1alpha2.AddToScheme,
		},
		New: New,
	}
}

func tenantKind(kind string) schema.GroupVersionKind {
	return tenantv1beta1.SchemeGroupVersion.WithKind(kind)
}

func iamKind(kind string) schema.GroupVersionKind {
	return iamv1beta1.SchemeGroupVersion.WithKind(kind)
}

// writes lists what the controller changes. Applying an object takes patch, and create where it is new.
func writes() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{
			APIGroups: []string{tenantv1beta1.GroupName}, Resources: []string{"workspaces"},
			Verbs: []string{"create", "patch", "delete"},
		},
		{
			APIGroups: []string{tenantv1beta1.GroupName},
			Resources: []string{"workspacetemplates", "workspacetemplates/status"}, Verbs: []string{"patch"},
		},
		{
			APIGroups: []string{iamv1beta1.GroupName}, Resources: []string{"workspaceroles", "workspacerolebindings"},
			Verbs: []string{"create", "patch", "delete"},
		},
	}
}
