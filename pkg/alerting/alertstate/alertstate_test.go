package alertstate_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/alertstate"
)

func minute(n int) time.Time { return time.Unix(0, 0).UTC().Add(time.Duration(n) * time.Minute) }

// history drives a machine with one alert that is there or not, minute by minute, and writes its states as
// letters: a dot for inactive, p for pending, F for firing, k for kept firing without its condition.
func history(rule alertstate.Rule, there string) string {
	machine := alertstate.New[int](rule)

	var states []byte

	for i := range there {
		found := map[string]int{}
		if there[i] == '1' {
			found["a"] = i
		}

		machine.Step(minute(i), found)
		states = append(states, letter(machine.Active()))
	}

	return string(states)
}

func letter(active []alertstate.Alert[int]) byte {
	switch {
	case len(active) == 0:
		return '.'
	case active[0].State == alertstate.Pending:
		return 'p'
	case active[0].KeptSince.IsZero():
		return 'F'
	default:
		return 'k'
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		name        string
		wait, keep  int
		there, want string
	}{
		{"no for fires at once", 0, 0, "0110", ".FF."},
		{"for holds back", 2, 0, "11110", "ppFF."},
		{"a gap starts for anew", 2, 0, "11011110", "pp.ppFF."},
		{"a for that is no multiple of the interval", 1, 0, "110", "pF."},
		{"kept firing", 0, 2, "1000", "Fkk."},
		{"kept firing begins anew with the condition", 0, 2, "1010000", "FkFkk.."},
		{"pending is never kept", 2, 5, "110000", "pp...."},
		{"back after it was resolved is pending again", 1, 1, "1100011", "pFk..pF"},
		{"kept for less than an interval is one evaluation", 0, 1, "100", "Fk."},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			rule := alertstate.Rule{
				For: time.Duration(test.wait) * time.Minute, KeepFiringFor: time.Duration(test.keep) * time.Minute,
			}
			if diff := cmp.Diff(test.want, history(rule, test.there)); diff != "" {
				t.Errorf("states (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTimesAndValues(t *testing.T) {
	t.Parallel()

	machine := alertstate.New[string](alertstate.Rule{For: time.Minute, KeepFiringFor: time.Hour})
	machine.Step(minute(1), map[string]string{"b": "first", "a": "other"})
	machine.Step(minute(2), map[string]string{"b": "second"})
	machine.Step(minute(3), nil)

	want := []alertstate.Alert[string]{{
		Key: "b", Value: "second", State: alertstate.Firing,
		ActiveAt: minute(1), FiredAt: minute(2), KeptSince: minute(3),
	}}
	if diff := cmp.Diff(want, machine.Active()); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}

	machine.Reset()

	if machine.Len() != 0 {
		t.Error("a reset machine has alerts")
	}
}

func TestSorted(t *testing.T) {
	t.Parallel()

	machine := alertstate.New[int](alertstate.Rule{})
	machine.Step(minute(0), map[string]int{"c": 0, "a": 0, "b": 0})

	var keys []string
	for _, alert := range machine.Active() {
		keys = append(keys, alert.Key)
	}

	if !slices.IsSorted(keys) || len(keys) != machine.Len() {
		t.Errorf("keys %v of %d alerts", keys, machine.Len())
	}
}

func TestStateNames(t *testing.T) {
	t.Parallel()

	names := []string{
		alertstate.Inactive.String(), alertstate.Pending.String(), alertstate.Firing.String(),
		alertstate.State(9).String(),
	}
	if diff := cmp.Diff([]string{"inactive", "pending", "firing", "unknown"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// stepper is what both the machine and the naive model can do.
type stepper interface {
	step(at time.Time, there bool)
	state() alertstate.State
}

type genuine struct {
	machine *alertstate.Machine[int]
}

func (r genuine) step(at time.Time, there bool) {
	found := map[string]int{}
	if there {
		found["a"] = 1
	}

	r.machine.Step(at, found)
}

func (r genuine) state() alertstate.State {
	active := r.machine.Active()
	if len(active) == 0 {
		return alertstate.Inactive
	}

	return active[0].State
}

// naive keeps the whole history and decides each time from the beginning, with no state between two steps.
type naive struct {
	rule  alertstate.Rule
	times []time.Time
	there []bool
}

func (n *naive) step(at time.Time, there bool) {
	n.times, n.there = append(n.times, at), append(n.there, there)
}

// state walks through the history with three marks: where the present run of the alert began, where it fired,
// and since when its condition is missing. The run ends where the condition is missing before it fired, or has
// been missing for too long.
func (n *naive) state() alertstate.State {
	begin, fired, missing := -1, -1, -1

	for i, there := range n.there {
		switch {
		case there:
			missing = -1

			if begin < 0 {
				begin = i
			}

			if fired < 0 && n.times[i].Sub(n.times[begin]) >= n.rule.For {
				fired = i
			}
		case missing < 0:
			missing = i

			if fired < 0 || n.rule.KeepFiringFor == 0 {
				begin, fired = -1, -1
			}
		case n.times[i].Sub(n.times[missing]) >= n.rule.KeepFiringFor:
			begin, fired = -1, -1
		}
	}

	switch {
	case begin < 0:
		return alertstate.Inactive
	case fired < 0:
		return alertstate.Pending
	default:
		return alertstate.Firing
	}
}

// disagree drives a stepper and the model with the same random history and says where they part.
func disagree(seed uint64, build func(alertstate.Rule) stepper) string {
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // drawn from a seed, to be drawn again
	rule := alertstate.Rule{
		For:           time.Duration(random.IntN(5)) * 30 * time.Second,
		KeepFiringFor: time.Duration(random.IntN(5)) * 30 * time.Second,
	}
	stepper, model := build(rule), &naive{rule: rule}
	at := minute(0)

	for i := range 40 {
		there := random.IntN(3) > 0

		stepper.step(at, there)
		model.step(at, there)

		if got, want := stepper.state(), model.state(); got != want {
			return fmt.Sprintf("rule %+v, step %d of %v: %v, the model says %v", rule, i, model.there, got, want)
		}

		at = at.Add(time.Duration(1+random.IntN(4)) * 15 * time.Second)
	}

	return ""
}

func TestAgreesWithModel(t *testing.T) {
	t.Parallel()

	for seed := range uint64(3000) {
		difference := disagree(seed, func(rule alertstate.Rule) stepper {
			return genuine{alertstate.New[int](rule)}
		})
		if difference != "" {
			t.Fatalf("seed %d: %s", seed, difference)
		}
	}
}

// saboteur is a machine with one wrong transition: what is kept firing ends one step too early, what is
// pending survives a gap, or `for` is compared as greater than.
type saboteur struct {
	genuine

	wrong string
	rule  alertstate.Rule
}

func (s *saboteur) step(at time.Time, there bool) {
	switch {
	case s.wrong == "pending survives" && !there && s.genuine.state() == alertstate.Pending:
		there = true
	case s.wrong == "never kept" && !there:
		s.machine.Reset()
	}

	s.genuine.step(at, there)
}

func (s *saboteur) state() alertstate.State {
	active := s.machine.Active()
	if s.wrong == "for is exceeded" && len(active) > 0 && s.rule.For > 0 &&
		active[0].FiredAt.Sub(active[0].ActiveAt) == s.rule.For {
		return alertstate.Pending
	}

	return s.genuine.state()
}

// TestSaboteurIsCaught shows that the model notices a wrong transition.
func TestSaboteurIsCaught(t *testing.T) {
	t.Parallel()

	for _, wrong := range []string{"pending survives", "never kept", "for is exceeded"} {
		caught := 0

		for seed := range uint64(300) {
			if disagree(seed, func(rule alertstate.Rule) stepper {
				return &saboteur{genuine: genuine{alertstate.New[int](rule)}, wrong: wrong, rule: rule}
			}) != "" {
				caught++
			}
		}

		if caught == 0 {
			t.Errorf("nobody noticed: %s", wrong)
		}
	}
}
