// Package report holds what a run at scale has found: figures, and the tables behind them. It judges figures by
// thresholds and compares two results; it measures nothing.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ks-core/ks-controller-manager/test/scale/audit"
)

// Kind says what a figure counts, and so how far it can be trusted on a machine of unknown speed.
type Kind string

// The kinds. Counts are exact anywhere, bytes and ratios nearly so; seconds and rates are those of a machine.
const (
	Count   Kind = "count"
	Ratio   Kind = "ratio"
	Bytes   Kind = "bytes"
	Seconds Kind = "seconds"
	Rate    Kind = "rate"
)

// Figure is one number.
type Figure struct {
	Kind  Kind    `json:"kind"`
	Value float64 `json:"value"`
	// Text says what the number is.
	Text string `json:"text"`
}

// Process is what a process has used during a phase.
type Process struct {
	CPUSeconds float64 `json:"cpuSeconds"`
	// Resident memory at the end of the phase and at its highest, and the part of it that belongs to no file.
	Resident     int64 `json:"resident"`
	ResidentPeak int64 `json:"residentPeak"`
	Anonymous    int64 `json:"anonymous"`
}

// Phase is a part of a run.
type Phase struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	// Calls of the manager, by verb and resource.
	Calls []audit.Row `json:"calls,omitempty"`
	// Processes by their names.
	Processes map[string]Process `json:"processes,omitempty"`
}

// Result is what a run has found.
type Result struct {
	// Run names the run: when and of what.
	Run      string    `json:"run"`
	Revision string    `json:"revision"`
	Scenario string    `json:"scenario"`
	Size     string    `json:"size"`
	Seed     uint64    `json:"seed"`
	Started  time.Time `json:"started"`
	Machine  string    `json:"machine"`

	// Objects there were when all was in place, by resource; Made are those of the manager among them.
	Objects map[string]int `json:"objects"`
	Made    map[string]int `json:"made"`

	Figures map[string]Figure `json:"figures"`
	Phases  []Phase           `json:"phases"`
}

// Set adds a figure.
func (r *Result) Set(name string, kind Kind, value float64, text string) {
	if r.Figures == nil {
		r.Figures = map[string]Figure{}
	}

	r.Figures[name] = Figure{Kind: kind, Value: value, Text: text}
}

// Write writes the result as JSON and for people into a folder, under the name of the run.
func (r *Result) Write(dir string, verdicts Verdicts) (string, error) {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", fmt.Errorf("writing the result: %w", err)
	}

	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("writing the result: %w", err)
	}

	path := filepath.Join(dir, r.Run+".json")
	if err := os.WriteFile(path, append(raw, '\n'), 0o600); err != nil {
		return "", fmt.Errorf("writing the result: %w", err)
	}

	if err := os.WriteFile(filepath.Join(dir, r.Run+".md"), []byte(r.Markdown(verdicts)), 0o600); err != nil {
		return "", fmt.Errorf("writing the result: %w", err)
	}

	return path, nil
}

// Read reads a result.
func Read(path string) (*Result, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a result: %w", err)
	}

	result := &Result{}
	if err := json.Unmarshal(raw, result); err != nil {
		return nil, fmt.Errorf("reading result %s: %w", path, err)
	}

	return result, nil
}
