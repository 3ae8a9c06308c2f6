// Package workspace reports on workspaces: whether they can work, how many namespaces belong to them, and which of
// these are too many. When one is deleted it lets the namespaces go, or deletes them where that was asked for.
package workspace

import (
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Name of the controller.
const Name = "workspace"

const concurrency = 4

// Descriptor describes the controller.
func Descriptor() manager.Descriptor {
	return manager.Descriptor{
		Name:   Name,
		Domain: manager.Tenancy,
		Summary: "Reports on each Workspace, counts its namespaces, and lets them go or deletes them when it is " +
			"deleted.",
		Gate: features.Workspace,
		Requires: []manager.Required{
			{GroupVersionKind: kind("Workspace"), Revision: tenantv1beta1.SchemaRevision},
			{GroupVersionKind: kind("WorkspaceTemplate"), Revision: tenantv1beta1.SchemaRevision},
			{GroupVersionKind: kind("WorkspacePolicy"), Revision: tenantv1beta1.SchemaRevision},
		},
		Caches: []manager.Cached{
			{Kind: kind("Workspace"), Resource: "workspaces", Depth: manager.Full},
			{Kind: kind("WorkspaceTemplate"), Resource: "workspacetemplates", Depth: manager.MetadataOnly},
			{Kind: kind("WorkspacePolicy"), Resource: "workspacepolicies", Depth: manager.Full},
			{Kind: namespaceKind(), Resource: "namespaces", Depth: manager.MetadataOnly},
		},
		Writes: []rbacv1.PolicyRule{
			// It is read once more before anything is deleted that cannot be brought back.
			{
				APIGroups: []string{tenantv1beta1.GroupName}, Resources: []string{"workspaces"},
				Verbs: []string{"get", "patch"},
			},
			{
				APIGroups: []string{tenantv1beta1.GroupName}, Resources: []string{"workspaces/status"},
				Verbs: []string{"patch"},
			},
			// Taking an owner reference off that blocks its owner's deletion takes the right to finalize the owner.
			{
				APIGroups: []string{tenantv1beta1.GroupName}, Resources: []string{"workspaces/finalizers"},
				Verbs: []string{"update"},
			},
			{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"patch", "delete"}},
		},
		AddToScheme: []func(*runtime.Scheme) error{tenantv1beta1.AddToScheme},
		New:         New,
	}
}

func kind(name string) schema.GroupVersionKind {
	return tenantv1beta1.SchemeGroupVersion.WithKind(name)
}

func namespaceKind() schema.GroupVersionKind {
	return corev1.SchemeGroupVersion.WithKind("Namespace")
}
