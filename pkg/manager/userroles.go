package manager

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
)

// UserRole is one of the roles for people that Kubernetes aggregates into its own view, edit and admin.
type UserRole string

// The roles for people.
const (
	View  UserRole = "view"
	Edit  UserRole = "edit"
	Admin UserRole = "admin"
)

// UserRoles lists the roles for people, the weakest first.
func UserRoles() []UserRole {
	return []UserRole{View, Edit, Admin}
}

// Verbs are what the role allows on the kinds of a domain.
func (r UserRole) Verbs() []string {
	verbs := viewVerbs()

	if r != View {
		verbs = append(verbs, "create", "update", "patch", "delete")
	}

	if r == Admin {
		verbs = append(verbs, "deletecollection")
	}

	return verbs
}

// UserRules returns what a role for people allows: the verbs on every kind that the controllers serve and that is
// not closed. Status is written by controllers alone.
func (c Catalog) UserRules(role UserRole) []rbacv1.PolicyRule {
	var rules []rbacv1.PolicyRule

	for _, descriptor := range c {
		for _, cached := range descriptor.Caches {
			if descriptor.isOpen(cached) {
				rules = append(rules, rbacv1.PolicyRule{
					APIGroups: []string{cached.Kind.Group}, Resources: []string{cached.Resource}, Verbs: role.Verbs(),
				})
			}
		}
	}

	return mergeRules(rules)
}

// isOpen tells whether a kind is one that the controller serves to people.
func (d Descriptor) isOpen(cached Cached) bool {
	return slices.ContainsFunc(d.Requires, func(required Required) bool {
		return required.GroupVersionKind == cached.Kind && !required.Closed
	})
}
