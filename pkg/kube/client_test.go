package kube_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
)

// wire is what a client has sent, and how it is to be answered.
type wire struct {
	patches []string
	deletes []client.DeleteOptions
	// fails is the answer to every call, if there is one.
	fails error
}

func (w *wire) patch(t *testing.T, where string, obj client.Object, patch client.Patch) {
	t.Helper()

	data, err := patch.Data(obj)
	if err != nil {
		t.Fatalf("reading the patch: %v", err)
	}

	w.patches = append(w.patches, where+string(patch.Type())+" "+string(data))
}

// workspaces returns a client to a server with objects, and what went over the
// wire to it.
func workspaces(t *testing.T, objects ...client.Object) (client.Client, *wire) {
	t.Helper()

	scheme := runtime.NewScheme()
	if err := tenantv1beta1.AddToScheme(scheme); err != nil {
		t.Fatalf("building the scheme: %v", err)
	}

	w := &wire{}
	builder := fake.NewClientBuilder().WithScheme(scheme).
		WithStatusSubresource(&tenantv1beta1.Workspace{}).WithObjects(objects...)

	return builder.WithInterceptorFuncs(interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch,
			opts ...client.PatchOption,
		) error {
			w.patch(t, "", obj, patch)

			if w.fails != nil {
				return w.fails
			}

			return c.Patch(ctx, obj, patch, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, name string, obj client.Object,
			patch client.Patch, opts ...client.SubResourcePatchOption,
		) error {
			w.patch(t, name+" ", obj, patch)

			if w.fails != nil {
				return w.fails
			}

			return c.SubResource(name).Patch(ctx, obj, patch, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			w.deletes = append(w.deletes, *(&client.DeleteOptions{}).ApplyOptions(opts))

			if w.fails != nil {
				return w.fails
			}

			return c.Delete(ctx, obj, opts...)
		},
	}).Build(), w
}

func workspace(change func(*tenantv1beta1.Workspace)) *tenantv1beta1.Workspace {
	w := &tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "a"}}
	change(w)

	return w
}

// stored returns the workspace as the server has it.
func stored(t *testing.T, c client.Client) *tenantv1beta1.Workspace {
	t.Helper()

	w := &tenantv1beta1.Workspace{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: "a"}, w); err != nil {
		t.Fatalf("reading the workspace: %v", err)
	}

	return w
}

// sameJSON compares two documents, less the order of their fields.
func sameJSON(t *testing.T, want, got string) {
	t.Helper()

	var a, b any
	if err := json.Unmarshal([]byte(want), &a); err != nil {
		t.Fatalf("decoding %q: %v", want, err)
	}

	if err := json.Unmarshal([]byte(got), &b); err != nil {
		t.Fatalf("decoding %q: %v", got, err)
	}

	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

// isMerge checks that one merge patch of the object proper was sent.
func (w *wire) isMerge(t *testing.T, want string) {
	t.Helper()

	if len(w.patches) != 1 {
		t.Fatalf("sent %v; want one patch", w.patches)
	}

	body, isMerge := strings.CutPrefix(w.patches[0], "application/merge-patch+json ")
	if !isMerge {
		t.Fatalf("sent %v; want a merge patch", w.patches)
	}

	sameJSON(t, want, body)
}
