// Package conformance holds the promise that objects of KubeSphere 3.4 and 4.1 are accepted unchanged and
// lose no field, whichever served version a client reads and writes them in. Every object in testdata goes
// through every version.
package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/ks-core/ks-controller-manager/test/cluster"
)

const timeout = time.Minute

// shared is the control plane of all tests of this package.
var shared *cluster.Cluster //nolint:gochecknoglobals // set once by TestMain

func TestMain(m *testing.M) {
	os.Exit(cluster.Main(m, cluster.Options{}, func(c *cluster.Cluster) {
		shared = c

		if err := install(); err != nil {
			fmt.Fprintln(os.Stderr, "install the definitions:", err)
			os.Exit(1)
		}
	}))
}

func install() error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()

	_, errApply := shared.Kubectl(ctx, "apply", "--server-side", "-k", "../../config/crd")
	_, errWait := shared.Kubectl(ctx, "wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")

	return errors.Join(errApply, errWait)
}

// versions lists the served versions of each kind.
func versions(kind string) []string {
	return map[string][]string{
		"Workspace":         {"v1alpha1", "v1beta1"},
		"WorkspaceTemplate": {"v1alpha2", "v1beta1"},
	}[kind]
}

func TestObjectsLoseNothing(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}

	// Strict: a field that the schema does not know is an error, not a warning.
	admin, err := client.New(shared.Config(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}

	strict := client.WithFieldValidation(admin, "Strict")

	for _, file := range files {
		original := read(t, file)

		for _, writes := range versions(original.GetKind()) {
			for _, reads := range versions(original.GetKind()) {
				t.Run(fmt.Sprintf("%s/%s-%s", filepath.Base(file), writes, reads), func(t *testing.T) {
					roundTrip(t, strict, original, writes, reads)
				})
			}
		}
	}
}

// roundTrip writes an object in one version, reads it in another, changes it there, and reads it again in the
// first: as a client of each release would, side by side.
func roundTrip(t *testing.T, admin client.Client, original *unstructured.Unstructured, writes, reads string) {
	t.Helper()

	created := inVersion(original, writes)
	if err := admin.Create(t.Context(), created); err != nil {
		t.Fatalf("create it in %s: %v", writes, err)
	}

	defer remove(t, admin, created)

	other := inVersion(original, reads)
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(other), other); err != nil {
		t.Fatalf("read it in %s: %v", reads, err)
	}

	if diff := cmp.Diff(content(original), content(other)); diff != "" {
		t.Errorf("written in %s, read in %s (-want +got):\n%s", writes, reads, diff)
	}

	labels := other.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}

	labels["touched"] = "true"
	other.SetLabels(labels)

	if err := admin.Update(t.Context(), other); err != nil {
		t.Fatalf("update it in %s: %v", reads, err)
	}

	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(created), created); err != nil {
		t.Fatalf("read it in %s: %v", writes, err)
	}

	want := content(original)
	want["labels"] = labels

	if diff := cmp.Diff(want, content(created)); diff != "" {
		t.Errorf("updated in %s, read in %s (-want +got):\n%s", reads, writes, diff)
	}
}

// content is what a user has written, apart from version and name.
func content(object *unstructured.Unstructured) map[string]any {
	return map[string]any{
		"labels":      object.GetLabels(),
		"annotations": object.GetAnnotations(),
		"finalizers":  object.GetFinalizers(),
		"spec":        object.Object["spec"],
	}
}

func inVersion(original *unstructured.Unstructured, version string) *unstructured.Unstructured {
	object := original.DeepCopy()
	kind := object.GroupVersionKind()
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: kind.Group, Version: version, Kind: kind.Kind})

	return object
}

func read(t *testing.T, file string) *unstructured.Unstructured {
	t.Helper()

	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	asJSON, err := yaml.YAMLToJSONStrict(content)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}

	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(asJSON); err != nil {
		t.Fatalf("%s: %v", file, err)
	}

	return object
}

// remove deletes an object with the finalizers that no controller takes off here.
func remove(t *testing.T, admin client.Client, object *unstructured.Unstructured) {
	t.Helper()

	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
	if err := errors.Join(admin.Patch(t.Context(), object, patch), admin.Delete(t.Context(), object)); err != nil {
		t.Error(err)
	}
}

// Values of overrides were limited to objects, so that the console's own booleans were refused
// (kubesphere#4147). What the schemas refuse has to be refused by both releases too.
func TestWhatIsRefused(t *testing.T) {
	tests := map[string]struct{ object, want string }{
		"no template": {
			object: `{"spec": {"placement": {}}}`, want: "spec.template: Required value",
		},
		"no placement": {
			object: `{"spec": {"template": {}}}`, want: "spec.placement: Required value",
		},
		"cluster without a name": {
			object: `{"spec": {"template": {}, "placement": {"clusters": [{}]}}}`,
			want:   "spec.placement.clusters[0].name: Required value",
		},
		"isolation that is no boolean": {
			object: `{"spec": {"template": {"spec": {"networkIsolation": "yes"}}, "placement": {}}}`,
			want:   "networkIsolation",
		},
	}

	admin, err := client.New(shared.Config(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			object := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(test.object), &object.Object); err != nil {
				t.Fatal(err)
			}

			object.SetAPIVersion("tenant.kubesphere.io/v1beta1")
			object.SetKind("WorkspaceTemplate")
			object.SetName("refused")

			err := admin.Create(t.Context(), object, client.DryRunAll)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("create: %v, want an error with %q", err, test.want)
			}
		})
	}
}
