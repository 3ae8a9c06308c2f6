package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestArrows compares every package of the module with the table.
func TestArrows(t *testing.T) {
	t.Parallel()

	for _, violation := range check(rules(), load(t)) {
		t.Error(violation)
	}
}

// TestCheckFindsViolations feeds the checker imports that break each rule of the table, one by one: a
// checker that cannot fail is worth nothing.
func TestCheckFindsViolations(t *testing.T) {
	t.Parallel()

	tests := []struct{ from, to string }{
		{"api/tenant/v1beta1", "k8s.io/client-go/kubernetes"},
		{"api/tenant/v1beta1", "sigs.k8s.io/controller-runtime/pkg/client"},
		{"api/tenant/v1beta1", "pkg/kube"},
		{"api/tenant/v1beta1/applyconfiguration/tenant/v1beta1", "k8s.io/client-go/rest"},
		{"api/applyconfiguration/tenant/v1beta1", "pkg/kube"},
		{"pkg/suggest", "k8s.io/apimachinery/pkg/util/sets"},
		{"pkg/features", "pkg/manager"},
		{"pkg/kube", "pkg/manager"},
		{"pkg/kube/apply", "pkg/tenancy"},
		{"pkg/kube", "pkg/kube/harness"},
		{"pkg/kube", "test/cluster"},
		{"pkg/kube/harness", "pkg/controllers/tenancy/workspace"},
		{"pkg/manager", "pkg/controllers"},
		{"pkg/manager", "pkg/controllers/tenancy/workspace"},
		{"pkg/manager/status", "pkg/tenancy"},
		{"pkg/manager", "api/tenant/v1beta1"},
		{"pkg/controllers", "cmd/ks-controller-manager/app"},
		{"pkg/controllers/tenancy/workspace", "pkg/controllers/edge/node"},
		{"pkg/controllers/tenancy/workspace", "pkg/controllers"},
		{"pkg/controllers/tenancy/workspace", "pkg/notification"},
		{"pkg/controllers/tenancy/workspace", "pkg/kube/harness"},
		{"pkg/controllers/notification/config", "pkg/tenancy"},
		{"pkg/controllers/logging/input", "pkg/alerting/rules"},
		{"pkg/controllers/alerting/rulegroup", "pkg/logging"},
		{"pkg/controllers/edge/node", "pkg/tenancy"},
		{"pkg/tenancy", "pkg/logging"},
		{"pkg/tenancy", "pkg/kube"},
		{"pkg/tenancy/roles", "sigs.k8s.io/controller-runtime/pkg/client"},
		{"pkg/notification", "k8s.io/client-go/tools/cache"},
		{"pkg/logging", "k8s.io/client-go/kubernetes"},
		{"pkg/alerting", "k8s.io/client-go/dynamic"},
		{"pkg/alerting/scope", "github.com/prometheus/prometheus/promql/parser"},
		{"pkg/alerting/internal/promql", "pkg/alerting/scope"},
		{"pkg/alerting/internal/promql/evaluation", "k8s.io/client-go/rest"},
		{"pkg/controllers/alerting/rulegroup", "github.com/prometheus/prometheus/model/labels"},
		{"cmd/ks-rule-agent/app", "github.com/prometheus/prometheus/model/rulefmt"},
		{"pkg/notification/routing", "github.com/prometheus/prometheus/template"},
		{"test/integration", "github.com/prometheus/prometheus/template"},
		{"pkg/edge", "k8s.io/client-go/rest"},
		{"cmd/notification-manager/app", "pkg/controllers/notification/config"},
		{"cmd/ks-log-agent", "pkg/controllers"},
		{"cmd/ks-rule-agent", "pkg/manager"},
		{"cmd/ks-edge-agent/app", "cmd/ks-controller-manager/app"},
		{"cmd/ks-controller-manager/app", "pkg/kube/harness"},
		{"cmd/ks-controller-manager/app", "test/cluster"},
		{"cmd/ks-controller-manager/app", "hack/generate"},
		{"test/integration", "cmd/ks-controller-manager/app"},
		{"hack/generate", "test/cluster"},
		{"hack/run", "cmd/ks-controller-manager/app"},
		{"pkg/util", "fmt"}, // on no floor
	}

	violated := map[string]bool{}

	for _, test := range tests {
		got := check(rules(), map[string][]string{full(test.from): {full(test.to)}})
		if len(got) != 1 {
			t.Errorf("%s imports %s: got violations %q, want one", test.from, test.to, got)
		}

		for _, r := range rules() {
			if match(r.packages, test.from) {
				violated[r.packages] = true

				break
			}
		}
	}

	for _, r := range rules() {
		if !violated[r.packages] {
			t.Errorf("no case above breaks the rule for %s", r.packages)
		}
	}
}

