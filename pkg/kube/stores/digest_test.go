package stores_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
)

// colours keeps the colour of each ConfigMap, and panics over black.
func (w *world) colours() stores.Spec {
	return stores.Spec{
		Kind: configMapKind(), Resource: "configmaps", Depth: stores.Digested, Namespace: w.namespace,
		Digest: stores.Digest{Name: "colour", Of: func(object client.Object) string {
			// The whole object is there, in its type.
			colour := object.(*corev1.ConfigMap).Labels["colour"]
			if colour == "black" {
				panic("no such colour") //nolint:forbidigo // the point of the test
			}

			return colour
		}},
	}
}

func colour(name string) map[string]string { return map[string]string{"colour": name} }

func TestDigestsFollowContent(t *testing.T) {
	w := newWorld(t)
	changing := w.configMap(t, "changing", colour("red"))
	plain := w.configMap(t, "plain", nil)
	view := w.filled(t, stores.User{Name: "user"}, w.colours())

	digests, err := view.Digests(configMapKind())
	if err != nil {
		t.Fatal(err)
	}

	told := newRecorder()
	start(t, view.Source(metadataOf(configMapKind()), told), nil)
	told.want(t, "initial changing")

	change := func(object *corev1.ConfigMap, labels map[string]string) {
		t.Helper()

		object.Labels = labels
		if err := w.admin.Update(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}

	change(changing, map[string]string{"colour": "red", "other": "thing"}) // tells nobody anything
	change(changing, colour("green"))
	told.want(t, "update changing")

	change(plain, colour("white"))
	told.want(t, "create plain")

	if diff := cmp.Diff(map[string]string{"changing": "green", "plain": "white"},
		digests.InNamespace(w.namespace)); diff != "" {
		t.Errorf("digests (-want +got):\n%s", diff)
	}

	if digest, found := digests.Version(w.key("plain")); !found || digest != "white" {
		t.Errorf("digest of plain: %q, %t", digest, found)
	}

	change(changing, nil)
	told.want(t, "delete changing")

	if digest, found := digests.Version(w.key("changing")); found {
		t.Errorf("changing is kept as %q", digest)
	}
}

func TestDigestThatPanicsKeepsTheVersion(t *testing.T) {
	w := newWorld(t)
	black := w.configMap(t, "black", colour("black"))

	told := make(chan string, 10)
	view := w.filled(t, stores.User{Name: "user", OnPanic: func(where string, _ any) { told <- where }}, w.colours())

	if where := <-told; where != "digest colour" {
		t.Errorf("told of %q, want the name of the digest", where)
	}

	digests, err := view.Digests(configMapKind())
	if err != nil {
		t.Fatal(err)
	}

	if kept := digests.InNamespace(w.namespace)["black"]; kept != black.ResourceVersion {
		t.Errorf("kept %q, want version %s", kept, black.ResourceVersion)
	}
}

// Where the metadata will do, nothing else is asked for.
func TestDigestOfMetadataSeesNothingElse(t *testing.T) {
	w := newWorld(t)
	w.configMap(t, "there", nil)

	view := w.filled(t, stores.User{Name: "user"}, stores.Spec{
		Kind: configMapKind(), Resource: "configmaps", Depth: stores.Digested, Namespace: w.namespace,
		Digest: stores.Digest{Name: "type", Metadata: true, Of: func(object client.Object) string {
			return fmt.Sprintf("%T", object)
		}},
	})

	digests, err := view.Digests(configMapKind())
	if err != nil {
		t.Fatal(err)
	}

	if got, want := digests.InNamespace(w.namespace)["there"], "*v1.PartialObjectMetadata"; got != want {
		t.Errorf("the digest was given a %q, want %q", got, want)
	}
}
