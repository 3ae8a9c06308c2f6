package guard_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
)

// Who has every native right and is not of the platform gets nowhere: for real, so nothing may have changed half.
func TestAttemptsAreStopped(t *testing.T) {
	for _, attempt := range attempts() {
		if err := attempt.refusal(attempt.send(t.Context(), attempt.by, false)); err != nil {
			t.Error(err)
		}
	}

	t.Logf("%d attempts were stopped", len(attempts()))
}

// Without the policies that stop it, every attempt succeeds: it is they that stop it, and the suite would see them
// gone.
func TestSaboteur(t *testing.T) {
	stoppedBy := map[string][]attempt{}

	for _, attempt := range attempts() {
		policies := strings.Join(attempt.policies, " and ")
		stoppedBy[policies] = append(stoppedBy[policies], attempt)
	}

	for _, policies := range slices.Sorted(maps.Keys(stoppedBy)) {
		t.Run(policies, func(t *testing.T) {
			for _, policy := range stoppedBy[policies][0].policies {
				unbind(t, "validating", policy)
			}

			err := eventually(t.Context(), func(ctx context.Context) error {
				return stoppedBy[policies][0].send(ctx, stoppedBy[policies][0].by, true)
			})
			if err != nil {
				t.Fatal(err)
			}

			for _, attempt := range stoppedBy[policies] {
				if err := attempt.send(t.Context(), attempt.by, true); err != nil {
					t.Errorf("fails without the policies that are to stop it: %s: %v", attempt, err)
				}
			}
		})
	}
}

// unbind takes a policy out of force until the test ends.
func unbind(t *testing.T, kind, policy string) {
	t.Helper()

	if _, err := shared.Kubectl(t.Context(), "delete", kind+"admissionpolicybindings", policy); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := guard(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
	})
}
