// Package namespace gives each namespace of a workspace its built-in roles, makes workspace roles effective in it,
// and takes off namespaces what KubeSphere left there.
package namespace

import (
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1alpha2 "github.com/ks-core/ks-controller-manager/api/iam/v1alpha2"
	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/platform"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

// Name of the controller.
const Name = "namespace"

// concurrency is the number of namespaces worked on at the same time: enough to keep an API server busy, which takes
// less time for a write the more it has at once, and not more, for somebody's edit waits behind what is under way.
const concurrency = 14

// Descriptor describes the controller.
func Descriptor(profile access.Profile) manager.Descriptor {
	return manager.Descriptor{
		Name:    Name,
		Domain:  manager.Tenancy,
		Summary: "Gives each namespace of a workspace its built-in roles and makes workspace roles effective in it.",
		Gate:    features.Namespace,
		Requires: append(platform.Requires(), []manager.Required{
			{GroupVersionKind: tenantKind("Workspace"), Revision: tenantv1beta1.SchemaRevision},
			{GroupVersionKind: tenantKind("WorkspacePolicy"), Revision: tenantv1beta1.SchemaRevision},
			{GroupVersionKind: iamKind("WorkspaceRole"), Revision: iamv1beta1.SchemaRevision},
			{GroupVersionKind: iamKind("WorkspaceRoleBinding"), Revision: iamv1beta1.SchemaRevision},
			{GroupVersionKind: iamKind("Role"), Revision: iamv1beta1.SchemaRevision},
		}...),
		Caches: caches(),
		Writes: writes(),
		AddToScheme: []func(*runtime.Scheme) error{
			tenantv1beta1.AddToScheme, iamv1beta1.AddToScheme, iamv1alpha2.AddToScheme, rbacv1.AddToScheme,
		},
		New: func(dependencies manager.Dependencies) (*manager.Controller, error) {
			return New(profile, dependencies)
		},
	}
}

func caches() []manager.Cached {
	return append(platform.Caches(), []manager.Cached{
		{Kind: namespaceKind(), Resource: "namespaces", Depth: manager.MetadataOnly},
		{Kind: tenantKind("Workspace"), Resource: "workspaces", Depth: manager.Full},
		{Kind: tenantKind("WorkspacePolicy"), Resource: "workspacepolicies", Depth: manager.Full},
		{Kind: iamKind("WorkspaceRole"), Resource: "workspaceroles", Depth: manager.Full},
		{Kind: iamKind("WorkspaceRoleBinding"), Resource: "workspacerolebindings", Depth: manager.Full},
		platform.RolesIn(rbacKind("Role")),
		platform.RolesIn(iamKind("Role")),
		bindingCache(),
	}...)
}

// bindingCache keeps of the bindings that the controller made no more than it takes to tell whether they are as they
// should be.
func bindingCache() manager.Cached {
	return manager.Cached{
		Kind: rbacKind("RoleBinding"), Resource: "rolebindings", Depth: manager.Digested, Labels: access.Selector(),
		Digest: manager.Digest{Name: "access", Of: func(object client.Object) string { return access.Digest(object) }},
	}
}

// writes lists what the controller changes. It gives permissions that it does not hold itself, so it needs
// escalate and bind; what it gives has gone through the engine, which never gives more than a namespace's own.
func writes() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"patch"}},
		// Taking an owner reference off that blocks its owner's deletion takes the right to finalize the owner.
		{
			APIGroups: []string{tenantv1beta1.GroupName}, Resources: []string{"workspaces/finalizers"},
			Verbs: []string{"update"},
		},
		{
			APIGroups: []string{rbacv1.GroupName}, Resources: []string{"roles", "rolebindings"},
			Verbs: []string{"get", "create", "patch", "delete"},
		},
		{
			APIGroups: []string{rbacv1.GroupName}, Resources: []string{"roles", "clusterroles"},
			Verbs: []string{"escalate", "bind"},
		},
		{
			APIGroups: []string{iamv1beta1.GroupName}, Resources: []string{"roles", "rolebindings"},
			Verbs: []string{"get", "create", "patch", "delete"},
		},
		// The admission policy knows an administrator of the platform by this.
		{APIGroups: []string{tenantv1beta1.GroupName}, Resources: []string{"workspaces"}, Verbs: []string{"assign"}},
	}
}

func namespaceKind() schema.GroupVersionKind { return corev1.SchemeGroupVersion.WithKind("Namespace") }

func rbacKind(kind string) schema.GroupVersionKind { return rbacv1.SchemeGroupVersion.WithKind(kind) }

func tenantKind(kind string) schema.GroupVersionKind {
	return tenantv1beta1.SchemeGroupVersion.WithKind(kind)
}

func iamKind(kind string) schema.GroupVersionKind {
	return iamv1beta1.SchemeGroupVersion.WithKind(kind)
}
