// Package workspacepolicy finds out which workspaces each WorkspacePolicy selects and which of them are full. An
// admission policy goes by what it publishes, and by the last of it while no manager runs.
//
// Whether it is asked at all is said by its binding, which is made here too: an API server pays for each
// WorkspacePolicy at every change of a namespace that the binding selects. So it selects those of full workspaces, and
// is not there when none is full.
package workspacepolicy

import (
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/limits"
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
		Summary: "Publishes which workspaces each WorkspacePolicy selects and which are full, for the guard to go by.",
		Gate:    features.WorkspacePolicy,
		Requires: []manager.Required{
			{GroupVersionKind: policy, Revision: tenantv1beta1.SchemaRevision},
			{GroupVersionKind: workspace, Revision: tenantv1beta1.SchemaRevision},
		},
		Caches: []manager.Cached{
			{Kind: policy, Resource: "workspacepolicies", Depth: manager.Full},
			{Kind: workspace, Resource: "workspaces", Depth: manager.Full},
			{
				Kind: bindingKind(), Resource: "validatingadmissionpolicybindings", Depth: manager.Full,
				Name: limits.Guard,
			},
			{
				Kind: guardKind(), Resource: "validatingadmissionpolicies", Depth: manager.MetadataOnly,
				Name: limits.Guard,
			},
		},
		Writes:      writes(),
		AddToScheme: []func(*runtime.Scheme) error{tenantv1beta1.AddToScheme, admissionregistrationv1.AddToScheme},
		New:         New,
	}
}

func writes() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{
			APIGroups: []string{tenantv1beta1.GroupName}, Resources: []string{"workspacepolicies/status"},
			Verbs: []string{"patch"},
		},
		{
			APIGroups: []string{admissionregistrationv1.GroupName},
			Resources: []string{"validatingadmissionpolicybindings"}, ResourceNames: []string{limits.Guard},
			Verbs: []string{"create", "patch", "delete"},
		},
	}
}

func guardKind() schema.GroupVersionKind {
	return admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingAdmissionPolicy")
}

func bindingKind() schema.GroupVersionKind {
	return admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingAdmissionPolicyBinding")
}
