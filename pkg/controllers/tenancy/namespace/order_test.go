package namespace_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

// noBindings is an API server that refuses native bindings.
type noBindings struct{ client.Client }

var errNoBindings = errors.New("no bindings today")

func (c noBindings) Apply(ctx context.Context, wanted runtime.ApplyConfiguration, options ...client.ApplyOption) error {
	var meta metav1.TypeMeta

	raw, err := json.Marshal(wanted)
	if err := errors.Join(err, json.Unmarshal(raw, &meta)); err != nil {
		return err
	}

	if meta.Kind == "RoleBinding" {
		return errNoBindings
	}

	return c.Client.Apply(ctx, wanted, options...)
}

// Somebody waits for a binding and nobody for a role: of two that have drifted the binding is written in the first run
// and the role in the second. A role never waits for a binding that cannot be written.
func TestRolesWaitForBindings(t *testing.T) {
	for name, refused := range map[string]bool{"written": false, "refused": true} {
		t.Run(name, func(t *testing.T) {
			scheme := newScheme(t)

			backend, err := harness.Fake().Open(t.Context(), subject(t))
			if err != nil {
				t.Fatal(err)
			}

			for _, object := range append(roles(),
				&tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "ws"}}, inWorkspace("member")) {
				if err := backend.Create(t.Context(), object); err != nil {
					t.Fatal(err)
				}
			}

			run := func(c client.Client) error {
				_, err := build(t, scheme, harness.Environment{Client: c}).Reconciler.Reconcile(t.Context(),
					reconcile.Request{NamespacedName: client.ObjectKey{Name: "member"}})

				return err
			}

			for range 2 {
				if err := run(backend); err != nil {
					t.Fatal(err)
				}
			}

			for _, drift := range drifts() {
				if err := drift.Make(t.Context(), backend); err != nil {
					t.Fatal(err)
				}
			}

			through := client.Client(backend)
			if refused {
				through = noBindings{backend}
			}

			if err := run(through); errors.Is(err, errNoBindings) != refused {
				t.Errorf("the run ended with %v", err)
			}

			if got := bindingOf(t, backend) == "bob"; got == refused {
				t.Errorf("the binding is repaired: %t, want %t", got, !refused)
			}

			if got := isRoleRepaired(t, backend); got != refused {
				t.Errorf("the role is repaired in the first run: %t, want %t", got, refused)
			}

			if err := run(backend); err != nil {
				t.Error(err)
			}

			if !isRoleRepaired(t, backend) {
				t.Error("the role is not repaired in the second run")
			}
		})
	}
}

func bindingOf(t *testing.T, reader client.Reader) string {
	t.Helper()

	binding := &rbacv1.RoleBinding{}
	key := client.ObjectKey{Namespace: "member", Name: access.WorkspaceRoleName("ws-viewer")}

	if err := reader.Get(t.Context(), key, binding); err != nil {
		t.Fatal(err)
	}

	return binding.Subjects[0].Name
}

func isRoleRepaired(t *testing.T, reader client.Reader) bool {
	t.Helper()

	role := &rbacv1.Role{}
	key := client.ObjectKey{Namespace: "member", Name: access.NativeRoleName("viewer")}

	if err := reader.Get(t.Context(), key, role); err != nil {
		t.Fatal(err)
	}

	return len(role.Rules) == 0 || role.Rules[0].Resources[0] != "*"
}
