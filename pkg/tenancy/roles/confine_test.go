package roles_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/ks-core/ks-controller-manager/pkg/tenancy/roles"
)

func groups() []string {
	return []string{
		"apps", "batch", "discovery.k8s.io", "iam.kubesphere.io", "rbac.authorization.k8s.io",
		"tenant.kubesphere.io",
	}
}

func rule(groups, resources, verbs string) rbacv1.PolicyRule {
	split := func(list string) []string { return strings.Split(list, ",") }

	return rbacv1.PolicyRule{APIGroups: split(groups), Resources: split(resources), Verbs: split(verbs)}
}

// allows evaluates rules as Kubernetes does.
func allows(rules []rbacv1.PolicyRule, verb, group, resource string) bool {
	_, sub, hasSub := strings.Cut(resource, "/")

	return slices.ContainsFunc(rules, func(rule rbacv1.PolicyRule) bool {
		has := func(list []string, values ...string) bool {
			return slices.ContainsFunc(values, func(value string) bool { return slices.Contains(list, value) })
		}

		return has(rule.Verbs, "*", verb) && has(rule.APIGroups, "*", group) &&
			(has(rule.Resources, "*", resource) || hasSub && has(rule.Resources, "*/"+sub))
	})
}

func TestConfine(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name  string
		rules []rbacv1.PolicyRule
		want  []rbacv1.PolicyRule
	}{
		{
			name: "named", rules: []rbacv1.PolicyRule{rule("", "pods,pods/log", "get,list")},
			want: []rbacv1.PolicyRule{rule("", "pods,pods/log", "get,list")},
		},
		{
			name: "the namespace itself", rules: []rbacv1.PolicyRule{rule("", "namespaces", "*")},
			want: []rbacv1.PolicyRule{rule("", "namespaces", "get,list,watch")},
		},
		{
			name: "its subresources", rules: []rbacv1.PolicyRule{rule("", "*/finalize,*/scale", "update")},
			want: []rbacv1.PolicyRule{rule("", "replicationcontrollers/scale", "update")},
		},
		{
			name: "its limits", rules: []rbacv1.PolicyRule{rule("", "resourcequotas", "delete,get")},
			want: []rbacv1.PolicyRule{rule("", "resourcequotas", "get")},
		},
		{name: "taking roles", rules: []rbacv1.PolicyRule{
			rule("rbac.authorization.k8s.io", "roles", "bind,escalate,get"), rule("", "serviceaccounts", "impersonate"),
		}, want: []rbacv1.PolicyRule{rule("rbac.authorization.k8s.io", "roles", "get")}},
		{name: "what has no effect", rules: []rbacv1.PolicyRule{
			rule("tenant.kubesphere.io", "workspaces", "get"),
			{NonResourceURLs: []string{"/healthz"}, Verbs: []string{"get"}},
		}, want: []rbacv1.PolicyRule{}},
		{name: "nothing but named objects", rules: []rbacv1.PolicyRule{{
			APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get"},
			ResourceNames: []string{"web"},
		}}, want: []rbacv1.PolicyRule{{
			APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get"},
			ResourceNames: []string{"web"},
		}}},
		{
			name: "every group", rules: []rbacv1.PolicyRule{rule("*", "widgets", "get")},
			want: []rbacv1.PolicyRule{
				rule("apps,batch,discovery.k8s.io,iam.kubesphere.io,rbac.authorization.k8s.io", "widgets", "get"),
			},
		},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			if diff := cmp.Diff(test.want, roles.Confine(test.rules, groups())); diff != "" {
				t.Errorf("confined (-want +got):\n%s", diff)
			}
		})
	}
}

// Rules are drawn from what matters. Whatever they are, nothing of it lets a tenant out, and nothing is granted that
// the rules do not grant.
func TestConfineLetsNobodyOut(t *testing.T) {
	t.Parallel()

	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same on every run

	for range 1000 {
		drawn := drawRules(random)
		if got, want := roles.GrantsAnything(drawn, groups()), len(roles.Confine(drawn, groups())) > 0; got != want {
			t.Fatalf("says %t of whether anything is left of %v", got, drawn)
		}

		if err := holds(drawn, roles.Confine); err != nil {
			t.Fatal(err)
		}
	}
}

