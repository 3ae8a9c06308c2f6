package kube_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

func TestPatchStatusSendsTheStatusOnly(t *testing.T) {
	t.Parallel()

	two := int32(2)

	cases := map[string]struct {
		change func(*tenantv1beta1.Workspace)
		want   string // What is sent as the status; empty for no call.
	}{
		"nothing":            {func(*tenantv1beta1.Workspace) {}, ""},
		"spec only":          {func(w *tenantv1beta1.Workspace) { w.Spec.Manager = "jane" }, ""},
		"metadata only":      {func(w *tenantv1beta1.Workspace) { w.Labels = map[string]string{"a": "b"} }, ""},
		"nil to empty":       {func(w *tenantv1beta1.Workspace) { w.Status.Conditions = []metav1.Condition{} }, ""},
		"a field":            {func(w *tenantv1beta1.Workspace) { w.Status.NamespaceCount = &two }, `{"namespaceCount":2}`},
		"a field dropped":    {func(w *tenantv1beta1.Workspace) { w.Status.ObservedGeneration = 0 }, `{"observedGeneration":null}`},
		"status beside spec": {func(w *tenantv1beta1.Workspace) { w.Spec.Manager, w.Status.ObservedGeneration = "jane", 8 }, `{"observedGeneration":8}`},
		"a list, as a whole": {func(w *tenantv1beta1.Workspace) { w.Status.Conditions = conditions() }, `{"conditions":[` + conditionJSON + `]}`},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			c, sent := workspaces(t, workspace(func(w *tenantv1beta1.Workspace) { w.Status.ObservedGeneration = 7 }))
			before := stored(t, c)
			after := before.DeepCopy()
			tc.change(after)

			changed, err := kube.PatchStatus(t.Context(), c, before, after)
			if err != nil || changed != (tc.want != "") {
				t.Fatalf("PatchStatus = %v, %v; want %v, nil", changed, err, tc.want != "")
			}

			if tc.want == "" {
				if len(sent.patches) > 0 {
					t.Errorf("sent %v; want nothing", sent.patches)
				}

				return
			}

			version := before.ResourceVersion
			body, isMerge := strings.CutPrefix(sent.patches[0], "status application/merge-patch+json ")

			if len(sent.patches) != 1 || !isMerge {
				t.Fatalf("sent %v; want one merge patch of the status", sent.patches)
			}

			sameJSON(t, `{"metadata":{"resourceVersion":"`+version+`"},"status":`+tc.want+`}`, body)

			if diff := cmp.Diff(stored(t, c), after); diff != "" {
				t.Errorf("after is not the answer (-stored +after):\n%s", diff)
			}
		})
	}
}

const conditionJSON = `{"type":"Ready","status":"True","reason":"Ready","message":"",` +
	`"lastTransitionTime":"2030-01-01T12:00:00Z"}`

func conditions() []metav1.Condition {
	return []metav1.Condition{{
		Type: kube.ConditionReady, Status: metav1.ConditionTrue, Reason: "Ready",
		LastTransitionTime: metav1.NewTime(noon()),
	}}
}

// What somebody else has reported meanwhile must not be lost.
func TestPatchStatusOfAnOldVersionIsAConflict(t *testing.T) {
	t.Parallel()

	c, _ := workspaces(t, workspace(func(*tenantv1beta1.Workspace) {}))
	old := stored(t, c)

	for generation, wantConflict := range []bool{false, true} {
		after := old.DeepCopy()
		after.Status.ObservedGeneration = int64(generation + 1)

		changed, err := kube.PatchStatus(t.Context(), c, old, after)
		if apierrors.IsConflict(err) != wantConflict || changed == wantConflict {
			t.Errorf("PatchStatus %d = %v, %v; want conflict: %v", generation, changed, err, wantConflict)
		}
	}
}

func TestPatchStatusErrors(t *testing.T) {
	t.Parallel()

	missing := error(apierrors.NewNotFound(schema.GroupResource{Resource: "workspaces"}, "a"))

	cases := map[string]struct {
		deleting bool
		fails    error
		want     error
	}{
		"vanished while being deleted": {true, missing, nil},
		"vanished out of the blue":     {false, missing, missing},
		"other":                        {false, errOffline, errOffline},
		"other while being deleted":    {true, errOffline, errOffline},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			c, sent := workspaces(t)
			sent.fails = tc.fails

			before := workspace(func(w *tenantv1beta1.Workspace) {
				if tc.deleting {
					w.DeletionTimestamp = &metav1.Time{Time: noon()}
				}
			})
			after := before.DeepCopy()
			after.Status.ObservedGeneration = 1

			changed, err := kube.PatchStatus(t.Context(), c, before, after)
			if changed || !errors.Is(err, tc.want) {
				t.Errorf("PatchStatus = %v, %v; want false, %v", changed, err, tc.want)
			}
		})
	}
}

var errOffline = errors.New("no route to host")

// Reporting the same twice writes once: the promise every controller leans on.
func TestTheSameReportIsWrittenOnce(t *testing.T) {
	t.Parallel()

	c, sent := workspaces(t, workspace(func(*tenantv1beta1.Workspace) {}))

	for run, want := range []bool{true, false, false} {
		before := stored(t, c)
		after := before.DeepCopy()
		kube.Report{State: kube.StateReady}.SetConditions(&after.Status.Conditions, 1, noon().AddDate(0, 0, run))

		if changed, err := kube.PatchStatus(t.Context(), c, before, after); err != nil || changed != want {
			t.Errorf("PatchStatus in run %d = %v, %v; want %v, nil", run, changed, err, want)
		}
	}

	if len(sent.patches) != 1 {
		t.Errorf("sent %v; want one patch", sent.patches)
	}
}
