package kube_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

func TestDelete(t *testing.T) {
	t.Parallel()

	uid := types.UID("1234")
	orphan := metav1.DeletePropagationOrphan
	group := schema.GroupResource{Resource: "workspaces"}
	missing := error(apierrors.NewNotFound(group, "a"))
	conflict := error(apierrors.NewConflict(group, "a", errors.New("another UID")))

	known := workspace(func(w *tenantv1beta1.Workspace) { w.UID = uid })
	nameless := workspace(func(*tenantv1beta1.Workspace) {})
	leaving := workspace(func(w *tenantv1beta1.Workspace) {
		w.UID, w.DeletionTimestamp = uid, &metav1.Time{Time: noon()}
	})

	guarded := []client.DeleteOptions{{Preconditions: &metav1.Preconditions{UID: &uid}}}
	orphaning := []client.DeleteOptions{{Preconditions: guarded[0].Preconditions, PropagationPolicy: &orphan}}
	unguarded := []client.DeleteOptions{{Preconditions: &metav1.Preconditions{}}}

	cases := map[string]struct {
		obj     *tenantv1beta1.Workspace
		options []client.DeleteOption
		fails   error
		sent    []client.DeleteOptions
		changed bool
		want    error
	}{
		"there":                  {known, nil, nil, guarded, true, nil},
		"with options":           {known, []client.DeleteOption{client.PropagationPolicy(orphan)}, nil, orphaning, true, nil},
		"by name only":           {nameless, nil, nil, unguarded, true, nil},
		"on its way out":         {leaving, nil, nil, nil, false, nil},
		"gone":                   {known, nil, missing, guarded, false, nil},
		"somebody else's by now": {known, nil, conflict, guarded, false, conflict},
		"offline":                {known, nil, errOffline, guarded, false, errOffline},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			c, sent := workspaces(t, workspace(func(*tenantv1beta1.Workspace) {}))
			sent.fails = tc.fails

			changed, err := kube.Delete(t.Context(), c, tc.obj.DeepCopy(), tc.options...)
			if changed != tc.changed || !errors.Is(err, tc.want) {
				t.Errorf("Delete = %v, %v; want %v, %v", changed, err, tc.changed, tc.want)
			}

			if diff := cmp.Diff(tc.sent, sent.deletes); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
}