// The promise catches an engine that lets rules through as they are.
func TestSabotagedConfineIsCaught(t *testing.T) {
	t.Parallel()

	through := func(rules []rbacv1.PolicyRule, _ []string) []rbacv1.PolicyRule { return rules }
	if err := holds([]rbacv1.PolicyRule{rule("*", "*", "*")}, through); err == nil {
		t.Error("everything was let through, and nobody noticed")
	}

	more := func([]rbacv1.PolicyRule, []string) []rbacv1.PolicyRule {
		return []rbacv1.PolicyRule{rule("", "secrets", "get")}
	}
	if err := holds([]rbacv1.PolicyRule{rule("", "pods", "get")}, more); err == nil {
		t.Error("more was granted than asked for, and nobody noticed")
	}
}

func FuzzConfine(f *testing.F) {
	f.Add(uint64(1), uint64(2))

	f.Fuzz(func(t *testing.T, a, b uint64) {
		random := rand.New(rand.NewPCG(a, b)) //nolint:gosec // the fuzzer chooses
		if err := holds(drawRules(random), roles.Confine); err != nil {
			t.Fatal(err)
		}
	})
}

func verbs() []string {
	return []string{
		"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "escalate",
		"bind", "impersonate", "*",
	}
}

func resources() []string {
	return []string{
		"*", "namespaces", "namespaces/status", "namespaces/finalize", "*/status", "*/finalize", "pods",
		"pods/exec", "secrets", "roles", "resourcequotas", "endpoints",
	}
}

func drawRules(random *rand.Rand) []rbacv1.PolicyRule {
	some := func(of []string) []string {
		var drawn []string
		for range 1 + random.IntN(3) {
			drawn = append(drawn, of[random.IntN(len(of))])
		}

		return drawn
	}

	var rules []rbacv1.PolicyRule
	for range random.IntN(4) {
		rules = append(rules, rbacv1.PolicyRule{
			APIGroups: some(append(groups(), "", "*")), Resources: some(resources()), Verbs: some(verbs()),
		})
	}

	return rules
}

func holds(rules []rbacv1.PolicyRule, confine func([]rbacv1.PolicyRule, []string) []rbacv1.PolicyRule) error {
	confined := confine(rules, groups())

	for _, verb := range verbs() {
		for _, group := range append(groups(), "") {
			for _, resource := range resources() {
				if !allows(confined, verb, group, resource) {
					continue
				}

				if escapes(verb, group, resource) {
					return fmt.Errorf("%v permit %s %s/%s", confined, verb, group, resource)
				}

				if !strings.Contains(resource, "*") && !allows(admin(), verb, group, resource) {
					return fmt.Errorf("%v permit %s %s/%s, which no administrator may", confined, verb, group, resource)
				}

				if !strings.Contains(resource, "*") && verb != "*" && !allows(rules, verb, group, resource) {
					return fmt.Errorf("%v permit %s %s/%s, which %v do not", confined, verb, group, resource, rules)
				}
			}
		}
	}

	if diff := cmp.Diff(confined, confine(confined, groups())); diff != "" {
		return fmt.Errorf("confining once more makes a difference: %s", diff)
	}

	return nil
}

func admin() []rbacv1.PolicyRule { return roles.NamespaceRoles(groups())[0].Rules }

// escapes tells of what no rule in a namespace may permit.
func escapes(verb, group, resource string) bool {
	if slices.Contains([]string{"escalate", "bind", "impersonate", "*"}, verb) {
		return true
	}

	reads := slices.Contains([]string{"get", "list", "watch"}, verb)

	return group == "" && strings.HasPrefix(resource, "namespaces") && !reads
}

func TestBuiltinRoles(t *testing.T) {
	t.Parallel()

	tests := []struct {
		role, verb, group, resource string
		want                        bool
	}{
		{roles.Admin, "create", "", "secrets", true},
		{roles.Admin, "create", "apps", "deployments", true},
		{roles.Admin, "create", "rbac.authorization.k8s.io", "rolebindings", true},
		{roles.Admin, "bind", "rbac.authorization.k8s.io", "clusterroles", false},
		{roles.Admin, "patch", "", "namespaces", false},
		{roles.Admin, "delete", "", "namespaces", false},
		{roles.Admin, "get", "", "namespaces", true},
		{roles.Admin, "delete", "", "resourcequotas", false},
		{roles.Admin, "create", "discovery.k8s.io", "endpointslices", false},
		{roles.Admin, "create", "", "pods/exec", true},
		{roles.Operator, "create", "apps", "deployments", true},
		{roles.Operator, "create", "", "secrets", true},
		{roles.Operator, "create", "rbac.authorization.k8s.io", "rolebindings", false},
		{roles.Operator, "create", "iam.kubesphere.io", "rolebindings", false},
		{roles.Operator, "patch", "", "namespaces", false},
		{roles.Viewer, "get", "", "pods", true},
		{roles.Viewer, "get", "", "pods/log", true},
		{roles.Viewer, "get", "apps", "deployments", true},
		{roles.Viewer, "get", "", "secrets", false},
		{roles.Viewer, "list", "", "secrets", false},
		{roles.Viewer, "watch", "", "secrets", false},
		{roles.Viewer, "get", "", "pods/exec", false},
		{roles.Viewer, "get", "", "pods/proxy", false},
		{roles.Viewer, "create", "", "serviceaccounts/token", false},
		{roles.Viewer, "patch", "", "namespaces", false},
	}

	builtin := map[string][]rbacv1.PolicyRule{}
	for _, role := range roles.NamespaceRoles(groups()) {
		builtin[role.Name] = role.Rules
	}

	for _, test := range tests {
		if got := allows(builtin[test.role], test.verb, test.group, test.resource); got != test.want {
			t.Errorf("%s may %s %s/%s: %t", test.role, test.verb, test.group, test.resource, got)
		}
	}
}

