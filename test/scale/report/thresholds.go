package report

import (
	"fmt"
	"maps"
	"math"
	"os"
	"slices"

	"sigs.k8s.io/yaml"
)

// Threshold is what a figure must keep to: what is promised, and what it was in the runs before.
type Threshold struct {
	// Min and Max are promised.
	Min *float64 `json:"min,omitempty"`
	Max *float64 `json:"max,omitempty"`

	// Mean and Deviation of the runs that are named. A figure that is worse than the mean by more than Margin
	// deviations is worse than chance explains.
	Mean      *float64 `json:"mean,omitempty"`
	Deviation float64  `json:"deviation,omitempty"`
	Margin    float64  `json:"margin,omitempty"`
	Runs      []string `json:"runs,omitempty"`
}

// Thresholds are those of the figures of a scenario, by their names, for runs of one size.
type Thresholds struct {
	Size    string               `json:"size"`
	Figures map[string]Threshold `json:"figures"`
}

// ReadThresholds reads a file of thresholds, those of each scenario by its name. An unknown field is an error: it would
// hold nothing.
func ReadThresholds(path string) (map[string]Thresholds, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the thresholds: %w", err)
	}

	var thresholds map[string]Thresholds
	if err := yaml.UnmarshalStrict(raw, &thresholds); err != nil {
		return nil, fmt.Errorf("reading the thresholds: %w", err)
	}

	return thresholds, nil
}

// Verdict is what is to be said of a figure. An empty problem says that all is well.
type Verdict struct {
	Figure  string
	Problem string
	// Enforced tells whether the problem fails the run.
	Enforced bool
}

// Verdicts are those of all figures with a threshold, by name.
type Verdicts map[string]Verdict

// Failures returns the problems that fail the run, sorted by figure.
func (v Verdicts) Failures() []string {
	var failures []string

	for _, name := range slices.Sorted(maps.Keys(v)) {
		if verdict := v[name]; verdict.Problem != "" && verdict.Enforced {
			failures = append(failures, name+" "+verdict.Problem)
		}
	}

	return failures
}

// Check judges the figures of a result. Only those of the kinds named can fail the run: the others are told of. What
// a run of another size was is no measure, so then the promises count alone.
func (t Thresholds) Check(result *Result, enforced ...Kind) Verdicts {
	verdicts := Verdicts{}

	for name, threshold := range t.Figures {
		figure, measured := result.Figures[name]
		if !measured {
			verdicts[name] = Verdict{Figure: name, Problem: "was not measured", Enforced: true}

			continue
		}

		problem := threshold.broken(figure.Value)
		if problem == "" && t.Size == result.Size {
			problem = threshold.unusual(figure.Value)
		}

		verdicts[name] = Verdict{
			Figure: name, Problem: problem, Enforced: slices.Contains(enforced, figure.Kind),
		}
	}

	return verdicts
}

// broken says which promise a value breaks.
func (t Threshold) broken(value float64) string {
	switch {
	case math.IsNaN(value):
		return "is no number"
	case t.Min != nil && value < *t.Min:
		return fmt.Sprintf("is %s, promised is at least %s", number(value), number(*t.Min))
	case t.Max != nil && value > *t.Max:
		return fmt.Sprintf("is %s, promised is at most %s", number(value), number(*t.Max))
	default:
		return ""
	}
}

// unusual says whether a value is worse than in the runs before: lower where a minimum is promised, else higher.
func (t Threshold) unusual(value float64) string {
	if t.Mean == nil || t.Margin == 0 {
		return ""
	}

	slack := t.Margin * t.Deviation

	if t.Min != nil && value < *t.Mean-slack || t.Min == nil && value > *t.Mean+slack {
		return fmt.Sprintf("is %s, in %d runs before it was %s ± %s",
			number(value), len(t.Runs), number(*t.Mean), number(slack))
	}

	return ""
}

// number writes a value with as many digits as mean something.
func number(value float64) string {
	const wholeFrom = 1000

	if math.Abs(value) >= wholeFrom || value == math.Trunc(value) {
		return fmt.Sprintf("%.0f", value)
	}

	return fmt.Sprintf("%.3g", value)
}
