package workspacetemplate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

// children are what was made for a template, as the caches show it; nil is what is not there.
type children struct {
	workspace *tenantv1beta1.Workspace
	role      *rbacv1.ClusterRole
	binding   *rbacv1.ClusterRoleBinding
}

// gather reads the children of a template from the caches.
func (r *Reconciler) gather(ctx context.Context, template string) (children, error) {
	workspace, errWorkspace := find(ctx, r.client, template, &tenantv1beta1.Workspace{})
	role, errRole := find(ctx, r.client, tenancy.ManagerRoleName(template), &rbacv1.ClusterRole{})
	binding, errBinding := find(ctx, r.client, tenancy.ManagerRoleName(template), &rbacv1.ClusterRoleBinding{})

	return children{workspace: workspace, role: role, binding: binding},
		errors.Join(errWorkspace, errRole, errBinding)
}

// find returns nil for what does not exist.
func find[T client.Object](ctx context.Context, reader client.Reader, name string, into T) (T, error) {
	var none T

	err := reader.Get(ctx, client.ObjectKey{Name: name}, into)
	if err == nil {
		return into, nil
	}

	if err = client.IgnoreNotFound(err); err != nil {
		err = fmt.Errorf("read %T %s: %w", into, name, err)
	}

	return none, err
}

// apply brings the children to what the plan says. The binding waits until its role is seen: the API server
// refuses to bind a role that it cannot look up.
func (r *Reconciler) apply(ctx context.Context, have children, plan tenancy.Plan) error {
	_, err := r.applier.Apply(ctx, have.workspace, plan.Workspace)

	if plan.Role == nil {
		return errors.Join(err, r.deleteRole(ctx, have))
	}

	_, errRole := r.applier.Apply(ctx, have.role, plan.Role)
	err = errors.Join(err, errRole)

	if have.role != nil {
		_, errBinding := r.applier.ApplyReplacing(ctx, have.binding, plan.Binding, "roleRef")
		err = errors.Join(err, errBinding)
	}

	return err
}

// deleteRole takes the manager's rights away, the binding first.
func (r *Reconciler) deleteRole(ctx context.Context, have children) error {
	if have.binding != nil {
		if _, err := kube.Delete(ctx, r.client, have.binding); err != nil {
			return fmt.Errorf("take the manager's rights away: %w", err)
		}
	}

	if have.role != nil {
		if _, err := kube.Delete(ctx, r.client, have.role); err != nil {
			return fmt.Errorf("take the manager's rights away: %w", err)
		}
	}

	return nil
}

// deleteAll asks for the children to go. The Workspace goes alone: 3.x made it the owner of its namespaces,
// and the garbage collector must not take them with it.
func (r *Reconciler) deleteAll(ctx context.Context, have children) error {
	err := r.deleteRole(ctx, have)

	if have.workspace != nil {
		_, errWorkspace := kube.Delete(ctx, r.client, have.workspace,
			client.PropagationPolicy(metav1.DeletePropagationOrphan))
		err = errors.Join(err, errWorkspace)
	}

	return err
}

// awaited names the children that are still there.
func (c children) awaited() string {
	var names []string

	if c.workspace != nil {
		names = append(names, "Workspace "+c.workspace.Name)
	}

	if c.role != nil {
		names = append(names, "ClusterRole "+c.role.Name)
	}

	if c.binding != nil {
		names = append(names, "ClusterRoleBinding "+c.binding.Name)
	}

	return strings.Join(names, ", ")
}
