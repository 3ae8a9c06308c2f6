package conformance_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/test/cluster"
)

// definitions34 have the versions, the names and the loose schema that a cluster of 3.4 has; its objects are what
// counts here.
const definitions34 = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: workspacetemplates.tenant.kubesphere.io
spec:
  group: tenant.kubesphere.io
  names: {kind: WorkspaceTemplate, plural: workspacetemplates}
  scope: Cluster
  versions:
  - name: v1alpha2
    served: true
    storage: true
    schema:
      openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: rulegroups.alerting.kubesphere.io
spec:
  group: alerting.kubesphere.io
  names: {kind: RuleGroup, plural: rulegroups}
  scope: Namespaced
  versions:
  - name: v2beta1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
`

// A cluster of 3.4 gets our definitions over its own: what is stored stays, and is served in every version.
func TestDefinitionsOfThreeAreTakenOver(t *testing.T) {
	old := cluster.ForTest(t, cluster.Options{})
	definition := filepath.Join(t.TempDir(), "definitions.yaml")

	if err := os.WriteFile(definition, []byte(definitions34), 0o600); err != nil {
		t.Fatal(err)
	}

	established := []string{"wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"}

	for _, arguments := range [][]string{
		{"apply", "--server-side", "--field-manager=helm", "-f", definition},
		established,
	} {
		if out, err := old.Kubectl(t.Context(), arguments...); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}

	admin, err := client.New(old.Config(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}

	originals := []*unstructured.Unstructured{
		read(t, "testdata/workspacetemplate-3.4.yaml"), read(t, "testdata/rulegroup-3.4.yaml"), hugeGroup(t),
	}
	for _, original := range originals {
		if err := admin.Create(t.Context(), original.DeepCopy()); err != nil {
			t.Fatal(err)
		}
	}

	// Nothing of the other owner's is overwritten without asking.
	_, err = old.Kubectl(t.Context(), "apply", "--server-side", "-k", "../../config/crd")
	if err == nil || !strings.Contains(err.Error(), "conflict") {
		t.Errorf("applied over another owner's definitions: %v", err)
	}

	for _, arguments := range [][]string{
		{"apply", "--server-side", "--force-conflicts", "-k", "../../config/crd"}, established,
	} {
		if out, err := old.Kubectl(t.Context(), arguments...); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}

	for _, original := range originals {
		checkTakenOver(t, admin, original)
	}
}

// checkTakenOver wants that nothing of an object is lost, and that it can be changed also where the schema would
// refuse it today.
func checkTakenOver(t *testing.T, admin client.Client, original *unstructured.Unstructured) {
	t.Helper()

	for _, version := range versions(original.GetKind()) {
		taken := found(t, admin, original, version)

		if diff := cmp.Diff(original.Object["spec"], taken.Object["spec"]); diff != "" {
			t.Errorf("%s after the take-over, read in %s (-want +got):\n%s", original.GetName(), version, diff)
		}

		taken.SetLabels(map[string]string{"touched-in": version})

		if err := admin.Update(t.Context(), taken); err != nil {
			t.Errorf("%s after the take-over, updated in %s: %v", original.GetName(), version, err)
		}
	}
}

// hugeGroup has more rules than the schema allows: 3.4 counts them in a webhook that may be away.
func hugeGroup(t *testing.T) *unstructured.Unstructured {
	t.Helper()

	huge := read(t, "testdata/rulegroup-least.yaml")
	rules := make([]any, 0, 1001)

	for range cap(rules) {
		rules = append(rules, map[string]any{"alert": "A", "expr": "1"})
	}

	if err := unstructured.SetNestedSlice(huge.Object, rules, "spec", "rules"); err != nil {
		t.Fatal(err)
	}

	return huge
}
