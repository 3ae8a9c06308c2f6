// Package workspace reports on workspaces: whether they can work, and how many namespaces belong to them.
package workspace

import (
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Name of the controller.
const Name = "workspace"

// Descriptor describes the controller.
func Descriptor() manager.Descriptor {
	kind := tenantv1beta1.SchemeGroupVersion.WithKind("Workspace")

	return manager.Descriptor{
		Name:     Name,
		Domain:   manager.Tenancy,
		Summary:  "Reports on each Workspace and counts the namespaces that carry its label.",
		Gate:     features.Workspace,
		Requires: []manager.Required{{GroupVersionKind: kind, Revision: tenantv1beta1.SchemaRevision}},
		Caches: []manager.Cached{
			{Kind: kind, Resource: "workspaces", Depth: manager.Full},
			{Kind: namespaceKind(), Resource: "namespaces", Depth: manager.MetadataOnly, Labels: inSomeWorkspace()},
		},
		Writes: []rbacv1.PolicyRule{
			// Finalizers that KubeSphere left.
			{APIGroups: []string{kind.Group}, Resources: []string{"workspaces"}, Verbs: []string{"patch"}},
			{APIGroups: []string{kind.Group}, Resources: []string{"workspaces/status"}, Verbs: []string{"patch"}},
		},
		AddToScheme: []func(*runtime.Scheme) error{tenantv1beta1.AddToScheme},
		New:         New,
	}
}

func namespaceKind() schema.GroupVersionKind {
	return corev1.SchemeGroupVersion.WithKind("Namespace")
}

// inSomeWorkspace selects the namespaces that belong to any workspace; no other is kept in memory.
func inSomeWorkspace() labels.Selector {
	// Exists takes no values, so nothing can be wrong with the requirement.
	requirement, err := labels.NewRequirement(tenantv1beta1.WorkspaceLabel, selection.Exists, nil)
	if err != nil {
		return labels.Nothing()
	}

	return labels.NewSelector().Add(*requirement)
}
