package conformance_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/test/cluster"
)

// definition34 has the version, the names and the loose schema that a cluster of 3.4 has; its objects are what
// counts here.
const definition34 = `
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
`

// A cluster of 3.4 gets our definitions over its own: what is stored stays, and is served in every version.
func TestDefinitionsOfThreeAreTakenOver(t *testing.T) {
	old := cluster.ForTest(t, cluster.Options{})
	definition := filepath.Join(t.TempDir(), "definition.yaml")

	if err := os.WriteFile(definition, []byte(definition34), 0o600); err != nil {
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

	original := read(t, "testdata/workspacetemplate-3.4.yaml")
	if err := admin.Create(t.Context(), original.DeepCopy()); err != nil {
		t.Fatal(err)
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

	for _, version := range versions("WorkspaceTemplate") {
		found := inVersion(original, version)
		if err := admin.Get(t.Context(), client.ObjectKeyFromObject(found), found); err != nil {
			t.Fatalf("read it in %s: %v", version, err)
		}

		if diff := cmp.Diff(original.Object["spec"], found.Object["spec"]); diff != "" {
			t.Errorf("after the take-over, read in %s (-want +got):\n%s", version, diff)
		}
	}
}
