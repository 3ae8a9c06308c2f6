package projection

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/ks-core/ks-controller-manager/pkg/tenancy/roles"
)

// ClusterRules returns what a role grants in the whole cluster that was written for KubeSphere: exactly what is
// written, in the form that Kubernetes accepts, but for the verb "*". Under it KubeSphere meant what can be done
// with its own objects. Kubernetes means escalate, bind and impersonate too, and whatever verb somebody will
// invent: each of them makes a cluster administrator of whoever may just "do everything" with roles or with users.
// So "*" becomes the ordinary verbs. Who really is to have the others gets them by their names.
//
// That is a fence, not a wall: a role that writes everything everywhere can take the token of any ServiceAccount,
// and with it what that may do. Such a role is for administrators, whatever its name.
func ClusterRules(written []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	return clusterRules(written, ordinaryVerbs())
}

// AdminRules is ClusterRules for the roles of administrators, for whom "*" is meant.
func AdminRules(written []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	return clusterRules(written, []string{rbacv1.VerbAll})
}

func clusterRules(written []rbacv1.PolicyRule, all []string) []rbacv1.PolicyRule {
	native := make([]rbacv1.PolicyRule, 0, len(written))

	for _, rule := range written {
		// Kubernetes refuses both in one rule.
		urls := rbacv1.PolicyRule{NonResourceURLs: rule.NonResourceURLs, Verbs: rule.Verbs}
		rule.NonResourceURLs = nil
		rule.Verbs = expanded(rule.Verbs, all)

		native = append(native, rule, urls)
	}

	return roles.Canonical(native)
}

func expanded(verbs, all []string) []string {
	if !slices.Contains(verbs, rbacv1.VerbAll) {
		return verbs
	}

	others := slices.DeleteFunc(slices.Clone(verbs), func(verb string) bool { return verb == rbacv1.VerbAll })

	return append(others, all...)
}

func ordinaryVerbs() []string {
	return []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
}
