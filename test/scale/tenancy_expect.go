package scale

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

const (
	pageSize = 500

	// What each namespace gets: a role each for administrators, operators and viewers, and what makes the workspace
	// roles effective that have rights in namespaces, of those that somebody is bound to.
	rolesOfNamespace    = 3
	bindingsOfNamespace = 2
	rolesOfWorkspace    = 4
)

// madeBy selects what a controller of ours has made.
func madeBy(controller string) client.MatchingLabels {
	return client.MatchingLabels{
		"app.kubernetes.io/managed-by": kube.ManagerName, "app.kubernetes.io/component": controller,
	}
}

// tenancyObjects are the workspaces and namespaces.
func tenancyObjects(size Size) int {
	if hosts("namespace") {
		return size.Workspaces + size.Namespaces
	}

	return size.Workspaces
}

func tenancyConverged(ctx context.Context, reader client.Reader, size Size) error {
	err := templatesReady(ctx, reader, size)

	if hosts("workspacerole") {
		err = errors.Join(err, rolesReady(ctx, reader, size))
	}

	if hosts("namespace") {
		ours := madeBy("namespace")
		err = errors.Join(err,
			count(ctx, reader, iamv1beta1.SchemeGroupVersion.WithKind("Role"), rolesOfNamespace*size.Namespaces, ours),
			count(ctx, reader, rbacv1.SchemeGroupVersion.WithKind("Role"), rolesOfNamespace*size.Namespaces, ours),
			count(ctx, reader, rbacv1.SchemeGroupVersion.WithKind("RoleBinding"),
				bindingsOfNamespace*size.Namespaces, ours),
		)
	}

	return err
}

// hosts tells whether the manager has a controller: a scenario wants no more than that makes.
func hosts(name string) bool {
	return slices.ContainsFunc(controllers.Catalog(), func(descriptor manager.Descriptor) bool {
		return strings.ReplaceAll(descriptor.Name, "-", "") == name
	})
}

// templatesReady wants every template ready and every namespace counted.
func templatesReady(ctx context.Context, reader client.Reader, size Size) error {
	templates, workspaces := &tenantv1beta1.WorkspaceTemplateList{}, &tenantv1beta1.WorkspaceList{}
	if err := errors.Join(reader.List(ctx, templates), reader.List(ctx, workspaces)); err != nil {
		return err
	}

	ready, counted := 0, 0

	for _, template := range templates.Items {
		if meta.IsStatusConditionTrue(template.Status.Conditions, kube.ConditionReady) {
			ready++
		}
	}

	for _, workspace := range workspaces.Items {
		if workspace.Status.NamespaceCount != nil {
			counted += int(*workspace.Status.NamespaceCount)
		}
	}

	if ready != size.Workspaces || counted != size.Namespaces {
		return fmt.Errorf("%d of %d templates are ready, %d of %d namespaces counted",
			ready, size.Workspaces, counted, size.Namespaces)
	}

	return nil
}

// rolesReady wants the built-in roles in each workspace, and all bindings ready.
func rolesReady(ctx context.Context, reader client.Reader, size Size) error {
	roles, bindings := &iamv1beta1.WorkspaceRoleList{}, &iamv1beta1.WorkspaceRoleBindingList{}
	if err := errors.Join(reader.List(ctx, roles), reader.List(ctx, bindings)); err != nil {
		return err
	}

	if want := rolesOfWorkspace * size.Workspaces; len(roles.Items) != want {
		return fmt.Errorf("%d workspace roles, want %d", len(roles.Items), want)
	}

	for _, binding := range bindings.Items {
		if !meta.IsStatusConditionTrue(binding.Status.Conditions, kube.ConditionReady) {
			return fmt.Errorf("WorkspaceRoleBinding %s is not ready: %v", binding.Name, binding.Status.Conditions)
		}
	}

	return nil
}

// count wants a number of objects of a kind.
func count(
	ctx context.Context, reader client.Reader, kind schema.GroupVersionKind, want int, options ...client.ListOption,
) error {
	found, page := 0, &metav1.PartialObjectMetadataList{}
	page.SetGroupVersionKind(kind)

	for {
		err := reader.List(ctx, page, append(options, client.Limit(pageSize), client.Continue(page.Continue))...)
		if err != nil {
			return err
		}

		found += len(page.Items)

		if page.Continue == "" {
			break
		}
	}

	if found != want {
		return fmt.Errorf("%d %s of group %s, want %d", found, kind.Kind, kind.Group, want)
	}

	return nil
}
