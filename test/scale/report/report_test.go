package report_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/test/scale/audit"
	"github.com/ks-core/ks-controller-manager/test/scale/report"
)

func thresholds() report.Thresholds {
	number := func(value float64) *float64 { return &value }

	return report.Thresholds{Size: "full", Figures: map[string]report.Threshold{
		"writes": {Max: number(0)},
		"ratio":  {Min: number(0.7), Mean: number(0.9), Deviation: 0.02, Margin: 4, Runs: []string{"a", "b"}},
		"memory": {Max: number(200), Mean: number(100), Deviation: 10, Margin: 3, Runs: []string{"a", "b"}},
		"drain":  {Max: number(10)},
	}}
}

func result(size string, writes, ratio, memory, drain float64) *report.Result {
	made := &report.Result{Run: "r", Size: size}
	made.Set("writes", report.Count, writes, "writes of a restart")
	made.Set("ratio", report.Ratio, ratio, "")
	made.Set("memory", report.Bytes, memory, "")
	made.Set("drain", report.Seconds, drain, "")

	return made
}

func TestCheck(t *testing.T) {
	t.Parallel()

	enforced := []report.Kind{report.Count, report.Ratio, report.Bytes}

	for name, test := range map[string]struct {
		result   *report.Result
		enforced []report.Kind
		want     []string
	}{
		"all is well":                            {result("full", 0, 0.9, 110, 3), enforced, nil},
		"a write":                                {result("full", 1, 0.9, 110, 3), enforced, []string{"writes is 1, promised is at most 0"}},
		"slower than promised":                   {result("full", 0, 0.69, 110, 3), enforced, []string{"ratio is 0.69, promised is at least 0.7"}},
		"slower than usual":                      {result("full", 0, 0.8, 110, 3), enforced, []string{"ratio is 0.8, in 2 runs before it was 0.9 ± 0.08"}},
		"faster than usual":                      {result("full", 0, 1.2, 50, 3), enforced, nil},
		"larger than usual":                      {result("full", 0, 0.9, 131, 3), enforced, []string{"memory is 131, in 2 runs before it was 100 ± 30"}},
		"seconds are told of":                    {result("full", 0, 0.9, 110, 99), enforced, nil},
		"of another size":                        {result("small", 0, 0.75, 190, 3), enforced, nil},
		"of another size, what is promised":      {result("small", 0, 0.6, 190, 3), enforced, []string{"ratio is 0.6, promised is at least 0.7"}},
		"counts alone":                           {result("full", 2, 0.1, 999, 99), []report.Kind{report.Count}, []string{"writes is 2, promised is at most 0"}},
		"what was not measured is not within it": {&report.Result{}, nil, []string{"drain was not measured", "memory was not measured", "ratio was not measured", "writes was not measured"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			verdicts := thresholds().Check(test.result, test.enforced...)
			if diff := cmp.Diff(test.want, verdicts.Failures()); diff != "" {
				t.Errorf("failures (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSecondsAreNoted(t *testing.T) {
	t.Parallel()

	made := result("full", 0, 0.9, 110, 99)

	text := made.Markdown(thresholds().Check(made, report.Count))
	if !strings.Contains(text, "note: is 99, promised is at most 10") {
		t.Errorf("the slow drain is not told of:\n%s", text)
	}
}

func TestResultIsReadAsWritten(t *testing.T) {
	t.Parallel()

	made := result("full", 0, 0.9, 110, 3)
	made.Objects, made.Made = map[string]int{"roles": 3}, map[string]int{"roles": 2}
	made.Phases = []report.Phase{{
		Name: "cold", Calls: []audit.Row{{Verb: "patch", Resource: "roles", Count: 2}},
		Processes: map[string]report.Process{"manager": {CPUSeconds: 1, Resident: 1 << 20}},
	}}

	path, err := made.Write(t.TempDir(), thresholds().Check(made))
	if err != nil {
		t.Fatal(err)
	}

	read, err := report.Read(path)
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(made, read); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}

	page, err := os.ReadFile(strings.TrimSuffix(path, ".json") + ".md")
	if err != nil {
		t.Fatal(err)
	}

	for _, want := range []string{"| writes ", "| roles ", "## cold", "| manager ", "| patch ", "1.0 MiB", "good"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()

	before, after := result("full", 0, 0.8, 100, 2), result("full", 3, 0.84, 100, 4)
	before.Set("gone", report.Count, 1, "")
	after.Set("new", report.Count, 1, "")

	text := report.Compare(before, after, thresholds())
	for _, want := range []string{"+3", "+5.0 %", "+2.0", "+100.0 %", "| gone   | 1", "| new    | -"} {
		if !strings.Contains(text, want) {
			t.Errorf("the comparison lacks %q:\n%s", want, text)
		}
	}

	after.Machine, after.Size = "another", "small"
	if text := report.Compare(before, after, thresholds()); strings.Count(text, "The two are not of the same") != 2 {
		t.Errorf("no warning:\n%s", text)
	}
}

func TestThresholdsFile(t *testing.T) {
	t.Parallel()

	read, err := report.ReadThresholds("../thresholds.yaml")
	if err != nil {
		t.Fatal(err)
	}

	for scenario, thresholds := range read {
		for name, threshold := range thresholds.Figures {
			if threshold.Min == nil && threshold.Max == nil {
				t.Errorf("%s: %s promises nothing", scenario, name)
			}
		}
	}

	wrong := filepath.Join(t.TempDir(), "wrong.yaml")
	if err := os.WriteFile(wrong, []byte("tenancy: {figures: {a: {maximum: 1}}}"), 0o600); err != nil {
		t.Fatal(err)
	}

	if _, err := report.ReadThresholds(wrong); err == nil {
		t.Error("a misspelt field is no error")
	}
}
