package engines_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rulefiles"
)

// ruler is a ThanosRuler as KubeSphere's installer makes it, for the operator.
const ruler = `
apiVersion: monitoring.coreos.com/v1
kind: ThanosRuler
metadata: {name: kubesphere, namespace: kubesphere-monitoring-system}
spec:
  replicas: 1
  image: thanos
  queryEndpoints: [http://127.0.0.1:9090]
  ruleNamespaceSelector: {}
  ruleSelector: {matchLabels: {test: thanos-ruler}}
`

// TestOperator has both ways side by side: the real prometheus-operator takes what the manager makes of a group, whole
// and as often as it changes, and the agent takes it to an evaluator meanwhile.
func TestOperator(t *testing.T) {
	folder := operatorFolder(t)
	w := newWorld(t, rulefiles.ThanosRuler)
	w.exporter.setIn(shop, "open", 1)

	prepare(t)

	for _, arguments := range [][]string{
		{"apply", "--server-side", "--force-conflicts", "-f", folder + "/crd"},
		{"wait", "--for=condition=Established", "crd", "--all", "--timeout=20s"},
		{"apply", "--server-side", "-f", write(t, filepath.Join(t.TempDir(), "ruler.yaml"), ruler)},
	} {
		if _, err := shared.Kubectl(t.Context(), arguments...); err != nil {
			t.Fatal(err)
		}
	}

	t.Setenv("KUBECONFIG", shared.Kubeconfig())
	start(t, "operator", folder+"/operator", "--namespaces="+namespace, "--web.listen-address="+address(t))
	startManager(t, w)

	rules := []alertingv2beta1.Rule{
		{Alert: "Open", Expr: `demo_value{namespace="bank"} > 0`, Severity: "warning"},
		{Alert: "Broken", Expr: "sum("},
	}
	put(t, shop, "web", rules)

	inConfigMap(t, `demo_value{namespace="shop"} > 0`)
	w.shows("Open", "")

	rules[0].Expr = "demo_value > 1"
	put(t, shop, "web", rules)

	text := inConfigMap(t, `demo_value{namespace="shop"} > 1`)
	if strings.Contains(text, "Broken") || strings.Contains(text, "bank") {
		t.Errorf("the operator has what was left out:\n%s", text)
	}

	programs, err := find("prometheus")
	if err != nil {
		t.Fatal(err)
	}

	// The operator takes nothing that it cannot parse; the evaluator's own tool has the last word.
	file := write(t, filepath.Join(t.TempDir(), "rules.yaml"), text)

	said, err := exec.CommandContext(t.Context(), programs+"/promtool", "check", "rules", file).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, said)
	}
}

// inConfigMap waits until the operator has written a query for the evaluator, and returns the file that it is in.
func inConfigMap(t *testing.T, query string) string {
	t.Helper()

	var text string

	eventually(t, query+" is in the ConfigMap of the operator", func() bool {
		files := &corev1.ConfigMap{}
		key := client.ObjectKey{Namespace: namespace, Name: "thanos-ruler-kubesphere-rulefiles-0"}

		if err := admin.Get(context.WithoutCancel(t.Context()), key, files); err != nil {
			return false
		}

		for _, content := range files.Data {
			if strings.Contains(content, query) {
				text = content

				return true
			}
		}

		return false
	})

	return text
}
