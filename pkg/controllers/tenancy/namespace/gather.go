package namespace

import (
	"context"
	"errors"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/platform"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/limits"
)

// snapshot is all that is known of one namespace and of what it depends on.
type snapshot struct {
	object    *metav1.PartialObjectMetadata
	cluster   access.Cluster
	namespace access.Namespace
}

// gather reads from the caches, without copying: nothing of it is changed.
func (r *Reconciler) gather(ctx context.Context, object *metav1.PartialObjectMetadata) (snapshot, error) {
	common, errCommon := r.platform.Read(ctx)
	namespace, errNamespace := r.gatherNamespace(ctx, object)
	found := snapshot{object: object, cluster: common.Cluster, namespace: namespace}

	return found, errors.Join(errCommon, errNamespace)
}

func (r *Reconciler) gatherNamespace(
	ctx context.Context, object *metav1.PartialObjectMetadata,
) (access.Namespace, error) {
	name := object.Labels[tenantv1beta1.WorkspaceLabel]
	namespace := access.Namespace{Name: object.Name, Labels: object.Labels, Workspace: name}

	if name == "" {
		return namespace, nil
	}

	var (
		roles    iamv1beta1.WorkspaceRoleList
		bindings iamv1beta1.WorkspaceRoleBindingList
		inside   = client.MatchingFields{platform.ByWorkspace: name}
	)

	workspace := &tenantv1beta1.Workspace{}
	errWorkspace := client.IgnoreNotFound(r.client.Get(ctx, client.ObjectKey{Name: name}, workspace))
	errRoles := r.client.List(ctx, &roles, inside, client.UnsafeDisableDeepCopy)
	errBindings := r.client.List(ctx, &bindings, inside, client.UnsafeDisableDeepCopy)

	if err := errors.Join(errWorkspace, errRoles, errBindings); err != nil {
		return namespace, fmt.Errorf("read what belongs to workspace %s: %w", name, err)
	}

	namespace.Project = access.Projected(name, workspace.Annotations)
	namespace.Grants = access.Grants(name, roles.Items, bindings.Items)

	var err error

	namespace.Frozen, err = r.isFrozen(ctx, object, workspace)

	return namespace, err
}

// isFrozen tells whether a member made the namespace beyond the limit of the workspace. It takes looking at the
// others only where a member made it and it was never let in.
func (r *Reconciler) isFrozen(
	ctx context.Context, object *metav1.PartialObjectMetadata, workspace *tenantv1beta1.Workspace,
) (bool, error) {
	if !isSelfService(object) || isAdmitted(object) || workspace.Name == "" {
		return false, nil
	}

	var policies tenantv1beta1.WorkspacePolicyList
	if err := r.client.List(ctx, &policies, client.UnsafeDisableDeepCopy); err != nil {
		return false, fmt.Errorf("list the policies of workspaces: %w", err)
	}

	limit, _ := limits.Strictest(workspace.Labels, policies.Items)
	if limit == nil {
		return false, nil
	}

	others := &metav1.PartialObjectMetadataList{}
	others.SetGroupVersionKind(namespaceKind())

	err := r.client.List(ctx, others, client.MatchingFields{platform.ByWorkspace: workspace.Name},
		client.UnsafeDisableDeepCopy)
	if err != nil {
		return false, fmt.Errorf("list the namespaces of workspace %s: %w", workspace.Name, err)
	}

	return slices.Contains(limits.Surplus(limits.Of(others.Items), *limit), object.Name), nil
}

func isSelfService(object client.Object) bool {
	return object.GetAnnotations()[tenantv1beta1.SelfServiceAnnotation] == "true"
}

func isAdmitted(object client.Object) bool {
	return object.GetAnnotations()[tenantv1beta1.AdmittedAnnotation] ==
		object.GetLabels()[tenantv1beta1.WorkspaceLabel]
}

// indexes find what belongs to a workspace.
func indexes() []manager.Index {
	return []manager.Index{
		platform.IndexByWorkspace(manager.MetadataOf(namespaceKind())),
		platform.IndexByWorkspace(&iamv1beta1.WorkspaceRole{}),
		platform.IndexByWorkspace(&iamv1beta1.WorkspaceRoleBinding{}),
	}
}
