package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ks-core/ks-controller-manager/test/scale/report"
)

func TestCompare(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	var paths []string

	for _, run := range []string{"before", "after"} {
		result := &report.Result{Run: run}
		result.Set("restart.writes", report.Count, float64(len(paths)), "")

		path, err := result.Write(dir, nil)
		if err != nil {
			t.Fatal(err)
		}

		paths = append(paths, path)
	}

	var stdout, stderr bytes.Buffer
	if code := command(append([]string{"--thresholds=../thresholds.yaml"}, paths...), &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}

	if !strings.Contains(stdout.String(), "| restart.writes | 0") {
		t.Errorf("it says %s", stdout.String())
	}

	if code := command(paths[:1], &stdout, &stderr); code != exitUsage {
		t.Errorf("of one result: exit code %d", code)
	}

	if code := command([]string{paths[0], "nothing.json"}, &stdout, &stderr); code != exitFailure {
		t.Errorf("of a result that is not there: exit code %d", code)
	}
}
