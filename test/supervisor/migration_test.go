package supervisor_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Objects that an earlier release stored in another version are stored anew, once, by whoever leads.
func TestStoredObjectsAreMigrated(t *testing.T) {
	define(t, "gadgets-old")
	t.Cleanup(func() { cleanDefinition(t, gadgetDefinition) })

	const count = 20

	versions := storeGadgets(t, count)

	define(t, "gadgets")

	gadgetController, _ := gadgets()
	started := start(t, manager.Catalog{gadgetController}, func(config *manager.Config) {
		config.MigrationSettle = 3 * time.Second
	})

	eventually(t, timeout, "the page says that it is done", func(ctx context.Context) error {
		status, err := started.status(ctx)
		if err != nil {
			return err
		}

		if len(status.Migrations) != 1 || !status.Migrations[0].Done || status.Migrations[0].Rewritten != count {
			return fmt.Errorf("the page says %+v", status.Migrations)
		}

		return nil
	})

	if stored := storedVersions(t, gadgetDefinition); !slices.Equal(stored, []string{"v1"}) {
		t.Errorf("stored in %v", stored)
	}

	checkStoredAnew(t, versions)

	// The next process finds it done.
	if err := started.stop(); err != nil {
		t.Fatal(err)
	}

	again := start(t, manager.Catalog{gadgetController}, func(config *manager.Config) {
		config.MigrationSettle = time.Second
	})
	eventually(t, timeout, "it looks and finds it done", func(ctx context.Context) error {
		status, err := again.status(ctx)
		if err == nil && (len(status.Migrations) != 1 || !status.Migrations[0].Done) {
			err = fmt.Errorf("the page says %+v", status.Migrations)
		}

		return err
	})

	if written := again.calls.writes(time.Time{}); len(written) > 0 {
		t.Errorf("the next process wrote %v", written)
	}
}

// storeGadgets makes gadgets that leave the controller nothing to write, and returns their versions by name.
func storeGadgets(t *testing.T, count int) map[string]string {
	t.Helper()

	versions := map[string]string{}

	for i := range count {
		object := gadget(fmt.Sprintf("stored-%02d", i), "a")
		create(t, object)

		object.Status.Observed = "a"
		if err := admin.Status().Update(t.Context(), object); err != nil {
			t.Fatal(err)
		}

		versions[object.Name] = object.ResourceVersion
	}

	return versions
}

// checkStoredAnew holds that each gadget was written once more and is what it was.
func checkStoredAnew(t *testing.T, versions map[string]string) {
	t.Helper()

	list := &GadgetList{}
	if err := admin.List(t.Context(), list); err != nil {
		t.Fatal(err)
	}

	for _, object := range list.Items {
		if object.ResourceVersion == versions[object.Name] || object.Status.Observed != "a" {
			t.Errorf("%s was not stored anew, or not as it was: %+v", object.Name, object)
		}
	}
}

func storedVersions(t *testing.T, name string) []string {
	t.Helper()

	definition := &unstructured.Unstructured{}
	definition.SetGroupVersionKind(definitions.Reference(name).GroupVersionKind())

	if err := admin.Get(t.Context(), client.ObjectKey{Name: name}, definition); err != nil {
		t.Fatal(err)
	}

	stored, _, err := unstructured.NestedStringSlice(definition.Object, "status", "storedVersions")
	if err != nil {
		t.Fatal(err)
	}

	return stored
}
