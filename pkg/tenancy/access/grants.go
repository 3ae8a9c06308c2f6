package access

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
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
			grants = append(grants, Grant{Role: grant.Role, Subjects: sortSubjects(grant.Subjects)})
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

	return sortSubjects(valid), errs
}

func normalSubject(subject rbacv1.Subject, path *field.Path) (rbacv1.Subject, *field.Error) {
	normal := rbacv1.Subject{Kind: subject.Kind, Name: subject.Name}

	if subject.Name == "" {
		return normal, field.Required(path.Child("name"), "the name of the user, group or service account")
	}

	switch subject.Kind {
	case rbacv1.ServiceAccountKind:
		normal.Namespace = subject.Namespace
		if subject.Namespace == "" {
			return normal, field.Required(path.Child("namespace"), "the namespace of the service account")
		}
	case rbacv1.UserKind, rbacv1.GroupKind:
		normal.APIGroup = rbacv1.GroupName
		if subject.Name == "system:anonymous" || subject.Name == "system:unauthenticated" {
			return normal, field.Forbidden(path.Child("name"),
				subject.Name+" is everybody who has not logged in; name users or groups")
		}
	default:
		return normal, field.NotSupported(path.Child("kind"), subject.Kind,
			[]string{rbacv1.UserKind, rbacv1.GroupKind, rbacv1.ServiceAccountKind})
	}

	return normal, nil
}

func sortSubjects(subjects []rbacv1.Subject) []rbacv1.Subject {
	subjects = slices.Clone(subjects)
	slices.SortFunc(subjects, func(a, b rbacv1.Subject) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Namespace, b.Namespace),
			strings.Compare(a.Name, b.Name))
	})

	return slices.Compact(subjects)
}

// Projected tells whether workspace roles are effective in the namespaces of a workspace. Those of the platform
// itself are where everybody's secrets are, so there it takes asking for.
func Projected(workspace string, annotations map[string]string) bool {
	if value := annotations[tenantv1beta1.ProjectRolesAnnotation]; value != "" {
		return value == "true"
	}

	return workspace != tenantv1beta1.SystemWorkspace
}
