package aggregation

import (
	"encoding/json"
	"maps"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
)

// key is the same for rules that read the same. An empty list reads as none.
func key(rule rbacv1.PolicyRule) string {
	lists := [...][]string{rule.Verbs, rule.APIGroups, rule.Resources, rule.ResourceNames, rule.NonResourceURLs}
	for i := range lists {
		if len(lists[i]) == 0 {
			lists[i] = nil
		}
	}

	// Lists of strings can always be encoded.
	text, _ := json.Marshal(lists) //nolint:errchkjson // See above.

	return string(text)
}

// ruleSet is a set of rules by their keys.
type ruleSet map[string]rbacv1.PolicyRule

func setOf(lists ...[]rbacv1.PolicyRule) ruleSet {
	set := ruleSet{}

	for _, rules := range lists {
		for _, rule := range rules {
			set[key(rule)] = rule
		}
	}

	return set
}

func (s ruleSet) has(rule rbacv1.PolicyRule) bool {
	_, found := s[key(rule)]

	return found
}

// sorted returns the rules in the order of their keys.
func (s ruleSet) sorted() []rbacv1.PolicyRule {
	rules := make([]rbacv1.PolicyRule, 0, len(s))
	for _, name := range slices.Sorted(maps.Keys(s)) {
		rule := s[name]
		rules = append(rules, *rule.DeepCopy())
	}

	return rules
}

// minus returns the rules that are not in the set, in their order.
func minus(rules []rbacv1.PolicyRule, set ruleSet) []rbacv1.PolicyRule {
	return slices.DeleteFunc(slices.Clone(rules), set.has)
}

// contains tells whether all of some, and at least one, are in the set.
func (s ruleSet) contains(some []rbacv1.PolicyRule) bool {
	return len(some) > 0 && !slices.ContainsFunc(some, func(rule rbacv1.PolicyRule) bool { return !s.has(rule) })
}

// Same tells whether two lists read the same, in the same order.
func Same(a, b []rbacv1.PolicyRule) bool {
	return slices.EqualFunc(a, b, func(one, other rbacv1.PolicyRule) bool { return key(one) == key(other) })
}
