package roles

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Builtin is a role that exists in every workspace, or in every namespace of one.
type Builtin struct {
	Name  string
	Rules []rbacv1.PolicyRule
}

// The names of the built-in roles are KubeSphere's.
const (
	Admin           = "admin"
	Operator        = "operator"
	Viewer          = "viewer"
	Regular         = "regular"
	SelfProvisioner = "self-provisioner"
)

// NamespaceRoles are the built-in roles of a namespace, sorted by name. groups are the API groups that the cluster
// serves, other than the core group.
//
//   - admin does everything with what is in the namespace, and gives roles in it to others;
//   - operator does everything but that;
//   - viewer looks at everything but Secrets.
//
// None can change the Namespace itself.
func NamespaceRoles(groups []string) []Builtin {
	return []Builtin{
		{Name: Admin, Rules: Confine(everything(all), groups)},
		{Name: Operator, Rules: Confine(operator(groups), groups)},
		{Name: Viewer, Rules: viewer(groups)},
	}
}

func everything(verbs ...string) []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{{APIGroups: []string{all}, Resources: []string{all}, Verbs: verbs}}
}

func operator(groups []string) []rbacv1.PolicyRule {
	others := slices.DeleteFunc(slices.Clone(groups), func(group string) bool {
		return group == rbacGroup || group == iamGroup
	})

	return []rbacv1.PolicyRule{
		{APIGroups: []string{coreGroup}, Resources: []string{all}, Verbs: []string{all}},
		{APIGroups: others, Resources: []string{all}, Verbs: []string{all}},
		{APIGroups: []string{rbacGroup, iamGroup}, Resources: []string{all}, Verbs: readVerbs()},
	}
}

// viewer names the core resources, for there is no way to take Secrets out of all of them.
func viewer(groups []string) []rbacv1.PolicyRule {
	resources := slices.DeleteFunc(readable(), func(resource string) bool { return resource == "secrets" })

	return Canonical([]rbacv1.PolicyRule{
		{APIGroups: []string{coreGroup}, Resources: resources, Verbs: readVerbs()},
		{APIGroups: []string{coreGroup}, Resources: ofItself(), Verbs: readVerbs()},
		{APIGroups: without(groups, tenantGroup), Resources: []string{all}, Verbs: readVerbs()},
	})
}

func without(list []string, unwanted string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == unwanted })
}

// WorkspaceRoles are the built-in roles of a workspace, sorted by name.
//
//   - admin does everything in all namespaces of the workspace, and with the workspace;
//   - regular is a member, and has what it is given in single namespaces;
//   - self-provisioner is a member who may create namespaces;
//   - viewer looks at everything but Secrets, in all namespaces of the workspace.
func WorkspaceRoles(groups []string) []Builtin {
	member := rbacv1.PolicyRule{
		APIGroups: []string{tenantGroup}, Resources: []string{"workspaces", "workspacetemplates"},
		Verbs: readVerbs(),
	}

	return []Builtin{
		{Name: Admin, Rules: everything(all)},
		{Name: Regular, Rules: []rbacv1.PolicyRule{member}},
		{Name: SelfProvisioner, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{coreGroup, tenantGroup}, Resources: []string{namespaces}, Verbs: []string{create}},
			member,
		}},
		{Name: Viewer, Rules: append(viewer(groups), member)},
	}
}
