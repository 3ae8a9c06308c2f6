// Package workspacepolicy finds out which workspaces each WorkspacePolicy selects and which of them are full. The
// admission policy goes by what it publishes.
package workspacepolicy

import (
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Name of the controller.
const Name = "workspace-policy"

// Descriptor describes the controller.
func Descriptor() manager.Descriptor {
	policy := tenantv1beta1.SchemeGroupVersion.WithKind("WorkspacePolicy")
	workspace := tenantv1beta1.SchemeGroupVersion.WithKind("Workspace")

	return manager.Descriptor{
		Name:    Name,
		Domain:  manager.Tenancy,
		Summary: "Publishes which workspaces each WorkspacePolicy selects and which of them are full.",
		Gate:    features.WorkspacePolicy,
		Requires: []manager.Required{
			{GroupVersionKind: policy, Revision: tenantv1beta1.SchemaRevision},
			{GroupVersionKind: workspace, Revision: tenantv1beta1.SchemaRevision},
		},
		Caches: []manager.Cached{
			{Kind: policy, Resource: "workspacepolicies", Depth: manager.Full},
			{Kind: workspace, Resource: "workspaces", Depth: manager.Full},
		},
		Writes: []rbacv1.PolicyRule{{
			APIGroups: []string{tenantv1beta1.GroupName}, Resources: []string{"workspacepolicies/status"},
			Verbs: []string{"patch"},
		}},
		AddToScheme: []func(*runtime.Scheme) error{tenantv1beta1.AddToScheme},
		New:         New,
	}
}
