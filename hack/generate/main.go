// Command generate writes what follows from the table of controllers and from the custom resource
// definitions: the roles under config/rbac, the lists of kustomize, the record of schema revisions, and the
// pages under docs/reference. It puts the definitions in order.
// It is run by "make generate", in the root of the checkout.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/ks-core/ks-controller-manager/pkg/controllers"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

func main() {
	if err := generate(controllers.Catalog()); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// generate writes every file anew.
func generate(catalog manager.Catalog) error {
	files, err := contents(catalog)
	if err != nil {
		return err
	}

	for path, content := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // a folder of the checkout
			return fmt.Errorf("make the folder of %s: %w", path, err)
		}

		if err := os.WriteFile(path, content, 0o644); err != nil { //nolint:gosec // a file of the checkout
			return fmt.Errorf("write %s: %w", path, err)
		}
	}

	return nil
}

// contents returns what every generated file should hold.
func contents(catalog manager.Catalog) (map[string][]byte, error) {
	files := map[string][]byte{}

	for _, write := range []func(manager.Catalog, map[string][]byte) error{roles, definitionFiles, pages} {
		if err := write(catalog, files); err != nil {
			return nil, err
		}
	}

	return files, nil
}
