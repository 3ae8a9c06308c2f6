package kube_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

func entry(manager string, operation metav1.ManagedFieldsOperationType, subresource string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{Manager: manager, Operation: operation, Subresource: subresource}
}

func TestTransformOwned(t *testing.T) {
	t.Parallel()

	ours := entry("ks-controller-manager/workspace", metav1.ManagedFieldsOperationApply, "")
	also := entry("ks-controller-manager/another", metav1.ManagedFieldsOperationApply, "")

	cases := map[string]struct{ entries, want []metav1.ManagedFieldsEntry }{
		"none":               {nil, nil},
		"ours":               {[]metav1.ManagedFieldsEntry{ours, also}, []metav1.ManagedFieldsEntry{ours, also}},
		"updated":            {[]metav1.ManagedFieldsEntry{entry(ours.Manager, metav1.ManagedFieldsOperationUpdate, "")}, nil},
		"a status":           {[]metav1.ManagedFieldsEntry{entry(ours.Manager, metav1.ManagedFieldsOperationApply, "status")}, nil},
		"somebody else's":    {[]metav1.ManagedFieldsEntry{entry("kubectl", metav1.ManagedFieldsOperationApply, ""), ours}, []metav1.ManagedFieldsEntry{ours}},
		"a name like ours":   {[]metav1.ManagedFieldsEntry{entry("ks-controller-manager", metav1.ManagedFieldsOperationApply, "")}, nil},
		"a prefix like ours": {[]metav1.ManagedFieldsEntry{entry("ks-controller-managers/x", metav1.ManagedFieldsOperationApply, "")}, nil},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			obj := &corev1.ConfigMap{Data: map[string]string{"a": "b"}}
			obj.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: "{}"}
			obj.ManagedFields = tc.entries

			want := obj.DeepCopy()
			want.ManagedFields = tc.want

			got, err := kube.TransformOwned()(obj)
			if err != nil {
				t.Fatalf("TransformOwned = %v", err)
			}

			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("object (-want +got):\n%s", diff)
			}

			again, err := kube.TransformOwned()(obj) // Caches transform what they have transformed.
			if err != nil {
				t.Fatalf("TransformOwned again = %v", err)
			}

			if diff := cmp.Diff(want, again); diff != "" {
				t.Errorf("object, again (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTransformMetadata(t *testing.T) {
	t.Parallel()

	annotations := map[string]string{corev1.LastAppliedConfigAnnotation: "{}", "keep": "me"}
	obj := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Name: "a", Labels: map[string]string{"b": "c"}, Annotations: annotations,
		ManagedFields: []metav1.ManagedFieldsEntry{entry("kubectl", metav1.ManagedFieldsOperationApply, "")},
	}}
	want := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Name: "a", Labels: map[string]string{"b": "c"}, Annotations: map[string]string{"keep": "me"},
	}}

	for _, round := range []string{"once", "twice"} {
		got, err := kube.TransformMetadata()(obj)
		if err != nil {
			t.Fatalf("TransformMetadata %s = %v", round, err)
		}

		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("object, %s (-want +got):\n%s", round, diff)
		}
	}

	if len(annotations) != 2 {
		t.Errorf("the annotations of the caller have changed: %v", annotations)
	}
}

func TestTransformsPassWhatIsNoObject(t *testing.T) {
	t.Parallel()

	tombstone := toolscache.DeletedFinalStateUnknown{Key: "a", Obj: &corev1.ConfigMap{}}

	for _, transform := range []toolscache.TransformFunc{kube.TransformOwned(), kube.TransformMetadata()} {
		for _, obj := range []any{tombstone, nil, "text", 7} {
			got, err := transform(obj)
			if err != nil {
				t.Errorf("transforming %v: %v", obj, err)
			}

			if diff := cmp.Diff(obj, got); diff != "" {
				t.Errorf("object (-want +got):\n%s", diff)
			}
		}
	}
}
