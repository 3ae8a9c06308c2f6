package preview

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

// World is all that the answer depends on.
type World struct {
	Cluster access.Cluster

	Templates   []tenantv1beta1.WorkspaceTemplate
	Workspaces  []tenantv1beta1.Workspace
	Policies    []tenantv1beta1.WorkspacePolicy
	Assignments []tenantv1beta1.NamespaceAssignment

	// Roles and Bindings are those of workspaces.
	Roles    []iamv1beta1.WorkspaceRole
	Bindings []iamv1beta1.WorkspaceRoleBinding

	// Namespaces are all, their metadata alone.
	Namespaces []metav1.PartialObjectMetadata

	// RoleBindings are the native ones of the namespaces that are asked about.
	RoleBindings []rbacv1.RoleBinding
}

func (w World) template(name string) *tenantv1beta1.WorkspaceTemplate {
	i := slices.IndexFunc(w.Templates, func(t tenantv1beta1.WorkspaceTemplate) bool { return t.Name == name })
	if i < 0 {
		return nil
	}

	return &w.Templates[i]
}

func (w World) workspace(name string) *tenantv1beta1.Workspace {
	i := slices.IndexFunc(w.Workspaces, func(workspace tenantv1beta1.Workspace) bool { return workspace.Name == name })
	if i < 0 {
		return nil
	}

	return &w.Workspaces[i]
}

func (w World) namespace(name string) *metav1.PartialObjectMetadata {
	i := slices.IndexFunc(w.Namespaces, func(object metav1.PartialObjectMetadata) bool { return object.Name == name })
	if i < 0 {
		return nil
	}

	return &w.Namespaces[i]
}

// members returns the namespaces of a workspace.
func (w World) members(workspace string) []metav1.PartialObjectMetadata {
	var members []metav1.PartialObjectMetadata

	for _, object := range w.Namespaces {
		if workspace != "" && object.Labels[tenantv1beta1.WorkspaceLabel] == workspace {
			members = append(members, object)
		}
	}

	return members
}
