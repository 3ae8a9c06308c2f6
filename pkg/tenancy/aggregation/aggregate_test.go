package aggregation_test

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/aggregation"
)

// on is a rule about one resource.
func on(resource string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{resource}, Verbs: []string{"get"}}
}

func rules(resources ...string) []rbacv1.PolicyRule {
	made := make([]rbacv1.PolicyRule, 0, len(resources))
	for _, resource := range resources {
		made = append(made, on(resource))
	}

	return made
}

func naming(templates ...string) *iamv1beta1.AggregationRoleTemplates {
	return &iamv1beta1.AggregationRoleTemplates{TemplateNames: templates}
}

// noted returns the annotation for rules that were added.
func noted(resources ...string) map[string]string {
	text, err := json.Marshal(map[string]any{"rules": rules(resources...)})
	if err != nil {
		return nil
	}

	if len(resources) == 0 {
		text = []byte("{}")
	}

	return map[string]string{aggregation.Annotation: string(text)}
}

func namingRoles(names string) map[string]string {
	return map[string]string{iamv1beta1.AggregationRolesAnnotation: names}
}

func TestAggregate(t *testing.T) {
	t.Parallel()

	templates := map[string][]rbacv1.PolicyRule{"a": rules("pods", "services"), "b": rules("services", "jobs")}
	only := func(names ...string) aggregation.Sources {
		chosen := map[string][]rbacv1.PolicyRule{}
		for _, name := range names {
			chosen[name] = templates[name]
		}

		return aggregation.Sources{Templates: chosen}
	}

	for _, test := range []struct {
		name    string
		role    aggregation.Role
		sources aggregation.Sources
		want    []rbacv1.PolicyRule
		note    map[string]string
		changed bool
		missing []string
		reason  string
	}{
		{
			name: "a role of its own stays as it is",
			role: aggregation.Role{Rules: rules("nodes", "nodes", "pods")},
			want: rules("nodes", "nodes", "pods"),
		},
		{
			name:    "templates are added behind, without repetition",
			role:    aggregation.Role{Rules: rules("nodes"), Templates: naming("b", "a")},
			sources: only("a", "b"),
			want:    rules("nodes", "jobs", "pods", "services"), note: noted("jobs", "pods", "services"), changed: true,
		},
		{
			name: "nothing to do",
			role: aggregation.Role{
				Rules: rules("nodes", "jobs", "services"), Templates: naming("b"), Annotations: noted("jobs",
					"services"),
			},
			sources: only("b"),
			want:    rules("nodes", "jobs", "services"), note: noted("jobs", "services"),
		},
		{
			name: "a template is taken off",
			role: aggregation.Role{
				Rules: rules("nodes", "jobs", "pods", "services"), Templates: naming("b"),
				Annotations: noted("jobs", "pods", "services"),
			},
			sources: only("b"),
			want:    rules("nodes", "jobs", "services"), note: noted("jobs", "services"), changed: true,
		},
		{
			name:    "all templates are taken off",
			role:    aggregation.Role{Rules: rules("nodes", "pods"), Annotations: noted("pods")},
			sources: only(),
			want:    rules("nodes"), note: noted(), changed: true,
		},
		{
			name: "a rule is taken out of a template",
			role: aggregation.Role{
				Rules: rules("nodes", "jobs", "pods", "services"), Templates: naming("b"),
				Annotations: noted("jobs", "pods", "services"),
			},
			sources: aggregation.Sources{Templates: map[string][]rbacv1.PolicyRule{"b": rules("jobs")}},
			want:    rules("nodes", "jobs"), note: noted("jobs"), changed: true,
		},
		{
			name:    "what the author wrote is not noted, and stays",
			role:    aggregation.Role{Rules: rules("pods", "nodes"), Templates: naming("a"), Annotations: noted()},
			sources: only("a"),
			want:    rules("pods", "nodes", "services"), note: noted("services"), changed: true,
		},
		{
			name:    "left by KubeSphere: a template that is there as a whole was added",
			role:    aggregation.Role{Rules: rules("nodes", "pods", "services"), Templates: naming("a")},
			sources: only("a"),
			want:    rules("nodes", "pods", "services"), note: noted("pods", "services"), changed: true,
		},
		{
			name:    "somebody broke the note",
			role:    aggregation.Role{Rules: rules("pods", "services"), Templates: naming("a"), Annotations: broken()},
			sources: only("a"),
			want:    rules("pods", "services"), note: noted("pods", "services"), changed: true,
		},
		{
			name:    "a template is missing",
			role:    aggregation.Role{Rules: rules("nodes"), Templates: naming("a", "lost"), Annotations: noted()},
			sources: only("a"),
			want:    rules("nodes", "pods", "services"), note: noted("pods", "services"), changed: true,
			missing: []string{"RoleTemplate lost"},
		},
		{
			name:    "a missing template of an old role is awaited",
			role:    aggregation.Role{Rules: rules("jobs", "services"), Templates: naming("b")},
			want:    rules("jobs", "services"),
			note:    map[string]string{aggregation.Annotation: `{"awaited":["RoleTemplate b"]}`},
			changed: true, missing: []string{"RoleTemplate b"},
		},
		{
			name: "and counts as added when it comes",
			role: aggregation.Role{
				Rules: rules("jobs", "services"), Templates: naming("b"),
				Annotations: map[string]string{aggregation.Annotation: `{"awaited":["RoleTemplate b"]}`},
			},
			sources: only("b"),
			want:    rules("jobs", "services"), note: noted("jobs", "services"), changed: true,
		},
		{
			name: "roles serve as templates, and name others",
			role: aggregation.Role{Name: "r", Rules: rules("nodes"), Annotations: namingRoles(`["x"]`)},
			sources: aggregation.Sources{Roles: map[string]aggregation.Role{
				"x": {Name: "x", Rules: rules("pods", "jobs"), Annotations: merge(noted("jobs"), namingRoles(`["y"]`))},
				"y": {Name: "y", Rules: rules("services")},
			}},
			want: rules("nodes", "pods", "services"), note: noted("pods", "services"), changed: true,
		},
		{
			name: "a role that names itself",
			role: aggregation.Role{Name: "r", Rules: rules("nodes"), Annotations: namingRoles(`["r"]`)},
			want: rules("nodes"), note: noted(), changed: true, reason: aggregation.ReasonRoleLoop,
		},
		{
			name: "a circle",
			role: aggregation.Role{Name: "r", Rules: rules("nodes"), Annotations: namingRoles(`["x"]`)},
			sources: aggregation.Sources{Roles: map[string]aggregation.Role{
				"x": {Name: "x", Rules: rules("pods"), Annotations: namingRoles(`["y"]`)},
				"y": {Name: "y", Rules: rules("jobs"), Annotations: namingRoles(`["x","r"]`)},
			}},
			want: rules("nodes", "jobs", "pods"), note: noted("jobs", "pods"), changed: true,
			reason: aggregation.ReasonRoleLoop,
		},
		{
			name: "a role is missing",
			role: aggregation.Role{Name: "r", Annotations: namingRoles(`["gone"]`)},
			note: map[string]string{aggregation.Annotation: `{"awaited":["role gone"]}`}, changed: true,
			missing: []string{"role gone"},
		},
		{
			name: "no list",
			role: aggregation.Role{Name: "r", Annotations: namingRoles(`x`)},
			note: noted(), changed: true, reason: aggregation.ReasonInvalidRoleList,
		},
		{
			name: "a selector of everything",
			role: aggregation.Role{
				Annotations: map[string]string{iamv1beta1.AutoAggregateAnnotation: "true"},
				Templates:   &iamv1beta1.AggregationRoleTemplates{RoleSelector: &metav1.LabelSelector{}},
			},
			note: noted(), changed: true, reason: aggregation.ReasonSelectorTooWide,
		},
		{
			name: "a selector that is none",
			role: aggregation.Role{
				Annotations: map[string]string{iamv1beta1.AutoAggregateAnnotation: "true"},
				Templates: &iamv1beta1.AggregationRoleTemplates{RoleSelector: &metav1.LabelSelector{
					MatchLabels: map[string]string{"no/good/key": ""},
				}},
			},
			note: noted(), changed: true, reason: aggregation.ReasonInvalidSelector,
		},
		{
			name: "a selector without the annotation does not count",
			role: aggregation.Role{
				Templates: &iamv1beta1.AggregationRoleTemplates{RoleSelector: &metav1.LabelSelector{}},
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			got, err := aggregation.Aggregate(test.role, test.sources)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(test.want, got.Rules, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}

			wanted, wantsNote := test.note[aggregation.Annotation]
			if wantsNote != (got.Note != nil) || wantsNote && wanted != *got.Note {
				t.Errorf("note: want %s, got %v", wanted, deref(got.Note))
			}

			if got.Changed != test.changed || got.Problems.Reason() != test.reason {
				t.Errorf("changed: %t, problems: %s", got.Changed, got.Problems.Message())
			}

			if diff := cmp.Diff(test.missing, got.Missing); diff != "" {
				t.Errorf("missing (-want +got):\n%s", diff)
			}
		})
	}
}

