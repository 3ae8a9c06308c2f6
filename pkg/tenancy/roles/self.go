package roles

import (
	rbacv1 "k8s.io/api/rbac/v1"
)

// The verbs on workspaces that no API serves: those who hold them may do what an admission policy guards.
const (
	// VerbAssign may move namespaces into and out of the workspace. Without a resource name: of every workspace,
	// which makes an administrator of the platform.
	VerbAssign = "assign"

	// VerbCreateNamespaces may create namespaces in the workspace.
	VerbCreateNamespaces = "create-namespaces"

	// VerbSelfProvision marks those whose right to create namespaces comes from a workspace alone.
	VerbSelfProvision = "self-provision"

	// VerbManageRoles may write the workspace's roles and their bindings.
	VerbManageRoles = "manage-roles"
)

// Workspace is what permissions on the workspace itself depend on.
type Workspace struct {
	// Name of the workspace.
	Name string

	// Roles and Bindings are the names of its WorkspaceRoles and WorkspaceRoleBindings.
	Roles, Bindings []string
}

// Self returns what the holders of a role with these rules may do with the workspace itself, as rules for the
// whole cluster that name nothing of any other workspace. Every member may look at the workspace.
func Self(workspace Workspace, rules []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	own := func(verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{
			APIGroups: []string{tenantGroup}, Resources: []string{"workspaces", "workspacetemplates"},
			ResourceNames: []string{workspace.Name}, Verbs: verbs,
		}
	}

	self := []rbacv1.PolicyRule{own("get")}

	for _, verb := range []string{"update", "patch"} {
		if Allows(rules, verb, tenantGroup, "workspaces") {
			self = append(self, own(verb))
		}
	}

	if Allows(rules, VerbAssign, tenantGroup, "workspaces") {
		self = append(self, virtual(workspace.Name, VerbAssign))
	}

	if mayCreateNamespaces(rules) {
		self = append(self, selfService(workspace.Name)...)
	}

	if Allows(rules, create, iamGroup, "workspacerolebindings") {
		self = append(self, manageRoles(workspace)...)
	}

	return merged(self)
}

// mayCreateNamespaces: KubeSphere's clients create them through the tenant group, kubectl through the core group.
func mayCreateNamespaces(rules []rbacv1.PolicyRule) bool {
	return Allows(rules, create, coreGroup, namespaces) || Allows(rules, create, tenantGroup, namespaces)
}

func virtual(workspace string, verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{
		APIGroups: []string{tenantGroup}, Resources: []string{"workspaces"},
		ResourceNames: []string{workspace}, Verbs: verbs,
	}
}

// selfService lets members create namespaces. Kubernetes cannot say "in this workspace", so the right comes with
// a mark by which the admission policy knows whom to hold to it.
func selfService(workspace string) []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		virtual(workspace, VerbCreateNamespaces),
		{APIGroups: []string{tenantGroup}, Resources: []string{"workspaces"}, Verbs: []string{VerbSelfProvision}},
		{APIGroups: []string{coreGroup}, Resources: []string{namespaces}, Verbs: []string{create}},
	}
}

// manageRoles names each object: a right to list them would show those of every other workspace.
func manageRoles(workspace Workspace) []rbacv1.PolicyRule {
	named := func(resource string, names []string) rbacv1.PolicyRule {
		if len(names) == 0 {
			return rbacv1.PolicyRule{}
		}

		return rbacv1.PolicyRule{
			APIGroups: []string{iamGroup}, Resources: []string{resource}, ResourceNames: names,
			Verbs: []string{"get", "update", "patch", "delete"},
		}
	}

	return []rbacv1.PolicyRule{
		virtual(workspace.Name, VerbManageRoles),
		{
			APIGroups: []string{iamGroup}, Resources: []string{"workspaceroles", "workspacerolebindings"},
			Verbs: []string{create},
		},
		named("workspaceroles", workspace.Roles),
		named("workspacerolebindings", workspace.Bindings),
	}
}

// merged joins rules that differ in their verbs alone, and brings all into one form.
func merged(rules []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	byObject := map[string]int{}

	var joined []rbacv1.PolicyRule

	for _, rule := range rules {
		object := sorted(rule)
		object.Verbs = object.APIGroups
		key := keyWithoutGroups(object)

		if at, seen := byObject[key]; seen {
			joined[at].Verbs = append(joined[at].Verbs, rule.Verbs...)

			continue
		}

		byObject[key] = len(joined)
		joined = append(joined, sorted(rule))
	}

	return Canonical(joined)
}
