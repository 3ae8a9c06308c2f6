package kube_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

func TestFinalizers(t *testing.T) {
	t.Parallel()

	add := func(t *testing.T, c client.Client, w *tenantv1beta1.Workspace) (bool, error) {
		t.Helper()

		return kube.AddFinalizer(t.Context(), c, w, "ours/a")
	}
	remove := func(t *testing.T, c client.Client, w *tenantv1beta1.Workspace) (bool, error) {
		t.Helper()

		return kube.RemoveFinalizers(t.Context(), c, w, "ours/a", "ours/b")
	}

	cases := map[string]struct {
		do       func(*testing.T, client.Client, *tenantv1beta1.Workspace) (bool, error)
		have     []string
		deleting bool
		want     []string
		changed  bool
	}{
		"add the first":          {add, nil, false, []string{"ours/a"}, true},
		"add behind another":     {add, []string{"their/x"}, false, []string{"their/x", "ours/a"}, true},
		"add again":              {add, []string{"ours/a"}, false, []string{"ours/a"}, false},
		"add while deleting":     {add, []string{"their/x"}, true, []string{"their/x"}, false},
		"remove the only one":    {remove, []string{"ours/a"}, false, nil, true},
		"remove between others":  {remove, []string{"their/x", "ours/a", "their/y"}, false, []string{"their/x", "their/y"}, true},
		"remove all of ours":     {remove, []string{"ours/b", "their/x", "ours/a"}, true, []string{"their/x"}, true},
		"remove what is not":     {remove, []string{"their/x"}, false, []string{"their/x"}, false},
		"remove from none":       {remove, nil, false, nil, false},
		"remove, others waiting": {remove, []string{"their/x"}, true, []string{"their/x"}, false},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			c, sent := workspaces(t, workspace(func(w *tenantv1beta1.Workspace) {
				w.Finalizers = tc.have

				if tc.deleting {
					w.DeletionTimestamp = &metav1.Time{Time: noon()}
				}
			}))

			obj := stored(t, c)
			shared := append([]string(nil), obj.Finalizers...)
			cached := obj.DeepCopy()

			changed, err := tc.do(t, c, obj)
			if err != nil || changed != tc.changed || changed != (len(sent.patches) == 1) {
				t.Fatalf("= %v, %v after %v; want %v, nil", changed, err, sent.patches, tc.changed)
			}

			got := stored(t, c)
			if diff := cmp.Diff(tc.want, got.Finalizers, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("finalizers (-want +got):\n%s", diff)
			}

			if diff := cmp.Diff(got, obj); diff != "" {
				t.Errorf("the object is not the answer (-stored +got):\n%s", diff)
			}

			if diff := cmp.Diff(shared, cached.Finalizers, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("a shared slice has changed (-want +got):\n%s", diff)
			}
		})
	}
}

// The patch holds nothing but the finalizers, so no field is lost that the Go
// type does not know, and it is bound to what was read.
func TestFinalizerPatch(t *testing.T) {
	t.Parallel()

	c, sent := workspaces(t, workspace(func(w *tenantv1beta1.Workspace) { w.Finalizers = []string{"their/x"} }))

	obj := stored(t, c)
	version := obj.ResourceVersion
	obj.Labels = map[string]string{"not": "sent"}

	if _, err := kube.AddFinalizer(t.Context(), c, obj, "ours/a"); err != nil {
		t.Fatalf("AddFinalizer = %v", err)
	}

	sent.isMerge(t, `{"metadata":{"resourceVersion":"`+version+`","finalizers":["their/x","ours/a"]}}`)
}

func TestFinalizersOfAnOldVersionAreAConflict(t *testing.T) {
	t.Parallel()

	c, _ := workspaces(t, workspace(func(w *tenantv1beta1.Workspace) { w.Finalizers = []string{"ours/a"} }))
	old := stored(t, c)

	newer := old.DeepCopy()
	newer.Finalizers = append(newer.Finalizers, "their/x")

	if err := c.Update(t.Context(), newer); err != nil {
		t.Fatalf("changing the workspace: %v", err)
	}

	changed, err := kube.AddFinalizer(t.Context(), c, old.DeepCopy(), "ours/b")
	if changed || !apierrors.IsConflict(err) {
		t.Errorf("AddFinalizer = %v, %v; want false and a conflict", changed, err)
	}

	changed, err = kube.RemoveFinalizers(t.Context(), c, old.DeepCopy(), "ours/a")
	if changed || !apierrors.IsConflict(err) {
		t.Errorf("RemoveFinalizers = %v, %v; want false and a conflict", changed, err)
	}
}

func TestFinalizersOfWhatIsGone(t *testing.T) {
	t.Parallel()

	missing := error(apierrors.NewNotFound(schema.GroupResource{Resource: "workspaces"}, "a"))
	cases := map[string]struct{ fails, added, removed error }{
		"gone":    {missing, missing, nil},
		"offline": {errOffline, errOffline, errOffline},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			c, sent := workspaces(t)
			sent.fails = tc.fails
			obj := workspace(func(w *tenantv1beta1.Workspace) { w.Finalizers = []string{"ours/a"} })

			if changed, err := kube.AddFinalizer(t.Context(), c, obj, "ours/b"); changed || !errors.Is(err, tc.added) {
				t.Errorf("AddFinalizer = %v, %v; want false, %v", changed, err, tc.added)
			}

			changed, err := kube.RemoveFinalizers(t.Context(), c, obj, "ours/a")
			if changed || !errors.Is(err, tc.removed) {
				t.Errorf("RemoveFinalizers = %v, %v; want false, %v", changed, err, tc.removed)
			}
		})
	}
}
