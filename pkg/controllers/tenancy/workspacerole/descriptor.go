// Package workspacerole makes WorkspaceRoles effective for kubectl: one ClusterRole with what a role permits in the
// namespaces of its workspace, which the namespace controller binds there, and one with what it permits on the
// workspace itself, with its binding.
package workspacerole

import (
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	iamv1alpha2 "github.com/ks-core/ks-controller-manager/api/iam/v1alpha2"
	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/platform"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

// Name of the controller.
const Name = access.WorkspaceRoleComponent

const concurrency = 4

// Descriptor describes the controller.
func Descriptor() manager.Descriptor {
	ours := labels.SelectorFromSet(labels.Set{
		tenancy.ManagedByLabel: tenancy.ManagedBy, tenancy.ComponentLabel: Name,
	})

	return manager.Descriptor{
		Name:    Name,
		Aliases: []string{"workspacerole"},
		Domain:  manager.Tenancy,
		Summary: "Makes the native ClusterRoles of each WorkspaceRole.",
		Gate:    features.WorkspaceRole,
		Requires: append(platform.Requires(), []manager.Required{
			{GroupVersionKind: iamKind("WorkspaceRole"), Revision: iamv1beta1.SchemaRevision},
			{GroupVersionKind: iamKind("WorkspaceRoleBinding"), Revision: iamv1beta1.SchemaRevision},
			{GroupVersionKind: workspaceKind(), Revision: tenantv1beta1.SchemaRevision},
		}...),
		Caches: append(platform.Caches(), []manager.Cached{
			{Kind: iamKind("WorkspaceRole"), Resource: "workspaceroles", Depth: manager.Full},
			{Kind: iamKind("WorkspaceRoleBinding"), Resource: "workspacerolebindings", Depth: manager.Full},
			{Kind: workspaceKind(), Resource: "workspaces", Depth: manager.Full},
			{Kind: rbacKind("ClusterRole"), Resource: "clusterroles", Depth: manager.Full, Labels: ours},
			{Kind: rbacKind("ClusterRoleBinding"), Resource: "clusterrolebindings", Depth: manager.Full, Labels: ours},
		}...),
		Writes: writes(),
		AddToScheme: []func(*runtime.Scheme) error{
			tenantv1beta1.AddToScheme, iamv1beta1.AddToScheme, iamv1alpha2.AddToScheme, rbacv1.AddToScheme,
		},
		New: New,
	}
}

// writes lists what the controller changes. It gives permissions that it does not hold itself, so it needs
// escalate and bind.
func writes() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{
			APIGroups: []string{iamv1beta1.GroupName},
			Resources: []string{"workspaceroles", "workspaceroles/status"}, Verbs: []string{"patch"},
		},
		{
			APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles", "clusterrolebindings"},
			Verbs: []string{"create", "patch", "delete"},
		},
		{
			APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles"},
			Verbs: []string{"escalate", "bind"},
		},
	}
}

func iamKind(kind string) schema.GroupVersionKind {
	return iamv1beta1.SchemeGroupVersion.WithKind(kind)
}

func rbacKind(kind string) schema.GroupVersionKind { return rbacv1.SchemeGroupVersion.WithKind(kind) }

func workspaceKind() schema.GroupVersionKind {
	return tenantv1beta1.SchemeGroupVersion.WithKind("Workspace")
}
