package scale

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/test/scale/report"
)

// The same size and seed must give the same objects, another seed others, and all of it what T10 is.
func TestGenerate(t *testing.T) {
	t.Parallel()

	size := T10().Divided(50)
	first, again := render(t, generateTenancy(size, 1)), render(t, generateTenancy(size, 1))
	other := render(t, generateTenancy(size, 2))

	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the second time (-first +second):\n%s", diff)
	}

	if cmp.Equal(first, other) {
		t.Error("another seed makes no difference")
	}

	counts := map[string]int{}

	for _, stage := range generateTenancy(T10().withoutContent(), 1) {
		for range stage.Objects {
			counts[stage.Name]++
		}
	}

	want := map[string]int{
		"users": 200, "workspace templates": 100, "namespaces": 10_000, "bindings": 300, "foreign secrets": 20_000,
	}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("T10 (-want +got):\n%s", diff)
	}
}

// The same of alert rules; R10000 is 10,000 of them, each named once in its group.
func TestGenerateAlerting(t *testing.T) {
	t.Parallel()

	size := ManyRules().Divided(50)

	first, again := render(t, generateAlerting(size, 1)), render(t, generateAlerting(size, 1))
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the second time (-first +second):\n%s", diff)
	}

	if cmp.Equal(first, render(t, generateAlerting(size, 2))) {
		t.Error("another seed makes no difference")
	}

	rules := map[string]bool{}

	for object := range generateAlerting(ManyRules(), 1)[1].Objects {
		group, isGroup := object.(*alertingv2beta1.RuleGroup)
		if !isGroup {
			t.Fatalf("a %T is no group of rules", object)
		}

		for _, rule := range group.Spec.Rules {
			rules[group.Namespace+"/"+group.Name+"/"+rule.Alert] = true
		}
	}

	if len(rules) != 10_000 {
		t.Errorf("R10000 has %d rules", len(rules))
	}
}

// A scenario without thresholds would hold nothing.
func TestScenariosHaveThresholds(t *testing.T) {
	t.Parallel()

	all, err := report.ReadThresholds("thresholds.yaml")
	if err != nil {
		t.Fatal(err)
	}

	for _, scenario := range Scenarios() {
		thresholds := all[scenario.Name]

		isOfSize := slices.ContainsFunc(scenario.Sizes, func(size Size) bool { return size.Name == thresholds.Size })
		if !isOfSize || len(thresholds.Figures) == 0 {
			t.Errorf("scenario %s has thresholds for size %q: %v", scenario.Name, thresholds.Size, thresholds.Figures)
		}
	}
}

func (s Size) withoutContent() Size {
	s.SecretBytes = 0

	return s
}

func render(t *testing.T, stages []Stage) []string {
	t.Helper()

	var rendered []string

	for _, stage := range stages {
		for object := range stage.Objects {
			raw, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}

			rendered = append(rendered, string(raw))
		}
	}

	return rendered
}

func TestDivided(t *testing.T) {
	t.Parallel()

	for by, want := range map[int]Size{
		1:  T10(),
		50: {Name: "T10/50", Workspaces: 2, Namespaces: 200, Users: 10, Secrets: 400, SecretBytes: 50_000},
		// One workspace at least, and enough users for its bindings.
		9999: {Name: "T10/9999", Workspaces: 1, Namespaces: 1, Users: 10, Secrets: 2, SecretBytes: 50_000},
	} {
		if diff := cmp.Diff(want, T10().Divided(by)); diff != "" {
			t.Errorf("T10/%d (-want +got):\n%s", by, diff)
		}
	}

	size := T10().Divided(50)
	if got := namespacesOf(1, size); len(got) != 100 || got[0] != namespaceName(1) || got[99] != namespaceName(199) {
		t.Errorf("namespaces of the second workspace: %v", got)
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()

	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(100-i))
	}

	for part, want := range map[float64]time.Duration{0.5: 50, 0.99: 99, 1: 100, 0: 1} {
		if got := quantile(hundred, part); got != want {
			t.Errorf("quantile %v is %d, want %d", part, got, want)
		}
	}

	if quantile(nil, 0.5) != 0 || slices.IsSorted(hundred) {
		t.Error("nothing has a quantile, or the values were moved")
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()

	used, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}

	if used.Resident < 1<<20 || used.ResidentPeak < used.Resident || used.Anonymous > used.Resident {
		t.Errorf("this process uses %+v", used)
	}

	seconds, err := cpuSeconds([]byte("42 (a b) c) S 1 1 1 0 -1 4194560 5 0 0 0 150 50 0 0 20 0 9 0"))
	if err != nil || seconds != 2 {
		t.Errorf("%v s, %v; want 2 s", seconds, err)
	}

	if _, err := cpuSeconds([]byte("42 (a)")); err == nil {
		t.Error("half a line is no error")
	}
}
