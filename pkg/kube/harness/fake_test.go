package harness_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
)

// fakeServer returns an empty server in memory that indexes widgets by source.
func fakeServer(t *testing.T) client.WithWatch {
	t.Helper()

	s := subject(t, func(*honest) {})
	s.Indexes = []harness.Index{{Object: &widget{}, Field: "source", Extract: func(obj client.Object) []string {
		w, isWidget := obj.(*widget)
		if !isWidget {
			return nil
		}

		return []string{w.Spec.Source}
	}}}

	c, err := harness.Fake().Open(t.Context(), s)
	if err != nil {
		t.Fatalf("starting a server: %v", err)
	}

	return c
}

func created(t *testing.T, c client.Client, obj client.Object) {
	t.Helper()

	if err := c.Create(t.Context(), obj); err != nil {
		t.Fatalf("creating: %v", err)
	}
}

func TestFakeGivesMetadata(t *testing.T) {
	t.Parallel()

	c := fakeServer(t)
	w, source := object("a"), sourceMap()
	w.Status.Conditions = []metav1.Condition{{Type: "Ignored"}}

	created(t, c, w)
	created(t, c, source)

	if w.UID == "" || w.UID == source.UID || w.CreationTimestamp.IsZero() || w.Status.Conditions != nil {
		t.Errorf("the widget is %+v", w)
	}

	if w.Generation != 1 || source.Generation != 0 {
		t.Errorf("generations are %d and %d; want 1 and 0", w.Generation, source.Generation)
	}
}

func TestFakeCountsChangesOfTheSpec(t *testing.T) {
	t.Parallel()

	steps := []struct {
		name string
		do   func(c client.Client, w *widget) error
		want int64
	}{
		{"label", func(c client.Client, w *widget) error {
			w.Labels = map[string]string{"a": "b"}

			return c.Update(t.Context(), w)
		}, 1},
		{"spec", func(c client.Client, w *widget) error {
			w.Spec.Size = 2

			return c.Update(t.Context(), w)
		}, 2},
		{"patch", func(c client.Client, w *widget) error {
			return c.Patch(t.Context(), w, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"size":3}}`)))
		}, 3},
		{"status through the object", func(c client.Client, w *widget) error {
			w.Status.Conditions = []metav1.Condition{{Type: "Ignored"}}

			return c.Update(t.Context(), w)
		}, 3},
		{"status", func(c client.Client, w *widget) error {
			w.Status.Conditions = []metav1.Condition{{Type: "Kept"}}
			w.Spec.Size = 9

			return c.Status().Update(t.Context(), w)
		}, 3},
	}

	c := fakeServer(t)
	w := object("a")
	created(t, c, w)

	for _, step := range steps {
		if err := step.do(c, w); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}

		if w.Generation != step.want {
			t.Errorf("%s: the generation is %d; want %d", step.name, w.Generation, step.want)
		}
	}

	if w.Spec.Size != 3 || len(w.Status.Conditions) != 1 || w.Status.Conditions[0].Type != "Kept" {
		t.Errorf("the widget is %+v", w)
	}
}

func TestFakeKeepsUnknownFields(t *testing.T) {
	t.Parallel()

	c := fakeServer(t)
	stored := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": "a", "namespace": "default"},
		"spec":     map[string]any{"unknown": "kept"},
	}}
	stored.SetGroupVersionKind(schema.GroupVersionKind{Group: "test.kubesphere.io", Version: "v1", Kind: "Widget"})
	created(t, c, stored)

	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"size":3}}`))
	if err := c.Patch(t.Context(), object("a"), patch); err != nil {
		t.Fatalf("patching: %v", err)
	}

	if err := c.Get(t.Context(), client.ObjectKeyFromObject(stored), stored); err != nil {
		t.Fatalf("reading: %v", err)
	}

	want := map[string]any{"unknown": "kept", "size": int64(3)}
	if diff := cmp.Diff(want, stored.Object["spec"]); diff != "" {
		t.Errorf("the spec (-want +got):\n%s", diff)
	}
}

