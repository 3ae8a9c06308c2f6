package app

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1alpha2 "github.com/ks-core/ks-controller-manager/api/iam/v1alpha2"
	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/platform"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/preview"
)

// scope says of which namespaces the native bindings are read: of these, or of those of a workspace.
type scope struct {
	namespaces []string
	workspace  string
}

func (s scope) concerns(namespace *metav1.PartialObjectMetadata) bool {
	return slices.Contains(s.namespaces, namespace.Name) ||
		s.workspace != "" && namespace.Labels[tenantv1beta1.WorkspaceLabel] == s.workspace
}

// readWorld asks the API server.
func (o *previewOptions) readWorld(
	ctx context.Context, profile access.Profile, concerned scope,
) (preview.World, error) {
	config, err := o.restConfig()
	if err != nil {
		return preview.World{}, err
	}

	config.QPS = -1

	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		rbacv1.AddToScheme, tenantv1beta1.AddToScheme, iamv1beta1.AddToScheme, iamv1alpha2.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return preview.World{}, fmt.Errorf("make the kinds known: %w", err)
		}
	}

	live, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return preview.World{}, fmt.Errorf("cannot reach the API server at %s: %w", config.Host, err)
	}

	return gatherWorld(ctx, live, profile, concerned)
}

func gatherWorld(
	ctx context.Context, reader client.Reader, profile access.Profile, concerned scope,
) (preview.World, error) {
	shared, err := platform.NewReader(reader, profile).Read(ctx)
	if err != nil {
		return preview.World{}, err
	}

	var (
		templates   tenantv1beta1.WorkspaceTemplateList
		workspaces  tenantv1beta1.WorkspaceList
		policies    tenantv1beta1.WorkspacePolicyList
		assignments tenantv1beta1.NamespaceAssignmentList
		roles       iamv1beta1.WorkspaceRoleList
		bindings    iamv1beta1.WorkspaceRoleBindingList
		namespaces  metav1.PartialObjectMetadataList
	)

	namespaces.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))

	for _, list := range []client.ObjectList{
		&templates, &workspaces, &policies, &assignments, &roles, &bindings, &namespaces,
	} {
		if err := reader.List(ctx, list); err != nil {
			return preview.World{}, fmt.Errorf("look at the cluster: %w", err)
		}
	}

	world := preview.World{
		Cluster: shared.Cluster, Templates: templates.Items, Workspaces: workspaces.Items, Policies: policies.Items,
		Assignments: assignments.Items, Roles: roles.Items, Bindings: bindings.Items, Namespaces: namespaces.Items,
	}

	for i := range namespaces.Items {
		if !concerned.concerns(&namespaces.Items[i]) {
			continue
		}

		var native rbacv1.RoleBindingList
		if err := reader.List(ctx, &native, client.InNamespace(namespaces.Items[i].Name)); err != nil {
			return world, fmt.Errorf("look at namespace %s: %w", namespaces.Items[i].Name, err)
		}

		world.RoleBindings = append(world.RoleBindings, native.Items...)
	}

	return world, nil
}
