package definitions

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// metadata returns the metadata of a definition, with more of it than is used.
func metadata(name, revision string) *metav1.PartialObjectMetadata {
	object := Reference(name)
	object.SetUID("uid")
	object.SetGeneration(3)
	object.SetResourceVersion("7")
	object.SetLabels(map[string]string{"app": "x"})
	object.SetFinalizers([]string{"customresourcecleanup.apiextensions.k8s.io"})
	object.SetOwnerReferences([]metav1.OwnerReference{{Name: "owner"}})
	object.SetAnnotations(map[string]string{"controller-gen.kubebuilder.io/version": "v0"})

	if revision != "" {
		object.Annotations[RevisionAnnotation] = revision
	}

	return object
}

func TestTrimKeepsWhatIsUsed(t *testing.T) {
	t.Parallel()

	now := metav1.NewTime(time.Unix(0, 0))

	for _, revision := range []string{"", "4"} {
		object := metadata("things.example.com", revision)
		object.DeletionTimestamp = &now
		before := fromMetadata(object)

		trim(object)

		want := Reference("things.example.com")
		want.SetUID("uid")
		want.SetGeneration(3)
		want.SetResourceVersion("7")
		want.DeletionTimestamp = &now

		if revision != "" {
			want.Annotations = map[string]string{RevisionAnnotation: revision}
		}

		if len(object.Annotations) == 0 {
			object.Annotations = nil
		}

		if diff := cmp.Diff(want, object); diff != "" {
			t.Errorf("kept (-want +got):\n%s", diff)
		}

		if diff := cmp.Diff(before, fromMetadata(object)); diff != "" {
			t.Errorf("told of it (-before +after):\n%s", diff)
		}
	}
}

func TestDefinitionOfMetadata(t *testing.T) {
	t.Parallel()

	for text, revision := range map[string]int{"": 0, "4": 4, "0": 0, "four": 0} {
		want := &Definition{Name: "things.example.com", UID: "uid", Generation: 3, Revision: revision}
		if diff := cmp.Diff(want, fromMetadata(metadata("things.example.com", text))); diff != "" {
			t.Errorf("revision %q (-want +got):\n%s", text, diff)
		}
	}
}

// oneDefinition is an API server with a definition, or with an error.
type oneDefinition struct {
	client.Reader

	object *metav1.PartialObjectMetadata
	err    error
}

func (o oneDefinition) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if o.err != nil {
		return o.err
	}

	asked := into.(*metav1.PartialObjectMetadata)
	if o.object == nil || key.Name != o.object.Name || asked.GroupVersionKind() != o.object.GroupVersionKind() {
		return apierrors.NewNotFound(schema.GroupResource{Resource: Resource}, key.Name)
	}

	o.object.DeepCopyInto(asked)

	return nil
}

func TestGoing(t *testing.T) {
	t.Parallel()

	now := metav1.Now()
	terminating := metadata("things.example.com", "")
	terminating.DeletionTimestamp = &now
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: Resource}, "", errors.New("no"))

	tests := map[string]struct {
		live oneDefinition
		want bool
		err  error
	}{
		"there":       {oneDefinition{object: metadata("things.example.com", "")}, false, nil},
		"terminating": {oneDefinition{object: terminating}, true, nil},
		"gone":        {oneDefinition{}, true, nil},
		"forbidden":   {oneDefinition{err: forbidden}, false, forbidden},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			going, err := Going(t.Context(), test.live, schema.GroupResource{Group: "example.com", Resource: "things"})
			if going != test.want || !errors.Is(err, test.err) {
				t.Errorf("Going = %t, %v", going, err)
			}
		})
	}
}
