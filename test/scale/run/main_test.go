package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUsage(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
		code int
	}{
		"unknown flag":     {[]string{"--fast"}, "not defined: -fast", exitUsage},
		"unknown argument": {[]string{"fast"}, `unknown argument "fast"`, exitUsage},
		"unknown size":     {[]string{"--size=T11"}, "--size=T11: want T10, W1000, R10000", exitFailure},
		"no number":        {[]string{"--workers=1,many"}, "--workers=1,many: want numbers", exitFailure},
		"no checkout":      {[]string{"--root=/nowhere"}, "thresholds", exitFailure},
	} {
		// One at a time: a command sets the logger of its process.
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			if code := command(t.Context(), test.args, &bytes.Buffer{}, &stderr); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}

			if !strings.Contains(stderr.String(), test.want) {
				t.Errorf("it says %q, want %q", stderr.String(), test.want)
			}
		})
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()

	got, err := numbers("1,8,32")
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff([]int{1, 8, 32}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	if none, err := numbers(""); err != nil || len(none) > 0 {
		t.Errorf("of nothing: %v, %v", none, err)
	}
}
