package guard_test

import (
	"context"
	"maps"
	"slices"
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

// Who has only what the manager rendered gets no further, be it RBAC or the guard that stops it.
func TestMembersAreStopped(t *testing.T) {
	for _, attempt := range attempts() {
		for _, who := range []string{alice, carol, vera, robot} {
			if attempt.isRightful {
				continue
			}

			if err := attempt.send(t.Context(), who, true); !isRefused(err) {
				t.Errorf("%s: %s: is not refused: %v", who, attempt.request, err)
			}
		}
	}
}

// Without a policy, every attempt that it stops succeeds: it is the policy that stops it, and the suite would see it
// gone.
func TestSaboteur(t *testing.T) {
	stoppedBy := map[string][]attempt{}

	for _, attempt := range attempts() {
		for _, policy := range attempt.policies {
			stoppedBy[policy] = append(stoppedBy[policy], attempt)
		}
	}

	for _, policy := range slices.Sorted(maps.Keys(stoppedBy)) {
		t.Run(policy, func(t *testing.T) {
			unbind(t, "validating", policy)

			err := eventually(t.Context(), func(ctx context.Context) error {
				return stoppedBy[policy][0].send(ctx, stoppedBy[policy][0].by, true)
			})
			if err != nil {
				t.Fatal(err)
			}

			for _, attempt := range stoppedBy[policy] {
				if err := attempt.send(t.Context(), attempt.by, true); err != nil {
					t.Errorf("fails without the policy that is to stop it: %s: %v", attempt, err)
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
