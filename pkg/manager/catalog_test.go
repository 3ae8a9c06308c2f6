package manager_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

func TestValidate(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		change func(manager.Catalog)
		want   string
	}{
		"good":           {change: func(manager.Catalog) {}},
		"name twice":     {change: func(c manager.Catalog) { c[2].Name = "workspace" }, want: `belongs to controller workspace`},
		"alias twice":    {change: func(c manager.Catalog) { c[2].Aliases = []string{"workspacetemplate"} }, want: `workspace-template`},
		"alias a domain": {change: func(c manager.Catalog) { c[2].Aliases = []string{"edge"} }, want: `belongs to domain edge`},
		"name in camel":  {change: func(c manager.Catalog) { c[0].Name = "WorkSpace" }, want: "kebab-case"},
		"no domain":      {change: func(c manager.Catalog) { c[0].Domain = "sales" }, want: `unknown domain "sales"`},
		"no gate":        {change: func(c manager.Catalog) { c[0].Gate = "" }, want: "no feature gate"},
		"no constructor": {change: func(c manager.Catalog) { c[0].New = nil }, want: "no constructor"},
		"no caches":      {change: func(c manager.Catalog) { c[0].Caches = nil }, want: "no cached kinds"},
		"no summary":     {change: func(c manager.Catalog) { c[0].Summary = "" }, want: "no summary"},
		"requires what it does not cache": {
			change: func(c manager.Catalog) {
				c[0].Requires = []manager.Required{{GroupVersionKind: schema.GroupVersionKind{Kind: "Other"}}}
			},
			want: "needs Other, which is not among its cached kinds",
		},
		"the same cached twice": {
			change: func(c manager.Catalog) { c[0].Caches = append(c[0].Caches, c[0].Caches[0]) },
			want:   "twice",
		},
		"slim without saying what to drop": {
			change: func(c manager.Catalog) { c[0].Caches[0].Depth = manager.Slim },
			want:   "depth slim takes a Trim",
		},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			controllers := catalog()
			test.change(controllers)

			err := controllers.Validate()
			if test.want == "" && err != nil {
				t.Errorf("Validate() = %v", err)
			}

			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("Validate() = %v, want an error with %s", err, test.want)
			}
		})
	}
}

func TestRules(t *testing.T) {
	t.Parallel()

	kind := schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Thing"}
	controllers := manager.Catalog{
		{
			Requires: []manager.Required{{GroupVersionKind: kind}},
			Caches:   []manager.Cached{{Kind: kind, Resource: "things"}},
			Writes: []rbacv1.PolicyRule{
				{APIGroups: []string{"example.com"}, Resources: []string{"things", "things/status"}, Verbs: []string{"patch"}},
				{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"one"}, Verbs: []string{"get"}},
			},
		},
		{
			Caches: []manager.Cached{{Kind: kind, Resource: "things"}},
			Writes: []rbacv1.PolicyRule{
				{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"two"}, Verbs: []string{"get"}},
			},
		},
	}

	want := []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"one"}, Verbs: []string{"get"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"two"}, Verbs: []string{"get"}},
		{APIGroups: []string{"example.com"}, Resources: []string{"things"}, Verbs: []string{"list", "patch", "watch"}},
		{APIGroups: []string{"example.com"}, Resources: []string{"things/status"}, Verbs: []string{"patch"}},
	}
	if diff := cmp.Diff(want, controllers.Rules()); diff != "" {
		t.Errorf("Rules() (-want +got):\n%s", diff)
	}

	wantView := []rbacv1.PolicyRule{
		{APIGroups: []string{"example.com"}, Resources: []string{"things"}, Verbs: []string{"get", "list", "watch"}},
	}
	if diff := cmp.Diff(wantView, controllers.UserRules(manager.View)); diff != "" {
		t.Errorf("UserRules(View) (-want +got):\n%s", diff)
	}
}
