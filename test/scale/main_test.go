package scale_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/cmd/ks-controller-manager/app"
	"github.com/ks-core/ks-controller-manager/pkg/controllers"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/test/scale"
)

// The manager that the tests measure is this very program, which knows by its environment what it is to be.
const (
	asManager  = "KS_SCALE_TEST_MANAGER"
	asSaboteur = "saboteur"
)

func TestMain(m *testing.M) {
	catalog := controllers.Catalog()

	var ballast []byte

	switch os.Getenv(asManager) {
	case "":
		os.Exit(m.Run())
	case asSaboteur:
		catalog = sabotaged(catalog)
		ballast = bytes.Repeat([]byte{1}, 250<<20)
	}

	code := app.Main("ks-controller-manager", "test", catalog, os.Args[1:])

	runtime.KeepAlive(ballast)
	os.Exit(code)
}

// own is this program as a manager.
func own(t *testing.T, role string) scale.Program {
	t.Helper()

	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}

	return scale.Program{Path: path, Env: []string{asManager + "=" + role}}
}

// sabotaged is the catalogue with a controller that asks the API server for what it has in its cache, and writes each
// object once after each start.
func sabotaged(catalog manager.Catalog) manager.Catalog {
	for i := range catalog {
		if catalog[i].Name != "workspacetemplate" && catalog[i].Name != "workspace-template" {
			continue
		}

		construct := catalog[i].New
		catalog[i].New = func(dependencies manager.Dependencies) (*manager.Controller, error) {
			controller, err := construct(dependencies)
			if err == nil {
				controller.Reconciler = &saboteur{Reconciler: controller.Reconciler, dependencies: dependencies}
			}

			return controller, err
		}
	}

	return catalog
}

type saboteur struct {
	reconcile.Reconciler

	dependencies manager.Dependencies
}

// Reconcile reads and spoils what it is to look at.
func (s *saboteur) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	template := &tenantv1beta1.WorkspaceTemplate{}
	_ = s.dependencies.Live.Get(ctx, request.NamespacedName, template) // it may be refused: asking is enough

	if err := s.dependencies.Client.Get(ctx, request.NamespacedName, template); err != nil {
		return reconcile.Result{}, fmt.Errorf("sabotage: %w", err)
	}

	spoilt := strconv.Itoa(os.Getpid())
	if template.Annotations["spoilt"] != spoilt {
		patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"spoilt":%q}}}`, spoilt)

		err := s.dependencies.Client.Patch(ctx, template.DeepCopy(), client.RawPatch(types.MergePatchType, patch))
		if err != nil {
			return reconcile.Result{}, fmt.Errorf("sabotage: %w", err)
		}
	}

	return s.Reconciler.Reconcile(ctx, request)
}
