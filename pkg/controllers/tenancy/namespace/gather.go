package namespace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1alpha2 "github.com/ks-core/ks-controller-manager/api/iam/v1alpha2"
	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/limits"
)

// indexOfWorkspace finds objects by the workspace they belong to.
const indexOfWorkspace = "workspace"

// snapshot is all that is known of one namespace and of what it depends on.
type snapshot struct {
	object    *metav1.PartialObjectMetadata
	cluster   access.Cluster
	namespace access.Namespace
}

// gather reads from the caches, without copying: nothing of it is changed.
func (r *Reconciler) gather(ctx context.Context, object *metav1.PartialObjectMetadata) (snapshot, error) {
	cluster, errCluster := r.cluster.read(ctx, r.client)
	namespace, errNamespace := r.gatherNamespace(ctx, object)

	return snapshot{object: object, cluster: cluster, namespace: namespace}, errors.Join(errCluster, errNamespace)
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
		inside   = client.MatchingFields{indexOfWorkspace: name}
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

	err := r.client.List(ctx, others, client.MatchingFields{indexOfWorkspace: workspace.Name},
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

// clusterCache computes what all namespaces have in common once, until something of it changes: at ten thousand
// namespaces that is most of the work of a run.
type clusterCache struct {
	profile access.Profile

	mutex   sync.Mutex
	key     string
	cluster access.Cluster
}

func (c *clusterCache) read(ctx context.Context, reader client.Reader) (access.Cluster, error) {
	var (
		builtinRoles iamv1beta1.BuiltinRoleList
		roleBases    iamv1alpha2.RoleBaseList
	)

	services := &metav1.PartialObjectMetadataList{}
	services.SetGroupVersionKind(apiServiceKind())

	errServices := reader.List(ctx, services, client.UnsafeDisableDeepCopy)
	errBuiltins := reader.List(ctx, &builtinRoles, client.UnsafeDisableDeepCopy)
	errBases := reader.List(ctx, &roleBases, client.UnsafeDisableDeepCopy)

	if err := errors.Join(errServices, errBuiltins, errBases); err != nil {
		return access.Cluster{}, fmt.Errorf("read what all namespaces have in common: %w", err)
	}

	groups := groupsOf(services.Items)
	key := keyOf(groups, builtinRoles.Items, roleBases.Items)

	c.mutex.Lock()
	defer c.mutex.Unlock()

	if c.key != key {
		definitions := access.Definitions(builtinRoles.Items, roleBases.Items)
		c.key, c.cluster = key, access.Cluster{
			Shapes: c.profile.Resolve(len(roleBases.Items), len(builtinRoles.Items)),
			Roles:  access.Roles(access.ScopeNamespace, groups, definitions), Groups: groups,
		}
	}

	return c.cluster, nil
}

// groupsOf returns the API groups that the cluster serves, sorted, without the core group. An APIService is called
// <version>.<group>.
func groupsOf(services []metav1.PartialObjectMetadata) []string {
	groups := make([]string, 0, len(services))

	for i := range services {
		if _, group, _ := strings.Cut(services[i].Name, "."); group != "" {
			groups = append(groups, group)
		}
	}

	slices.Sort(groups)

	return slices.Compact(groups)
}

// keyOf changes when something of what it is made of does. Lists from a cache come in any order.
func keyOf(groups []string, builtinRoles []iamv1beta1.BuiltinRole, roleBases []iamv1alpha2.RoleBase) string {
	versions := make([]string, 0, len(builtinRoles)+len(roleBases))

	for i := range builtinRoles {
		versions = append(versions, "4/"+builtinRoles[i].Name+"/"+builtinRoles[i].ResourceVersion)
	}

	for i := range roleBases {
		versions = append(versions, "3/"+roleBases[i].Name+"/"+roleBases[i].ResourceVersion)
	}

	slices.Sort(versions)

	return strings.Join(groups, ",") + ";" + strings.Join(versions, ",")
}

// indexes find what belongs to a workspace.
func indexes() []manager.Index {
	return []manager.Index{
		{Object: manager.MetadataOf(namespaceKind()), Field: indexOfWorkspace, Value: workspaceOf},
		{Object: &iamv1beta1.WorkspaceRole{}, Field: indexOfWorkspace, Value: workspaceOf},
		{Object: &iamv1beta1.WorkspaceRoleBinding{}, Field: indexOfWorkspace, Value: workspaceOf},
	}
}

func workspaceOf(object client.Object) []string {
	if name := object.GetLabels()[tenantv1beta1.WorkspaceLabel]; name != "" {
		return []string{name}
	}

	return nil
}
