package access

import (
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/projection"
)

func compareNames(a, b string) int { return strings.Compare(a, b) }

// Grant is a workspace role and all who hold it.
type Grant struct {
	Role     *iamv1beta1.WorkspaceRole
	Subjects []rbacv1.Subject
}

// Grants joins the bindings of one workspace by their role. Roles that nobody holds have no grant, and neither have
// roles of other workspaces.
func Grants(
	workspace string, roles []iamv1beta1.WorkspaceRole, bindings []iamv1beta1.WorkspaceRoleBinding,
) []Grant {
	byRole := map[string]*Grant{}

	for i := range roles {
		if roles[i].Labels[tenantv1beta1.WorkspaceLabel] == workspace && roles[i].DeletionTimestamp.IsZero() {
			byRole[roles[i].Name] = &Grant{Role: &roles[i]}
		}
	}

	for i := range bindings {
		binding := &bindings[i]
		grant, known := byRole[binding.RoleRef.Name]

		if known && CheckBinding(binding) == nil && binding.DeletionTimestamp.IsZero() &&
			binding.Labels[tenantv1beta1.WorkspaceLabel] == workspace {
			subjects, _ := Subjects(binding.Subjects)
			grant.Subjects = append(grant.Subjects, subjects...)
		}
	}

	var grants []Grant

	for _, name := range slices.Sorted(maps.Keys(byRole)) {
		if grant := byRole[name]; len(grant.Subjects) > 0 {
			grants = append(grants, Grant{Role: grant.Role, Subjects: projection.Sorted(grant.Subjects)})
		}
	}

	return grants
}

// CheckBinding returns what is wrong with a binding whatever else exists.
func CheckBinding(binding *iamv1beta1.WorkspaceRoleBinding) *field.Error {
	switch path := field.NewPath("roleRef"); {
	case binding.RoleRef.Kind != "WorkspaceRole":
		return field.NotSupported(path.Child("kind"), binding.RoleRef.Kind, []string{"WorkspaceRole"})
	case binding.RoleRef.APIGroup != "" && binding.RoleRef.APIGroup != iamv1beta1.GroupName:
		return field.NotSupported(path.Child("apiGroup"), binding.RoleRef.APIGroup, []string{iamv1beta1.GroupName})
	case binding.Labels[tenantv1beta1.WorkspaceLabel] == "":
		return field.Required(field.NewPath("metadata", "labels").Key(tenantv1beta1.WorkspaceLabel),
			"the name of the workspace that the role is held in")
	}

	return nil
}

// Subjects brings subjects into the form that Kubernetes takes, and says of which it cannot. Everybody's accounts
// are among those: a role of a workspace is not given to those who have not even said who they are.
func Subjects(subjects []rbacv1.Subject) ([]rbacv1.Subject, field.ErrorList) {
	var (
		valid []rbacv1.Subject
		errs  field.ErrorList
	)

	for i, subject := range subjects {
		normal, err := normalSubject(subject, field.NewPath("subjects").Index(i))
		if err != nil {
			errs = append(errs, err)

			continue
		}

		valid = append(valid, normal)
	}

	return projection.Sorted(valid), errs
}

func normalSubject(subject rbacv1.Subject, path *field.Path) (rbacv1.Subject, *field.Error) {
	normal, err := projection.Complete(subject, path)
	if err != nil || normal.Name != "system:anonymous" && normal.Name != "system:unauthenticated" {
		return normal, err
	}

	return normal, field.Forbidden(path.Child("name"),
		normal.Name+" is everybody who has not logged in; name users or groups")
}

// Projected tells whether workspace roles are effective in the namespaces of a workspace. Those of the platform
// itself are where everybody's secrets are, so there it takes asking for.
func Projected(workspace string, annotations map[string]string) bool {
	if value := annotations[tenantv1beta1.ProjectRolesAnnotation]; value != "" {
		return value == "true"
	}

	return workspace != tenantv1beta1.SystemWorkspace
}
