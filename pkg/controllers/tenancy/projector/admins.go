package projector

import (
	"context"
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/projection"
)

// adminIndex finds GlobalRoleBindings by the single user whom they make a platform administrator.
const adminIndex = "administrator"

// adminOf returns the single user whom a binding makes a platform administrator.
func adminOf(binding *iamv1beta1.BindingContent) (string, bool) {
	if !isPlatformAdmin(binding.RoleRef) {
		return "", false
	}

	return singleUser(projection.HoldersOf(binding.Subjects, projection.InCluster).Subjects)
}

func singleUser(subjects []rbacv1.Subject) (string, bool) {
	if len(subjects) != 1 || subjects[0].Kind != rbacv1.UserKind {
		return "", false
	}

	return subjects[0].Name, true
}

// adminIdentity gives the native binding of a single platform administrator the name that KubeSphere gives it. All
// GlobalRoleBindings of the same user share it, so that it carries the name of none. One that somebody made under
// that name for another purpose stays as it is.
func (r *bindingProjector) adminIdentity(
	usual projection.Identity, subjects []rbacv1.Subject,
) projection.Identity {
	user, isSingle := singleUser(subjects)
	if !isSingle {
		return usual
	}

	name, isName := projection.AdminBindingName(user)
	if !isName {
		return usual
	}

	if digest, exists := r.known(name, ""); exists && digest.OwnerOf() == projection.Foreign {
		return usual
	}

	return projection.Identity{Name: name, Component: usual.Component}
}

// sweepAdmins takes away what made an administrator of somebody who no longer is one.
func (r *bindingProjector) sweepAdmins(ctx context.Context) error {
	for name, digest := range r.natives.InNamespace("") {
		user, isAdmin := strings.CutSuffix(name, projection.AdminSuffix)
		if !isAdmin || projection.Digest(digest).OwnerOf() != projection.Ours ||
			strings.HasPrefix(name, r.kind.prefix) {
			continue
		}

		claimed, err := r.isAdmin(ctx, user)
		if err != nil {
			return err
		}

		if claimed {
			continue
		}

		if err := r.remove(ctx, name, ""); err != nil {
			return err
		}
	}

	return nil
}

// isAdmin tells whether a binding makes the user a platform administrator. Before it says no it asks the API server:
// a binding that the cache has not seen yet must not cost an administrator their rights.
func (r *bindingProjector) isAdmin(ctx context.Context, user string) (bool, error) {
	claimed, err := hasAdmin(ctx, r.client, user, client.MatchingFields{adminIndex: user})
	if claimed || err != nil {
		return claimed, err
	}

	return hasAdmin(ctx, r.live, user)
}

func hasAdmin(ctx context.Context, reader client.Reader, user string, options ...client.ListOption) (bool, error) {
	bindings := &iamv1beta1.GlobalRoleBindingList{}
	if err := reader.List(ctx, bindings, options...); err != nil {
		return false, fmt.Errorf("list the bindings that make %s an administrator: %w", user, err)
	}

	for i := range bindings.Items {
		binding := &bindings.Items[i]
		if admin, isSingle := adminOf(&binding.BindingContent); isSingle && admin == user &&
			binding.DeletionTimestamp.IsZero() {
			return true, nil
		}
	}

	return false, nil
}
