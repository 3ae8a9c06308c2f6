package roles

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Confine makes rules safe to grant inside a namespace of a tenant. groups are the API groups that the cluster
// serves, other than the core group.
//
// A rule may be wider than its author knew: a RoleBinding makes "all resources" include the Namespace object
// itself, with the labels that say whose it is, and "all verbs" include those that take any role. So:
//   - every verb becomes the ordinary ones; escalate, bind and impersonate are never granted;
//   - every core resource becomes those that an owner of a namespace works with: no quotas, no endpoints and no
//     status to write, and nothing interactive for those who only read;
//   - every API group becomes those in groups, for the core group must be told apart;
//   - of the Namespace itself only reading is left;
//   - what has no effect in a namespace is dropped: URLs, and the group tenant.kubesphere.io.
//
// Nothing is granted that the built-in administrator of a namespace does not hold, even where a rule names it: who
// may write roles in a namespace would otherwise take from a role of their own what they were not given.
func Confine(rules []rbacv1.PolicyRule, groups []string) []rbacv1.PolicyRule {
	var confined []rbacv1.PolicyRule

	for _, rule := range rules {
		confined = append(confined, confineRule(rule, groups)...)
	}

	return Canonical(confined)
}

// GrantsAnything tells whether Confine leaves anything of the rules, without doing all of it: most roles do with their
// first rule.
func GrantsAnything(rules []rbacv1.PolicyRule, groups []string) bool {
	return slices.ContainsFunc(rules, func(rule rbacv1.PolicyRule) bool {
		return len(Canonical(confineRule(rule, groups))) > 0
	})
}

func confineRule(rule rbacv1.PolicyRule, groups []string) []rbacv1.PolicyRule {
	verbs := ordinary(rule.Verbs)
	if len(verbs) == 0 {
		return nil
	}

	var confined []rbacv1.PolicyRule
	if matches(rule.APIGroups, coreGroup) {
		confined = confineCore(rule, verbs)
	}

	return append(confined, confineOthers(rule, verbs, groups)...)
}

const (
	coreGroup      = ""
	all            = "*"
	tenantGroup    = "tenant.kubesphere.io"
	iamGroup       = "iam.kubesphere.io"
	rbacGroup      = rbacv1.GroupName
	discoveryGroup = "discovery.k8s.io"
	namespaces     = "namespaces"
	create         = "create"
)

func readVerbs() []string { return []string{"get", "list", "watch"} }

func writeVerbs() []string {
	return []string{create, "update", "patch", "delete", "deletecollection"}
}

// ordinary expands every verb and drops those by which one takes what one was not given.
func ordinary(verbs []string) []string {
	if slices.Contains(verbs, all) {
		return append(readVerbs(), writeVerbs()...)
	}

	return slices.DeleteFunc(slices.Clone(verbs), func(verb string) bool {
		return slices.Contains([]string{"escalate", "bind", "impersonate"}, verb)
	})
}

// confineCore is the part of a rule that is about the core group.
func confineCore(rule rbacv1.PolicyRule, verbs []string) []rbacv1.PolicyRule {
	named := func(known []string) []string {
		return slices.DeleteFunc(known, func(resource string) bool { return !names(rule.Resources, resource) })
	}

	core := func(resources, verbs []string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{
			APIGroups: []string{coreGroup}, Resources: resources, Verbs: verbs, ResourceNames: rule.ResourceNames,
		}
	}

	reads, writes := split(verbs)
	confined := []rbacv1.PolicyRule{
		core(named(readable()), reads), core(named(ofItself()), reads), core(named(writable()), writes),
	}

	if slices.Contains(writes, create) {
		confined = append(confined, core(named(interactive()), intersect(verbs, []string{"get", create})))
	}

	return confined
}

// names tells whether a list of resources means one of them, by its name or as one of many.
func names(list []string, resource string) bool {
	_, sub, hasSub := strings.Cut(resource, "/")

	return matches(list, resource) || hasSub && slices.Contains(list, all+"/"+sub)
}

// confineOthers is the part of a rule that is about groups other than the core group.
func confineOthers(rule rbacv1.PolicyRule, verbs, groups []string) []rbacv1.PolicyRule {
	wanted := rule.APIGroups
	if slices.Contains(wanted, all) {
		wanted = groups
	}

	var plain, discovery []string

	for _, group := range wanted {
		switch group {
		case coreGroup, tenantGroup, all:
		case discoveryGroup:
			discovery = append(discovery, group)
		default:
			plain = append(plain, group)
		}
	}

	other := func(groups, verbs []string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{
			APIGroups: groups, Resources: rule.Resources, Verbs: verbs, ResourceNames: rule.ResourceNames,
		}
	}

	// Whoever writes endpoints directs traffic of others to where they please.
	reads, _ := split(verbs)

	return []rbacv1.PolicyRule{other(plain, verbs), other(discovery, reads)}
}

// split tells reading from all else.
func split(verbs []string) ([]string, []string) {
	var reads, writes []string

	for _, verb := range verbs {
		if slices.Contains(readVerbs(), verb) {
			reads = append(reads, verb)
		} else {
			writes = append(writes, verb)
		}
	}

	return reads, writes
}

func intersect(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}

// readable are the core resources of a namespace that can be looked at.
func readable() []string {
	return []string{
		"configmaps", "endpoints", "events", "limitranges", "persistentvolumeclaims",
		"persistentvolumeclaims/status", "pods", "pods/log", "pods/status", "podtemplates", "replicationcontrollers",
		"replicationcontrollers/scale", "replicationcontrollers/status", "resourcequotas",
		"resourcequotas/status", "secrets", "serviceaccounts", "services", "services/status",
	}
}

// ofItself is the namespace.
func ofItself() []string { return []string{namespaces, "namespaces/status"} }

// writable are the core resources of a namespace that belong to those who work in it.
func writable() []string {
	return []string{
		"configmaps", "events", "persistentvolumeclaims", "pods", "pods/ephemeralcontainers", "pods/eviction",
		"pods/resize", "podtemplates", "replicationcontrollers", "replicationcontrollers/scale", "secrets",
		"serviceaccounts", "serviceaccounts/token", "services",
	}
}

// interactive are those that reach into a running pod, some of them by a mere get.
func interactive() []string {
	return []string{"pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "services/proxy"}
}
