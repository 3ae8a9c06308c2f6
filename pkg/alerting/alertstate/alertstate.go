// Package alertstate holds the life of the alerts of one rule: pending while the rule's `for` runs, firing
// after it, kept firing for a while after the condition has gone.
//
// It follows what Prometheus does between two evaluations and knows neither expressions nor series: who
// evaluates says which alerts the expression found, under any key that tells them apart. Nothing here reads a
// clock.
package alertstate

import (
	"maps"
	"slices"
	"time"
)

// State is where an alert stands.
type State int

// The states of an alert. What is neither pending nor firing is inactive and forgotten.
const (
	Inactive State = iota
	Pending
	Firing
)

// String returns the state as it is written in the label `alertstate`.
func (s State) String() string {
	switch s {
	case Pending:
		return "pending"
	case Firing:
		return "firing"
	case Inactive:
		return "inactive"
	default:
		return "unknown"
	}
}

// Rule is what the states of an alerting rule depend on.
type Rule struct {
	// For is how long an alert is pending before it fires.
	For time.Duration

	// KeepFiringFor is how long an alert that fired goes on firing without its condition.
	KeepFiringFor time.Duration
}

// Alert is one alert of a rule that is pending or firing.
type Alert[T any] struct {
	// Key tells it from the other alerts of the rule.
	Key string

	// Value is what came with it when its condition was last seen.
	Value T

	State State

	// ActiveAt is when its condition was first seen, since when it has not been inactive.
	ActiveAt time.Time

	// FiredAt is when it began to fire; zero while it is pending.
	FiredAt time.Time

	// KeptSince is when its condition was first missing while it fires on; zero while the condition holds.
	KeptSince time.Time
}

// Machine holds the alerts of one rule. The zero value has no `for`, and keeps nothing firing.
type Machine[T any] struct {
	rule   Rule
	alerts map[string]Alert[T]
}

// New returns the machine of a rule without any alert.
func New[T any](rule Rule) *Machine[T] {
	return &Machine[T]{rule: rule}
}

// Step takes what one evaluation found. Times may only grow from step to step.
func (m *Machine[T]) Step(at time.Time, found map[string]T) {
	next := make(map[string]Alert[T], len(found))

	for key, value := range found {
		alert, known := m.alerts[key]
		if !known {
			alert = Alert[T]{Key: key, State: Pending, ActiveAt: at}
		}

		alert.Value = value
		alert.KeptSince = time.Time{}
		next[key] = m.ripen(alert, at)
	}

	for key, alert := range m.alerts {
		if _, still := found[key]; still {
			continue
		}

		if alert, kept := m.keep(alert, at); kept {
			next[key] = alert
		}
	}

	m.alerts = next
}

// ripen lets an alert fire that has been pending for long enough.
func (m *Machine[T]) ripen(alert Alert[T], at time.Time) Alert[T] {
	if alert.State == Pending && at.Sub(alert.ActiveAt) >= m.rule.For {
		alert.State = Firing
		alert.FiredAt = at
	}

	return alert
}

// keep says whether an alert whose condition has gone fires on. A pending one never stays: its condition has
// to hold for the whole time.
func (m *Machine[T]) keep(alert Alert[T], at time.Time) (Alert[T], bool) {
	if alert.State != Firing || m.rule.KeepFiringFor <= 0 {
		return alert, false
	}

	if alert.KeptSince.IsZero() {
		alert.KeptSince = at
	}

	return alert, at.Sub(alert.KeptSince) < m.rule.KeepFiringFor
}

// Reset forgets all alerts, as a rule does whose evaluation went over its limit.
func (m *Machine[T]) Reset() { m.alerts = nil }

// Len returns how many alerts are pending or firing.
func (m *Machine[T]) Len() int { return len(m.alerts) }

// Active returns the alerts that are pending or firing, sorted by key.
func (m *Machine[T]) Active() []Alert[T] {
	active := make([]Alert[T], 0, len(m.alerts))
	for _, key := range slices.Sorted(maps.Keys(m.alerts)) {
		active = append(active, m.alerts[key])
	}

	return active
}