func broken() map[string]string { return map[string]string{aggregation.Annotation: "{"} }

func deref(text *string) string {
	if text == nil {
		return "none"
	}

	return *text
}

func merge(a, b map[string]string) map[string]string {
	merged := map[string]string{}
	maps.Copy(merged, a)
	maps.Copy(merged, b)

	return merged
}

func TestTooManyRulesAreNotAdded(t *testing.T) {
	t.Parallel()

	var many []rbacv1.PolicyRule
	for i := range 2000 {
		many = append(many, on("resource-"+strconv.Itoa(i)))
	}

	role := aggregation.Role{Rules: rules("pods"), Templates: naming("huge")}
	sources := aggregation.Sources{Templates: map[string][]rbacv1.PolicyRule{"huge": many}}

	got, err := aggregation.Aggregate(role, sources)
	if err != nil {
		t.Fatal(err)
	}

	if got.Changed || got.Problems.Reason() != aggregation.ReasonTooManyRules {
		t.Errorf("changed: %t, problems: %s", got.Changed, got.Problems.Message())
	}
}

func TestMissingMessage(t *testing.T) {
	t.Parallel()

	got := aggregation.MissingMessage([]string{"RoleTemplate a", "role b"})
	if !strings.Contains(got, "no RoleTemplate a, no role b") {
		t.Error(got)
	}
}

