package manager

import (
	"testing"
	"time"
)

func TestBackOff(t *testing.T) {
	t.Parallel()

	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

	// Each step is a failure some time after the one before.
	steps := []struct {
		name  string
		after time.Duration
		want  time.Duration
	}{
		{"the first", 0, time.Second},
		{"again", time.Second, 2 * time.Second},
		{"and again", 2 * time.Second, 4 * time.Second},
		{"after a good while, but not long enough", forgiveAfter, 8 * time.Second},
		{"exactly when it is not forgiven yet", forgiveAfter + 8*time.Second, 16 * time.Second},
		{"when it is forgiven", forgiveAfter + 16*time.Second + 1, time.Second},
		{"from the start", 0, 2 * time.Second},
		{"from the start", 0, 4 * time.Second},
		{"from the start", 0, 8 * time.Second},
		{"from the start", 0, 16 * time.Second},
		{"from the start", 0, 32 * time.Second},
		{"from the start", 0, 64 * time.Second},
		{"from the start", 0, 128 * time.Second},
		{"from the start", 0, 256 * time.Second},
		{"no longer than the longest", 0, maxPause},
		{"no longer than the longest", maxPause, maxPause},
		{"at the longest, a pause is no time without failure", forgiveAfter + maxPause, maxPause},
		{"at the longest, forgiven", forgiveAfter + maxPause + 1, time.Second},
	}

	var pause backOff

	if got := pause.remaining(start); got != 0 {
		t.Errorf("before any failure %s remain", got)
	}

	now := start

	for _, step := range steps {
		now = now.Add(step.after)

		if got := pause.fail(now).Sub(now); got != step.want {
			t.Errorf("%s: the pause is %s, want %s", step.name, got, step.want)
		}

		for after, want := range map[time.Duration]time.Duration{
			0: step.want, step.want / 2: step.want / 2, step.want: 0, 2 * step.want: 0,
		} {
			if got := pause.remaining(now.Add(after)); got != want {
				t.Errorf("%s: %s later %s remain, want %s", step.name, after, got, want)
			}
		}
	}
}
