package workspacetemplate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/platform"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

// children are what belongs to a template, as the caches show it: what was made for it, and the roles and bindings
// that others made for its workspace. Nil is what is not there.
type children struct {
	workspace *tenantv1beta1.Workspace
	roles     map[string]*iamv1beta1.WorkspaceRole
	bindings  map[string]*iamv1beta1.WorkspaceRoleBinding
}

// gather reads the children of a template from the caches.
func (r *Reconciler) gather(ctx context.Context, template string) (children, error) {
	var (
		roles    iamv1beta1.WorkspaceRoleList
		bindings iamv1beta1.WorkspaceRoleBindingList
		inside   = client.MatchingFields{platform.ByWorkspace: template}
	)

	workspace, errWorkspace := kube.Find(ctx, r.client, template, &tenantv1beta1.Workspace{})
	errRoles := r.client.List(ctx, &roles, inside)
	errBindings := r.client.List(ctx, &bindings, inside)

	have := children{
		workspace: workspace,
		roles:     map[string]*iamv1beta1.WorkspaceRole{},
		bindings:  map[string]*iamv1beta1.WorkspaceRoleBinding{},
	}

	for i := range roles.Items {
		have.roles[roles.Items[i].Name] = &roles.Items[i]
	}

	for i := range bindings.Items {
		have.bindings[bindings.Items[i].Name] = &bindings.Items[i]
	}

	return have, errors.Join(errWorkspace, errRoles, errBindings)
}

// apply brings the children to what the plan says, and removes what an earlier plan has left.
func (r *Reconciler) apply(ctx context.Context, have children, plan tenancy.Plan) error {
	_, err := r.applier.Apply(ctx, have.workspace, plan.Workspace)
	errs := []error{err}
	strays := have.ours()

	for _, role := range plan.Roles {
		strays = without(strays, have.roles[*role.Name])

		_, err := r.applier.Apply(ctx, have.roles[*role.Name], role)
		errs = append(errs, err)
	}

	if plan.Binding != nil {
		strays = without(strays, have.bindings[*plan.Binding.Name])

		_, err := r.applier.Apply(ctx, have.bindings[*plan.Binding.Name], plan.Binding)
		errs = append(errs, err)
	}

	return errors.Join(append(errs, r.deleteEach(ctx, strays))...)
}

// ours are the roles and bindings that this controller made.
func (c children) ours() []client.Object {
	return slices.DeleteFunc(c.access(), func(object client.Object) bool {
		return object.GetLabels()[tenancy.ManagedByLabel] != tenancy.ManagedBy ||
			object.GetLabels()[tenancy.ComponentLabel] != Name
	})
}

// access are all roles and bindings of the workspace, bindings first: who loses a role has no use for it.
func (c children) access() []client.Object {
	var all []client.Object

	for _, name := range slices.Sorted(maps.Keys(c.bindings)) {
		all = append(all, c.bindings[name])
	}

	for _, name := range slices.Sorted(maps.Keys(c.roles)) {
		all = append(all, c.roles[name])
	}

	return all
}

func without[T client.Object](list []client.Object, unwanted T) []client.Object {
	return slices.DeleteFunc(list, func(object client.Object) bool { return object == client.Object(unwanted) })
}

func (r *Reconciler) deleteEach(ctx context.Context, objects []client.Object) error {
	var errs []error

	for _, object := range objects {
		_, err := kube.Delete(ctx, r.client, object)
		errs = append(errs, err)
	}

	return errors.Join(errs...)
}

// deleteAll asks for the children to go, with what others made for the workspace: roles of a workspace that is no
// more would come back to life with the next one of its name. The Workspace is told what is to become of its
// namespaces, and goes alone: 3.x made it the owner of its namespaces, and the garbage collector must not take
// them with it.
func (r *Reconciler) deleteAll(
	ctx context.Context, template *tenantv1beta1.WorkspaceTemplate, have children,
) error {
	err := r.deleteEach(ctx, have.access())

	if have.workspace == nil {
		return err
	}

	if errTell := r.tell(ctx, template, have.workspace); errTell != nil {
		return errors.Join(err, errTell)
	}

	_, errWorkspace := kube.Delete(ctx, r.client, have.workspace,
		client.PropagationPolicy(metav1.DeletePropagationOrphan))

	return errors.Join(err, errWorkspace)
}

// tell passes on to the Workspace what the deletion of its template wants for the namespaces. The contract is that
// of 4.x, an annotation; the finalizer by which 3.x asked for them to stay is passed on as the same.
func (r *Reconciler) tell(
	ctx context.Context, template *tenantv1beta1.WorkspaceTemplate, workspace *tenantv1beta1.Workspace,
) error {
	wanted := template.Annotations[tenantv1beta1.DeletionPropagationAnnotation]
	if slices.Contains(template.Finalizers, tenantv1beta1.LegacyOrphanFinalizer) {
		wanted = string(tenancy.PropagationOrphan)
	}

	if workspace.Annotations[tenantv1beta1.DeletionPropagationAnnotation] == wanted {
		return nil
	}

	changes := map[string]any{"annotations": map[string]string{tenantv1beta1.DeletionPropagationAnnotation: wanted}}
	if err := kube.PatchMetadata(ctx, r.client, workspace, changes); err != nil {
		return fmt.Errorf("tell Workspace %s what becomes of its namespaces: %w", workspace.Name, err)
	}

	return nil
}

// awaited names the children that are still there, and what keeps the Workspace.
func (c children) awaited() string {
	var names []string

	if c.workspace != nil {
		name := "Workspace " + c.workspace.Name
		if ready := meta.FindStatusCondition(c.workspace.Status.Conditions, kube.ConditionReady); ready != nil &&
			!c.workspace.DeletionTimestamp.IsZero() && ready.Message != "" {
			name += " (" + ready.Message + ")"
		}

		names = append(names, name)
	}

	if count := len(c.bindings); count > 0 {
		names = append(names, fmt.Sprintf("%d WorkspaceRoleBindings", count))
	}

	if count := len(c.roles); count > 0 {
		names = append(names, fmt.Sprintf("%d WorkspaceRoles", count))
	}

	return strings.Join(names, ", ")
}