// TestTakingATemplateOffRestoresTheRules plays random histories of a role: whatever is added and changed in
// between, without templates it is what its author wrote.
func TestTakingATemplateOffRestoresTheRules(t *testing.T) {
	t.Parallel()

	for seed := range uint64(2000) {
		random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // Nothing here is a secret.
		own := someRules(random)
		role := aggregation.Role{Name: "r", Rules: own, Templates: naming(), Annotations: noted()}

		for range 4 {
			templates := map[string][]rbacv1.PolicyRule{}

			for _, name := range []string{"a", "b", "c"} {
				if random.IntN(2) == 0 {
					templates[name] = someRules(random)
				}
			}

			role = apply(t, role, templates)
		}

		role = apply(t, role, nil)
		if diff := cmp.Diff(own, role.Rules, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d (-want +got):\n%s", seed, diff)
		}
	}
}

// apply lets a role name the templates, and checks that doing it again changes nothing and that all are there.
func apply(t *testing.T, role aggregation.Role, templates map[string][]rbacv1.PolicyRule) aggregation.Role {
	t.Helper()

	role.Templates = naming()
	for name := range templates {
		role.Templates.TemplateNames = append(role.Templates.TemplateNames, name)
	}

	sources := aggregation.Sources{Templates: templates}

	result, err := aggregation.Aggregate(role, sources)
	if err != nil {
		t.Fatal(err)
	}

	role.Rules, role.Annotations = result.Rules, nil
	if result.Note != nil {
		role.Annotations = map[string]string{aggregation.Annotation: *result.Note}
	}

	again, err := aggregation.Aggregate(role, sources)
	if err != nil || again.Changed {
		t.Fatalf("it is not at rest: %v", err)
	}

	for name, wanted := range templates {
		for _, rule := range wanted {
			if !slices.ContainsFunc(role.Rules, func(has rbacv1.PolicyRule) bool { return cmp.Equal(has, rule) }) {
				t.Fatalf("a rule of %s is missing", name)
			}
		}
	}

	return role
}

func someRules(random *rand.Rand) []rbacv1.PolicyRule {
	var some []rbacv1.PolicyRule
	for range random.IntN(4) {
		some = append(some, on([]string{"a", "b", "c", "d", "e", "f"}[random.IntN(6)]))
	}

	return some
}

func FuzzAggregate(f *testing.F) {
	f.Add(`{"rules":[{"verbs":null}]}`, `["a","r"]`, "pods", "a")
	f.Add(`{`, `[""]`, "", "")
	f.Add(`{"awaited":["RoleTemplate a"]}`, `{}`, "jobs", "r")

	f.Fuzz(func(t *testing.T, note, roles, resource, name string) {
		role := aggregation.Role{
			Name: "r", Rules: []rbacv1.PolicyRule{on(resource), {}}, Templates: naming(name, "lost"),
			Annotations: map[string]string{
				aggregation.Annotation: note, iamv1beta1.AggregationRolesAnnotation: roles,
			},
		}
		sources := aggregation.Sources{
			Templates: map[string][]rbacv1.PolicyRule{name: {on(resource), on("x")}},
			Roles: map[string]aggregation.Role{"a": {
				Name: "a", Rules: rules("y"),
				Annotations: maps.Clone(role.Annotations),
			}},
		}

		result, err := aggregation.Aggregate(role, sources)
		if err != nil {
			t.Fatal(err)
		}

		if result.Note == nil {
			t.Fatal("no note")
		}

		role.Rules = result.Rules
		role.Annotations[aggregation.Annotation] = *result.Note

		if again, err := aggregation.Aggregate(role, sources); err != nil || again.Changed {
			t.Fatalf("it is not at rest: %v", err)
		}
	})
}
