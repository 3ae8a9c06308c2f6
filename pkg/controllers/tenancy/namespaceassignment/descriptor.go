// Package namespaceassignment puts the namespaces that a NamespaceAssignment selects into its workspace.
package namespaceassignment

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
const Name = "namespace-assignment"

// Descriptor describes the controller.
func Descriptor() manager.Descriptor {
	assignment := tenantv1beta1.SchemeGroupVersion.WithKind("NamespaceAssignment")
	workspace := tenantv1beta1.SchemeGroupVersion.WithKind("Workspace")

	return manager.Descriptor{
		Name:    Name,
		Domain:  manager.Tenancy,
		Summary: "Puts the namespaces that each NamespaceAssignment selects into its workspace.",
		Gate:    features.NamespaceAssignment,
		Requires: []manager.Required{
			{GroupVersionKind: assignment, Revision: tenantv1beta1.SchemaRevision},
			{GroupVersionKind: workspace, Revision: tenantv1beta1.SchemaRevision},
		},
		Caches: []manager.Cached{
			{Kind: assignment, Resource: "namespaceassignments", Depth: manager.Full},
			{Kind: workspace, Resource: "workspaces", Depth: manager.Full},
			{Kind: namespaceKind(), Resource: "namespaces", Depth: manager.MetadataOnly},
		},
		Writes: []rbacv1.PolicyRule{
			{
				APIGroups: []string{tenantv1beta1.GroupName}, Resources: []string{"namespaceassignments/status"},
				Verbs: []string{"patch"},
			},
			{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"patch"}},
			// The admission policy knows by this who may move namespaces between workspaces.
			{
				APIGroups: []string{tenantv1beta1.GroupName}, Resources: []string{"workspaces"},
				Verbs: []string{"assign"},
			},
		},
		AddToScheme: []func(*runtime.Scheme) error{tenantv1beta1.AddToScheme},
		New:         New,
	}
}

func namespaceKind() schema.GroupVersionKind { return corev1.SchemeGroupVersion.WithKind("Namespace") }
