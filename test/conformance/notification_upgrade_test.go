package conformance_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/test/cluster"
)

// configs34 has what counts of the definition that Notification Manager 2.3 brings, which KubeSphere 3.4 installs: two
// versions, and a webhook between them.
const configs34 = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: configs.notification.kubesphere.io
spec:
  group: notification.kubesphere.io
  names: {kind: Config, plural: configs, shortNames: [nc]}
  scope: Cluster
  conversion: CONVERSION
  versions:
  - name: v2beta1
    served: true
    storage: ONE
    schema:
      openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
  - name: v2beta2
    served: true
    storage: TWO
    schema:
      openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
`

// A cluster of 3.4 may have objects stored in v2beta1, and a webhook that converts them. Once that is taken away and
// our definitions are applied, all are served in both versions.
func TestNotificationOfThreeIsTakenOver(t *testing.T) {
	old := cluster.ForTest(t, cluster.Options{})
	folder := t.TempDir()

	kubectl := func(arguments ...string) {
		t.Helper()

		if out, err := old.Kubectl(t.Context(), arguments...); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}

	define := func(conversion, one, two string) {
		t.Helper()

		content := strings.NewReplacer("CONVERSION", conversion, "ONE", one, "TWO", two).Replace(configs34)
		if err := os.WriteFile(filepath.Join(folder, "configs.yaml"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}

		kubectl("apply", "--server-side", "--field-manager=helm", "-f", filepath.Join(folder, "configs.yaml"))
		kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
	}

	admin, err := client.New(old.Config(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}

	define(`{strategy: None}`, "true", "false")

	first := read(t, "testdata/notificationconfig-3.4.yaml")
	first.SetName("of-v2beta1")

	if err := admin.Create(t.Context(), first.DeepCopy()); err != nil {
		t.Fatal(err)
	}

	define(`{strategy: Webhook, webhook: {conversionReviewVersions: [v1beta1], clientConfig: {service: {
		namespace: kubesphere-monitoring-system, name: notification-manager-webhook, path: /convert}}}}`,
		"false", "true")

	second := read(t, "testdata/notificationconfig-4.1.yaml")
	second.SetName("of-v2beta2")

	if err := admin.Create(t.Context(), second.DeepCopy()); err != nil {
		t.Fatal(err)
	}

	// An apply takes away nothing that another has set, and the webhook goes with the release that had it.
	kubectl("patch", "crd", "configs.notification.kubesphere.io", "--type=merge",
		`--patch={"spec": {"conversion": {"strategy": "None", "webhook": null}}}`)
	kubectl("apply", "--server-side", "--force-conflicts", "-k", "../../config/crd")
	kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")

	for _, original := range []*unstructured.Unstructured{first, second} {
		checkTakenOver(t, admin, original)
	}
}
