package manager_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/component-base/featuregate"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// descriptor returns a controller that is complete and does nothing.
func descriptor(name string, domain manager.Domain, aliases ...string) manager.Descriptor {
	return manager.Descriptor{
		Name: name, Aliases: aliases, Domain: domain, Summary: "Does nothing.", Gate: featuregate.Feature(name),
		Caches: []manager.Cached{{
			Kind: schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: name}, Resource: name + "s",
			Depth: manager.MetadataOnly,
		}},
		New: func(manager.Dependencies) (*manager.Controller, error) { return &manager.Controller{}, nil },
	}
}

func catalog() manager.Catalog {
	return manager.Catalog{
		descriptor("workspace", manager.Tenancy),
		descriptor("workspace-template", manager.Tenancy, "workspacetemplate"),
		descriptor("rulegroup", manager.Alerting),
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		elements []string
		want     []string
		fails    []string
	}{
		"nothing given":                  {want: []string{"workspace", "workspace-template", "rulegroup"}},
		"all":                            {elements: []string{"*"}, want: []string{"workspace", "workspace-template", "rulegroup"}},
		"one":                            {elements: []string{"rulegroup"}, want: []string{"rulegroup"}},
		"by alias":                       {elements: []string{"workspacetemplate"}, want: []string{"workspace-template"}},
		"a domain":                       {elements: []string{"tenancy"}, want: []string{"workspace", "workspace-template"}},
		"only a negative":                {elements: []string{"-workspace"}, want: []string{"workspace-template", "rulegroup"}},
		"a negative domain":              {elements: []string{"-tenancy"}, want: []string{"rulegroup"}},
		"all but one":                    {elements: []string{"*", "-rulegroup"}, want: []string{"workspace", "workspace-template"}},
		"all but one, in other order":    {elements: []string{"-rulegroup", "*"}, want: []string{"workspace", "workspace-template"}},
		"a name beats its domain":        {elements: []string{"-tenancy", "workspace"}, want: []string{"workspace"}},
		"a negative name beats a domain": {elements: []string{"tenancy", "-workspace"}, want: []string{"workspace-template"}},
		"the first of two counts":        {elements: []string{"rulegroup", "-rulegroup"}, want: []string{"rulegroup"}},
		"an alias is the same name": {
			elements: []string{"-workspacetemplate", "workspace-template", "rulegroup"}, want: []string{"rulegroup"},
		},
		"spaces":                         {elements: []string{" rulegroup "}, want: []string{"rulegroup"}},
		"a legacy name is no controller": {elements: []string{"user", "workspace"}, want: []string{"workspace"}},
		"only a legacy name":             {elements: []string{"user"}, want: nil},
		"an unknown name": {
			elements: []string{"workspce", "*"},
			fails:    []string{`unknown controller "workspce"; did you mean "workspace"`},
		},
		"two unknown names": {
			elements: []string{"-rulgroup", "zzzzzzzz"},
			fails:    []string{`"rulgroup"; did you mean "rulegroup"?`, `"zzzzzzzz"; known are *, alerting, rulegroup`},
		},
		"a domain without controllers": {elements: []string{"edge"}, fails: []string{`unknown controller "edge"`}},
		"empty":                        {elements: []string{""}, fails: []string{`unknown controller ""`}},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			selection, err := manager.Select(catalog(), test.elements, []string{"user"})
			for _, want := range test.fails {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("Select(%q) = %v, want an error with %s", test.elements, err, want)
				}
			}

			if test.fails != nil {
				return
			}

			if err != nil {
				t.Fatalf("Select(%q): %v", test.elements, err)
			}

			var got []string
			for _, selected := range selection.Controllers() {
				got = append(got, selected.Name)
			}

			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Select(%q) (-want +got):\n%s", test.elements, diff)
			}
		})
	}
}
