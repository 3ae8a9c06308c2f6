package manager

import (
	"cmp"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
	"github.com/ks-core/ks-controller-manager/pkg/kube/migration"
	"github.com/ks-core/ks-controller-manager/pkg/manager/original"
)

// Rules returns what the controllers of the catalogue may do, and no more: list and watch what they cache,
// what they write, and what bringing their definitions' objects to the stored version takes. Rules
// over the same resources are merged, and the result is sorted.
func (c Catalog) Rules() []rbacv1.PolicyRule {
	var rules []rbacv1.PolicyRule

	for _, descriptor := range c {
		for _, cached := range descriptor.Caches {
			rules = append(rules, rbacv1.PolicyRule{
				APIGroups: []string{cached.Kind.Group},
				Resources: []string{cached.Resource},
				Verbs:     readVerbs(cached),
			})
		}

		rules = append(rules, descriptor.Writes...)
	}

	for _, kind := range c.migratedKinds() {
		rules = append(rules, migration.Rules(kind.wanted.Kind.Group, kind.wanted.Resource)...)
	}

	return mergeRules(rules)
}

// ProcessRules returns what the process itself may do, whichever controllers it hosts.
func ProcessRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		// Events are written by controllers (events.k8s.io) and by leader election (core).
		{APIGroups: []string{"", "events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
		// Who asks for the diagnostics, and may they?
		{APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"tokenreviews"}, Verbs: []string{"create"}},
		{
			APIGroups: []string{"authorization.k8s.io"}, Resources: []string{"subjectaccessreviews"},
			Verbs: []string{"create"},
		},
		// Which custom kinds are there, and are they going?
		{
			APIGroups: []string{"apiextensions.k8s.io"}, Resources: []string{definitions.Resource},
			Verbs: viewVerbs(),
		},
	}
}

// NamespaceRules returns what the process may do in its own namespace, where it works in these domains.
func NamespaceRules(domains []Domain) []rbacv1.PolicyRule {
	leases := make([]string, 0, len(domains))
	for _, domain := range domains {
		leases = append(leases, LeaseName(domain))
	}

	return []rbacv1.PolicyRule{
		// Is KubeSphere's own manager running?
		{
			APIGroups: []string{"apps"}, Resources: []string{"deployments"}, ResourceNames: []string{original.Name},
			Verbs: []string{"list", "watch"},
		},
		// Creating cannot be restricted by name.
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"create"}},
		{
			APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"},
			ResourceNames: leases, Verbs: append(viewVerbs(), "update"),
		},
	}
}

// viewVerbs are what it takes to look at objects, one by one and all together.
func viewVerbs() []string { return []string{"get", "list", "watch"} }

// readVerbs are what it takes to keep a kind in memory. Where only versions are kept, some objects are read.
func readVerbs(cached Cached) []string {
	if cached.Depth == VersionOnly {
		return viewVerbs()
	}

	return []string{"list", "watch"}
}

// mergeRules joins the verbs of rules that are alike in everything else, one resource to a rule.
func mergeRules(rules []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	var merged []rbacv1.PolicyRule

	for _, single := range splitRules(rules) {
		isAlike := func(other rbacv1.PolicyRule) bool { return compareTargets(single, other) == 0 }

		index := slices.IndexFunc(merged, isAlike)
		if index < 0 {
			merged = append(merged, single)

			continue
		}

		merged[index].Verbs = append(merged[index].Verbs, single.Verbs...)
	}

	for i := range merged {
		slices.Sort(merged[i].Verbs)
		merged[i].Verbs = slices.Compact(merged[i].Verbs)
	}

	slices.SortFunc(merged, compareTargets)

	return merged
}

func splitRules(rules []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	var split []rbacv1.PolicyRule

	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				split = append(split, rbacv1.PolicyRule{
					APIGroups: []string{group}, Resources: []string{resource},
					ResourceNames: slices.Clone(rule.ResourceNames), Verbs: slices.Clone(rule.Verbs),
				})
			}
		}
	}

	return split
}

func compareTargets(a, b rbacv1.PolicyRule) int {
	return cmp.Or(
		slices.Compare(a.APIGroups, b.APIGroups),
		slices.Compare(a.Resources, b.Resources),
		slices.Compare(a.ResourceNames, b.ResourceNames),
	)
}