func TestWorkspaceViewerReadsNoSecrets(t *testing.T) {
	t.Parallel()

	for _, role := range roles.WorkspaceRoles(groups()) {
		confined := roles.Confine(role.Rules, groups())
		if role.Name == roles.Viewer && allows(confined, "get", "", "secrets") {
			t.Error("the viewer of a workspace reads Secrets")
		}

		inNamespaces := role.Name == roles.Admin || role.Name == roles.Viewer
		if got := len(confined) > 0; got != inNamespaces {
			t.Errorf("%s permits something inside namespaces: %t", role.Name, got)
		}
	}
}

func TestSelf(t *testing.T) {
	t.Parallel()

	workspace := roles.Workspace{Name: "a", Roles: []string{"a-admin"}, Bindings: []string{"a-admin"}}
	tests := []struct {
		role, verb, group, resource, name string
		want                              bool
	}{
		{roles.Admin, "assign", "tenant.kubesphere.io", "workspaces", "a", true},
		{roles.Admin, "create-namespaces", "tenant.kubesphere.io", "workspaces", "a", true},
		{roles.Admin, "manage-roles", "tenant.kubesphere.io", "workspaces", "a", true},
		{roles.Admin, "update", "tenant.kubesphere.io", "workspacetemplates", "a", true},
		{roles.Admin, "delete", "tenant.kubesphere.io", "workspaces", "a", false},
		{roles.Admin, "assign", "tenant.kubesphere.io", "workspaces", "b", false},
		{roles.Admin, "assign", "tenant.kubesphere.io", "workspaces", "", false},
		{roles.Admin, "get", "tenant.kubesphere.io", "workspaces", "b", false},
		{roles.Admin, "update", "iam.kubesphere.io", "workspaceroles", "a-admin", true},
		{roles.Admin, "update", "iam.kubesphere.io", "workspaceroles", "b-admin", false},
		{roles.Admin, "list", "iam.kubesphere.io", "workspaceroles", "", false},
		{roles.SelfProvisioner, "create", "", "namespaces", "", true},
		{roles.SelfProvisioner, "self-provision", "tenant.kubesphere.io", "workspaces", "", true},
		{roles.SelfProvisioner, "assign", "tenant.kubesphere.io", "workspaces", "a", false},
		{roles.SelfProvisioner, "manage-roles", "tenant.kubesphere.io", "workspaces", "a", false},
		{roles.Regular, "get", "tenant.kubesphere.io", "workspaces", "a", true},
		{roles.Regular, "create", "", "namespaces", "", false},
		{roles.Viewer, "get", "tenant.kubesphere.io", "workspaces", "a", true},
		{roles.Viewer, "create", "", "namespaces", "", false},
		{roles.Viewer, "update", "tenant.kubesphere.io", "workspaces", "a", false},
	}

	self := map[string][]rbacv1.PolicyRule{}
	for _, role := range roles.WorkspaceRoles(groups()) {
		self[role.Name] = roles.Self(workspace, role.Rules)
	}

	for _, test := range tests {
		// A rule that names objects permits those alone.
		applicable := slices.DeleteFunc(slices.Clone(self[test.role]), func(rule rbacv1.PolicyRule) bool {
			return len(rule.ResourceNames) > 0 && !slices.Contains(rule.ResourceNames, test.name)
		})

		if got := allows(applicable, test.verb, test.group, test.resource); got != test.want {
			t.Errorf("%s may %s %s/%s %q: %t", test.role, test.verb, test.group, test.resource, test.name, got)
		}
	}
}
