package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/controllers"
)

// The table of controllers, the roles, the help, the gates and the reference say the same.
func TestFilesFollowFromTheTable(t *testing.T) {
	t.Chdir("../..")

	files, err := contents(controllers.Catalog())
	if err != nil {
		t.Fatal(err)
	}

	for path, want := range files {
		got, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)

			continue
		}

		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is not current, run \"make generate\" (-want +got):\n%s", path, diff)
		}
	}
}

// A role that no controller asks for any more would stay in force unseen.
func TestNoRoleIsLeftOver(t *testing.T) {
	t.Chdir("../..")

	files, err := contents(controllers.Catalog())
	if err != nil {
		t.Fatal(err)
	}

	written, err := filepath.Glob(rolesFolder + "*.yaml")
	if err != nil {
		t.Fatal(err)
	}

	for _, path := range written {
		if _, follows := files[path]; !follows && !strings.HasSuffix(path, "service_account.yaml") {
			t.Errorf("%s follows from no controller: remove it", path)
		}
	}
}
