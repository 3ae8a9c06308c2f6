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
	"slices"
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
	both := []string{"v1alpha2", "v1beta1"}
	three, four := []string{"v1alpha2"}, []string{"v1beta1"}

	return map[string][]string{
		"Workspace":            {"v1alpha1", "v1beta1"},
		"WorkspaceTemplate":    both,
		"NamespaceAssignment":  four,
		"WorkspacePolicy":      four,
		"User":                 both,
		"LoginRecord":          both,
		"Group":                both,
		"GroupBinding":         both,
		"GlobalRole":           both,
		"GlobalRoleBinding":    both,
		"WorkspaceRole":        both,
		"WorkspaceRoleBinding": both,
		"RoleBase":             three,
		"BuiltinRole":          four,
		"RoleTemplate":         four,
		"Category":             four,
		"Role":                 four,
		"RoleBinding":          four,
		"ClusterRole":          four,
		"ClusterRoleBinding":   four,
		"RuleGroup":            {"v2beta1"},
		"ClusterRuleGroup":     {"v2beta1"},
		"GlobalRuleGroup":      {"v2beta1"},
		"AlertingPolicy":       {"v1alpha1"},
		"NotificationManager":  {"v2beta1", "v2beta2"},
		"Config":               {"v2beta1", "v2beta2"},
		"Receiver":             {"v2beta1", "v2beta2"},
		"Router":               {"v2beta2"},
		"Silence":              {"v2beta2"},
		"InhibitRule":          {"v2beta2"},
		"NotificationPolicy":   {"v2beta2"},
	}[kind]
}

// Every kind is served in just these versions and has an object in testdata.
func TestEveryKindIsTried(t *testing.T) {
	admin, err := client.New(shared.Config(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}

	tried := map[string]bool{}
	for _, file := range testdata(t) {
		tried[read(t, file).GetKind()] = true
	}

	definitions := &unstructured.UnstructuredList{}
	definitions.SetAPIVersion("apiextensions.k8s.io/v1")
	definitions.SetKind("CustomResourceDefinitionList")

	if err := admin.List(t.Context(), definitions); err != nil {
		t.Fatal(err)
	}

	for i := range definitions.Items {
		kind, served := servedBy(t, &definitions.Items[i])
		if strings.HasSuffix(definitions.Items[i].GetName(), "."+relicGroup) {
			continue
		}

		if diff := cmp.Diff(versions(kind), served); diff != "" {
			t.Errorf("served versions of %s (-want +got):\n%s", kind, diff)
		}

		if !tried[kind] {
			t.Errorf("there is no %s in testdata", kind)
		}
	}
}

// servedBy returns the kind of a definition and its served versions.
func servedBy(t *testing.T, definition *unstructured.Unstructured) (string, []string) {
	t.Helper()

	kind, _, errKind := unstructured.NestedString(definition.Object, "spec", "names", "kind")
	all, _, errVersions := unstructured.NestedSlice(definition.Object, "spec", "versions")

	if err := errors.Join(errKind, errVersions); err != nil {
		t.Fatal(err)
	}

	var served []string

	for _, one := range all {
		version, isMap := one.(map[string]any)
		isServed, isBool := version["served"].(bool)

		if name, isString := version["name"].(string); isMap && isString && isBool && isServed {
			served = append(served, name)
		}
	}

	slices.Sort(served)

	return kind, served
}

func testdata(t *testing.T) []string {
	t.Helper()

	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}

	return files
}

func TestObjectsLoseNothing(t *testing.T) {
	// Strict: a field that the schema does not know is an error, not a warning.
	admin, err := client.New(shared.Config(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}

	strict := client.WithFieldValidation(admin, "Strict")

	for _, file := range testdata(t) {
		original := read(t, file)
		if len(versions(original.GetKind())) == 0 {
			t.Errorf("%s: no version of %s is known", file, original.GetKind())
		}

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

// content is what a user has written, apart from version and name: labels and the like, and all that is beside the
// metadata. A status that is a subresource is not the user's to write.
func content(object *unstructured.Unstructured) map[string]any {
	written := map[string]any{
		"labels":          object.GetLabels(),
		"annotations":     object.GetAnnotations(),
		"finalizers":      object.GetFinalizers(),
		"ownerReferences": object.GetOwnerReferences(),
	}

	for key, value := range object.Object {
		isStatus := key == "status" && object.GetKind() != "User"
		if !isStatus && key != "apiVersion" && key != "kind" && key != "metadata" {
			written[key] = value
		}
	}

	return written
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
