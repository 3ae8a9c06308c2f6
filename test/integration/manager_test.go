package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// waitRunning waits until every controller runs that is not disabled or waiting for a kind.
func (r *running) waitRunning(t *testing.T) {
	t.Helper()

	eventually(t, "all controllers run", func(ctx context.Context) error {
		rows := r.rows(ctx)
		if len(rows) == 0 {
			return errors.New("the status page is not there yet")
		}

		for _, row := range rows {
			if row.State == manager.Starting || row.State == manager.Standby {
				return fmt.Errorf("controller %s: %s", row.Name, row.State)
			}
		}

		return nil
	})
}

func (r *running) rows(ctx context.Context) []manager.Row {
	body, err := get(ctx, r.diagnostics+"/controllers")
	if err != nil {
		return nil
	}

	var page struct {
		Controllers []manager.Row `json:"controllers"`
	}
	if json.Unmarshal(body, &page) != nil {
		return nil
	}

	return page.Controllers
}

func get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}

	defer func() { _ = response.Body.Close() }()

	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}

	return body, nil
}

func TestMetricsTellTheState(t *testing.T) {
	started := startManager(t)

	body, err := get(t.Context(), started.diagnostics+"/metrics")
	if err != nil {
		t.Fatal(err)
	}

	for _, want := range []string{
		`ks_build_info{binary="ks-controller-manager",version="test"} 1`,
		`ks_feature_enabled{name="Workspace",stage="BETA"} 1`,
		`ks_controller_state{controller="workspace-template",domain="tenancy",reason="Running",state="Running"} 1`,
		`controller_runtime_reconcile_total{controller="workspace"`,
	} {
		if !strings.Contains(string(body), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// A missing definition stopped every controller of KubeSphere's manager (ks-installer#1816).
func TestMissingKindStopsOnlyItsController(t *testing.T) {
	started := startManager(t, func(config *manager.Config) {
		kind := schema.GroupVersionKind{Group: "nowhere.example.com", Version: "v1", Kind: "Nothing"}
		missing := config.Catalog[0]
		missing.Name = "of-a-missing-kind"
		missing.Requires = []manager.Required{{GroupVersionKind: kind}}
		missing.Caches = []manager.Cached{{Kind: kind, Resource: "nothings", Depth: manager.MetadataOnly}}
		missing.Writes = nil
		config.Catalog = append(slices.Clone(config.Catalog), missing)

		selection, err := manager.Select(config.Catalog, nil, nil)
		if err != nil {
			t.Fatal(err)
		}

		config.Selection = selection
	})

	states := map[string]manager.Row{}
	for _, row := range started.rows(t.Context()) {
		states[row.Name] = row
	}

	waiting := states["of-a-missing-kind"]
	if waiting.State != manager.Waiting || waiting.Reason != manager.ReasonCRDMissing ||
		!strings.Contains(waiting.Message, "nowhere.example.com") {
		t.Errorf("the controller without its kind: %+v", waiting)
	}

	if states["workspace"].State != manager.Running {
		t.Errorf("another controller: %+v", states["workspace"])
	}

	create(t, template("unharmed", "alice"))
	waitReady(t, "unharmed")
}

func TestSwitchedOffControllersSayWhy(t *testing.T) {
	started := startManager(t, func(config *manager.Config) {
		selection, err := manager.Select(config.Catalog, []string{"*", "-workspace"}, nil)
		if err != nil {
			t.Fatal(err)
		}

		config.Selection = selection

		if err := config.Gates.SetFromMap(map[string]bool{"WorkspaceTemplate": false}); err != nil {
			t.Fatal(err)
		}
	})

	want := map[string]string{"workspace": manager.ReasonNotSelected, "workspace-template": manager.ReasonGateDisabled}
	for _, row := range started.rows(t.Context()) {
		reason, isOff := want[row.Name]
		if isOff && (row.State != manager.Disabled || row.Reason != reason) {
			t.Errorf("controller %s: %+v, want reason %s", row.Name, row, reason)
		}
	}
}

func TestRestartWritesNothing(t *testing.T) {
	const templates = 20

	first := startManager(t)

	for i := range templates {
		create(t, template(fmt.Sprintf("restart-%d", i), "alice"))
	}

	for i := range templates {
		waitReady(t, fmt.Sprintf("restart-%d", i))
	}

	eventually(t, "the first manager is done", func(context.Context) error { return drained() })

	if err := first.stop(); err != nil {
		t.Fatal(err)
	}

	second := startManager(t)

	// Every object has been seen once the queues are drained.
	eventually(t, "the queues are drained", func(context.Context) error { return drained() })

	if writes := second.requests.writes(); len(writes) > 0 {
		t.Errorf("a restart on a settled cluster wrote: %v", writes)
	}
}

// drained returns nil when nothing is queued or being worked on. The metrics are those of the whole test process, in
// which one manager runs at a time.
func drained() error {
	families, err := metrics.Registry.Gather()
	if err != nil {
		return fmt.Errorf("gather the metrics: %w", err)
	}

	left := 0.0

	for _, family := range families {
		if name := family.GetName(); name == "workqueue_depth" || name == "controller_runtime_active_workers" {
			for _, metric := range family.GetMetric() {
				left += metric.GetGauge().GetValue()
			}
		}
	}

	if left > 0 {
		return fmt.Errorf("%g objects are waiting or being worked on", left)
	}

	return nil
}

func TestRefusals(t *testing.T) {
	tests := map[string]struct {
		change func(*testing.T, *manager.Config)
		want   []string
	}{
		"unreachable API server": {
			change: func(_ *testing.T, config *manager.Config) { config.REST.Host = "https://127.0.0.1:1" },
			want:   []string{"cannot reach the API server at https://127.0.0.1:1", "connection refused"},
		},
		"credentials that are not accepted": {
			change: func(_ *testing.T, config *manager.Config) { config.REST.BearerToken = "expired" },
			want:   []string{"does not accept the credentials"},
		},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			config := managerConfig(t)
			test.change(t, &config)

			err := manager.Run(t.Context(), config)
			if err == nil {
				t.Fatal("the manager started")
			}

			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}

			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}