func TestFakeHoldsDeletionsToTheUID(t *testing.T) {
	t.Parallel()

	c := fakeServer(t)
	source := sourceMap()
	created(t, c, source)

	other := types.UID("other")
	if err := c.Delete(t.Context(), source, client.Preconditions{UID: &other}); !apierrors.IsConflict(err) {
		t.Errorf("deleting another = %v; want a conflict", err)
	}

	if err := c.Delete(t.Context(), source, client.Preconditions{UID: &source.UID}); err != nil {
		t.Errorf("deleting = %v", err)
	}

	if err := c.Delete(t.Context(), source); !apierrors.IsNotFound(err) {
		t.Errorf("deleting again = %v; want not found", err)
	}
}

func TestFakeAnswersFromIndexes(t *testing.T) {
	t.Parallel()

	c := fakeServer(t)
	elsewhere := object("b")
	elsewhere.Spec.Source = "elsewhere"

	created(t, c, object("a"))
	created(t, c, elsewhere)

	var found widgetList
	if err := c.List(t.Context(), &found, client.MatchingFields{"source": "elsewhere"}); err != nil {
		t.Fatalf("listing: %v", err)
	}

	names := []string{}
	for i := range found.Items {
		names = append(names, found.Items[i].Name)
	}

	if diff := cmp.Diff([]string{"b"}, names); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}

	if err := c.List(t.Context(), &found, client.MatchingFields{"size": "1"}); err == nil {
		t.Error("an index that is not there answers")
	}
}

// TestFakeMergesLists shows what the schema of a kind is good for: built-in kinds
// have one, and share lists item by item; others replace them.
func TestFakeMergesLists(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		intent func(finalizer string) runtime.ApplyConfiguration
		stored client.Object
		want   []string
	}{
		"built-in kind": {
			func(finalizer string) runtime.ApplyConfiguration {
				return corev1ac.ConfigMap("a", "default").WithFinalizers(finalizer)
			},
			&corev1.ConfigMap{},
			[]string{"one/one", "two/two"},
		},
		"other kind": {
			func(finalizer string) runtime.ApplyConfiguration {
				w := &unstructured.Unstructured{}
				w.SetAPIVersion("test.kubesphere.io/v1")
				w.SetKind("Widget")
				w.SetNamespace("default")
				w.SetName("a")
				w.SetFinalizers([]string{finalizer})

				return client.ApplyConfigurationFromUnstructured(w)
			},
			&widget{},
			[]string{"two/two"},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			c := fakeServer(t)

			for _, who := range []string{"one", "two"} {
				err := c.Apply(t.Context(), tc.intent(who+"/"+who), client.FieldOwner(who), client.ForceOwnership)
				if err != nil {
					t.Fatalf("applying: %v", err)
				}
			}

			if err := c.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "a"}, tc.stored); err != nil {
				t.Fatalf("reading: %v", err)
			}

			got := slices.Sorted(slices.Values(tc.stored.GetFinalizers()))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("finalizers (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFakeRecordsTheIntent holds the record of owned fields to what was applied:
// no zero value of the Go type is added, none that was given is lost.
func TestFakeRecordsTheIntent(t *testing.T) {
	t.Parallel()

	c := fakeServer(t)
	intent := corev1ac.Namespace("a").WithLabels(map[string]string{"a": ""})

	for range 2 { // Making it and changing it are two ways through the fake client.
		if err := c.Apply(t.Context(), intent, client.FieldOwner("us"), client.ForceOwnership); err != nil {
			t.Fatalf("applying: %v", err)
		}

		intent = corev1ac.Namespace("a").WithLabels(map[string]string{"a": "", "b": ""})
	}

	var namespace corev1.Namespace
	if err := c.Get(t.Context(), client.ObjectKey{Name: "a"}, &namespace); err != nil {
		t.Fatalf("reading: %v", err)
	}

	if len(namespace.ManagedFields) != 1 {
		t.Fatalf("there are %d records; want one", len(namespace.ManagedFields))
	}

	var got any
	if err := json.Unmarshal(namespace.ManagedFields[0].FieldsV1.GetRawBytes(), &got); err != nil {
		t.Fatalf("decoding the record: %v", err)
	}

	leaf := map[string]any{}
	want := map[string]any{
		"f:metadata": map[string]any{"f:labels": map[string]any{"f:a": leaf, "f:b": leaf}},
	}

	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Errorf("the record (-want +got):\n%s", diff)
	}
}
