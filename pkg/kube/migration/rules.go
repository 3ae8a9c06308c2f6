package migration

import (
	rbacv1 "k8s.io/api/rbac/v1"
)

// Rules returns what an account must be allowed for the migration of one
// definition, and no more: the definition itself by name, and its objects.
func Rules(group, resource string) []rbacv1.PolicyRule {
	names := []string{resource + "." + group}

	return []rbacv1.PolicyRule{{
		APIGroups: []string{definitionGroup}, Resources: []string{definitionPlural}, ResourceNames: names,
		Verbs: []string{"get"},
	}, {
		APIGroups: []string{definitionGroup}, Resources: []string{definitionPlural + "/status"}, ResourceNames: names,
		Verbs: []string{"patch"},
	}, {
		APIGroups: []string{group}, Resources: []string{resource},
		Verbs: []string{"list", "patch"},
	}}
}