// TestCheckAllowsTheHouse feeds the checker the arrows the floors are built on.
func TestCheckAllowsTheHouse(t *testing.T) {
	t.Parallel()

	house := []struct {
		from    string
		imports []string
	}{
		{"api/tenant/v1beta1", []string{"time", "k8s.io/apimachinery/pkg/apis/meta/v1", "api/iam/v1beta1"}},
		{"api/tenant/v1beta1", []string{"sigs.k8s.io/controller-runtime/pkg/scheme"}},
		{"api/tenant/v1beta1/applyconfiguration/tenant/v1beta1", []string{"api/tenant/v1beta1"}},
		{"api/applyconfiguration/tenant/v1beta1", []string{"k8s.io/client-go/applyconfigurations/meta/v1"}},
		{"pkg/suggest", []string{"strings"}},
		{"pkg/features", []string{"pkg/suggest", "k8s.io/component-base/featuregate"}},
		{"pkg/kube", []string{"api/tenant/v1beta1", "sigs.k8s.io/controller-runtime/pkg/client"}},
		{"pkg/kube/harness", []string{"testing", "pkg/kube", "test/cluster"}},
		{"pkg/manager", []string{"pkg/kube", "pkg/features", "pkg/suggest", "sigs.k8s.io/controller-runtime"}},
		{"pkg/logging", []string{"api/logging/v1alpha1", "github.com/fluent/fluent-operator/v3/apis/fluentbit"}},
		{"pkg/alerting/scope", []string{"pkg/alerting/internal/promql", "api/alerting/v2beta1", "text/template/parse"}},
		{"pkg/alerting/internal/promql", []string{"github.com/prometheus/prometheus/promql/parser"}},
		{"pkg/alerting/internal/promql/evaluation", []string{
			"pkg/alerting/internal/promql", "github.com/prometheus/prometheus/promql", "github.com/prometheus/common/model",
		}},
		{"pkg/notification/routing", []string{"github.com/prometheus/prometheus/model/labels"}},
		{"pkg/manager/status", []string{"github.com/prometheus/client_golang/prometheus"}},
		{"pkg/tenancy/roles", []string{"pkg/tenancy", "api/tenant/v1beta1", "k8s.io/api/rbac/v1"}},
		{"pkg/controllers/tenancy/workspace", []string{"pkg/tenancy", "pkg/kube", "pkg/manager", "pkg/features"}},
		{"pkg/controllers", []string{"pkg/controllers/tenancy/workspace", "pkg/controllers/edge/node", "pkg/manager"}},
		{"cmd/ks-controller-manager", []string{"cmd/ks-controller-manager/app"}},
		{"cmd/ks-controller-manager/app", []string{"pkg/controllers", "pkg/manager", "github.com/spf13/cobra"}},
		{"cmd/ks-log-agent/app", []string{"pkg/logging", "api/logging/v1alpha1"}},
		{"test/integration", []string{"pkg/controllers", "pkg/kube/harness", "test/cluster"}},
		{"hack/generate", []string{"pkg/controllers", "cmd/ks-controller-manager/app"}},
		{"hack/run", []string{"test/cluster", "pkg/kube"}},
	}

	graph := map[string][]string{}

	for _, floor := range house {
		for _, to := range floor.imports {
			graph[full(floor.from)] = append(graph[full(floor.from)], full(to))
		}
	}

	for _, violation := range check(rules(), graph) {
		t.Error(violation)
	}
}

// full returns the path of a package of this module, and every other path as it is.
func full(path string) string {
	first, _, _ := strings.Cut(path, "/")
	if slices.Contains([]string{"api", "cmd", "pkg", "test", "hack"}, first) {
		return module + "/" + path
	}

	return path
}

// load asks the go command for the imports of every package of the module.
func load(t *testing.T) map[string][]string {
	t.Helper()

	// -e: a package that does not compile is the compiler's business.
	command := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports", module+"/...")

	var stderr bytes.Buffer

	command.Stderr = &stderr

	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}

	graph := map[string][]string{}

	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var found struct {
			ImportPath string   `json:"ImportPath"` //nolint:tagliatelle // the go command's name
			Imports    []string `json:"Imports"`    //nolint:tagliatelle // the same
		}

		err := decoder.Decode(&found)
		if errors.Is(err, io.EOF) {
			break
		}

		if err != nil {
			t.Fatal(err)
		}

		graph[found.ImportPath] = found.Imports
	}

	if len(graph) == 0 {
		t.Fatal("go list named no package: nothing was checked")
	}

	return graph
}
