package controllers_test

import (
	"slices"
	"testing"

	"github.com/ks-core/ks-controller-manager/pkg/controllers"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

func TestCatalogIsValid(t *testing.T) {
	t.Parallel()

	if err := controllers.Catalog().Validate(); err != nil {
		t.Error(err)
	}
}

// Every controller has a gate of its own, and every gate switches a controller.
func TestGatesAndControllersMatch(t *testing.T) {
	t.Parallel()

	gates, err := features.New()
	if err != nil {
		t.Fatal(err)
	}

	known := slices.DeleteFunc(features.Names(gates), func(name string) bool {
		return name == "AllAlpha" || name == "AllBeta"
	})

	var used []string
	for _, descriptor := range controllers.Catalog() {
		used = append(used, string(descriptor.Gate))
	}

	slices.Sort(used)

	if !slices.Equal(known, used) {
		t.Errorf("gates %v, used by controllers %v", known, used)
	}
}

// The charts of both major releases must start the manager unchanged.
func TestKubeSpheresSelectionsAreAccepted(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		elements []string
		want     int
	}{
		"charts": {elements: []string{"*"}, want: len(controllers.Catalog())},
		"slim chart of 3.4": {
			elements: []string{
				"user", "workspacetemplate", "workspace", "workspacerole", "workspacerolebinding", "namespace",
			},
			want: 6,
		},
		"names of 4.1": {elements: []string{"workspacetemplate", "k8sapplication", "-extension"}, want: 1},
	}

	catalog := controllers.Catalog()

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			selection, err := manager.Select(catalog, test.elements, controllers.LegacyNames(catalog))
			if err != nil {
				t.Fatal(err)
			}

			if got := len(selection.Controllers()); got != test.want {
				t.Errorf("%v selects %d controllers, want %d", test.elements, got, test.want)
			}
		})
	}
}
