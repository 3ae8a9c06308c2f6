package roles

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Canonical returns the same permissions in one form: lists sorted, rules that differ in their groups alone
// merged, what grants nothing dropped.
func Canonical(rules []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	merged := map[string]rbacv1.PolicyRule{}

	for _, rule := range rules {
		rule = sorted(rule)
		if grantsNothing(rule) {
			continue
		}

		key := keyWithoutGroups(rule)
		if known, seen := merged[key]; seen {
			rule.APIGroups = sortedSet(append(slices.Clone(known.APIGroups), rule.APIGroups...))
		}

		merged[key] = rule
	}

	canonical := make([]rbacv1.PolicyRule, 0, len(merged))
	for _, rule := range merged {
		canonical = append(canonical, rule)
	}

	slices.SortFunc(canonical, compare)

	return canonical
}

func compare(a, b rbacv1.PolicyRule) int {
	if order := slices.Compare(a.APIGroups, b.APIGroups); order != 0 {
		return order
	}

	return strings.Compare(keyWithoutGroups(a), keyWithoutGroups(b))
}

func sorted(rule rbacv1.PolicyRule) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{
		APIGroups: sortedSet(rule.APIGroups), Resources: sortedSet(rule.Resources), Verbs: sortedSet(rule.Verbs),
		ResourceNames: sortedSet(rule.ResourceNames), NonResourceURLs: sortedSet(rule.NonResourceURLs),
	}
}

func sortedSet(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)

	return slices.Compact(list)
}

func grantsNothing(rule rbacv1.PolicyRule) bool {
	hasResources := len(rule.APIGroups) > 0 && len(rule.Resources) > 0

	return len(rule.Verbs) == 0 || !hasResources && len(rule.NonResourceURLs) == 0
}

// keyWithoutGroups separates by bytes that no name has.
func keyWithoutGroups(rule rbacv1.PolicyRule) string {
	lists := [][]string{rule.Resources, rule.ResourceNames, rule.Verbs, rule.NonResourceURLs}
	parts := make([]string, 0, len(lists))

	for _, list := range lists {
		parts = append(parts, strings.Join(list, "\x00"))
	}

	return strings.Join(parts, "\x01")
}

// Allows tells whether the rules allow a verb on all objects of a resource.
func Allows(rules []rbacv1.PolicyRule, verb, group, resource string) bool {
	return slices.ContainsFunc(rules, func(rule rbacv1.PolicyRule) bool {
		return len(rule.ResourceNames) == 0 &&
			matches(rule.Verbs, verb) && matches(rule.APIGroups, group) && matches(rule.Resources, resource)
	})
}

func matches(list []string, value string) bool {
	return slices.Contains(list, all) || slices.Contains(list, value)
}
