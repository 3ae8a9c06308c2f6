package scale_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ks-core/ks-controller-manager/test/scale"
	"github.com/ks-core/ks-controller-manager/test/scale/report"
)

const root = "../.."

// options are those of a run of this size within a test: short looks, for only counts are judged.
func options(t *testing.T, scenario scale.Scenario, size scale.Size) scale.Options {
	t.Helper()

	return scale.Options{
		Scenario: scenario, Size: size, Seed: 1, Manager: own(t, "manager"), Root: root, Dir: t.TempDir(),
		Quiet: 3 * time.Second, Settle: time.Millisecond, Look: time.Second, Timeout: 15 * time.Minute, Logf: t.Logf,
	}
}

// measure runs and judges by the promises of the figures whose names begin so.
func measure(
	t *testing.T, options scale.Options, enforced []report.Kind, figures ...string,
) (*report.Result, report.Verdicts) {
	t.Helper()

	result, err := scale.Run(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}

	all, err := report.ReadThresholds("thresholds.yaml")
	if err != nil {
		t.Fatal(err)
	}

	thresholds := all[options.Scenario.Name]

	for name := range thresholds.Figures {
		if !slices.ContainsFunc(figures, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			delete(thresholds.Figures, name)
		}
	}

	verdicts := thresholds.Check(result, enforced...)
	t.Log("\n" + result.Markdown(verdicts))

	return result, verdicts
}

// counts are all that a test judges: they are the same on any machine.
func counts() []report.Kind { return []report.Kind{report.Count} }

// TestSmoke plays all phases on a hundredth of T10. Nothing timed is judged.
func TestSmoke(t *testing.T) {
	t.Parallel()

	options := options(t, scale.Tenancy(), scale.T10().Divided(100))
	options.Workers, options.Edits = []int{8}, 5

	result, verdicts := measure(t, options, counts(), "")
	if failures := verdicts.Failures(); len(failures) > 0 {
		t.Errorf("%s", strings.Join(failures, "\n"))
	}

	for resource, want := range map[string]int{
		"workspacetemplates.tenant.kubesphere.io": 1, "namespaces": 100 + 5, "secrets": 200,
		"users.iam.kubesphere.io": 10, "workspacerolebindings.iam.kubesphere.io": 4,
	} {
		if got := result.Objects[resource]; got < want {
			t.Errorf("%d %s in the result, want at least %d", got, resource, want)
		}
	}

	dir := t.TempDir()

	path, err := result.Write(dir, verdicts)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := os.Stat(filepath.Join(dir, filepath.Base(path))); err != nil {
		t.Error(err)
	}
}

// TestAlertingSmoke plays a fiftieth of 10,000 rules: one changed group is one object written and no other group looked
// at, and what is in order is left alone. Bare writes are left to TestSmoke: none of these thresholds needs them.
func TestAlertingSmoke(t *testing.T) {
	t.Parallel()

	options := options(t, scale.Alerting(), scale.ManyRules().Divided(50))
	options.Quiet, options.Edits = time.Second, 3

	result, verdicts := measure(t, options, counts(), "")
	if failures := verdicts.Failures(); len(failures) > 0 {
		t.Errorf("%s", strings.Join(failures, "\n"))
	}

	for _, resource := range []string{"rulegroups.alerting.kubesphere.io", "prometheusrules.monitoring.coreos.com"} {
		if got := result.Objects[resource]; got != 5 {
			t.Errorf("%d %s in the result, want 5", got, resource)
		}
	}
}

// A restart on a settled cluster must leave no trace, and must not ask the API server for what the caches have: at
// this size each call for each object would be thousands. KS_SCALE=full takes the size that is promised.
func TestConvergedRestart(t *testing.T) {
	t.Parallel()

	size := scale.ManyWorkspaces()
	if os.Getenv("KS_SCALE") != "full" {
		size = size.Divided(25)
	}

	_, verdicts := measure(t, options(t, scale.Tenancy(), size), counts(), "restart.")
	if failures := verdicts.Failures(); len(failures) > 0 {
		t.Errorf("%s", strings.Join(failures, "\n"))
	}
}

// A manager that reads and writes on a restart must be caught, and one that takes too much memory.
func TestSaboteurIsCaught(t *testing.T) {
	t.Parallel()

	options := options(t, scale.Tenancy(), scale.T10().Divided(500))
	options.Restarted = own(t, asSaboteur)

	_, verdicts := measure(t, options, append(counts(), report.Bytes), "restart.", "memory.steady")
	for _, figure := range []string{"restart.writes", "restart.reads", "memory.steady"} {
		if verdicts[figure].Problem == "" || !verdicts[figure].Enforced {
			t.Errorf("%s: nothing was found", figure)
		}
	}
}
