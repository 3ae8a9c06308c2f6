// Package silence says which alerts nobody wants to hear of, and when: from now on, for a while, or again and again
// on a schedule, such as each night from 22:00 for eight hours.
//
// A silence of the platform silences an alert for everybody, and a tenant's silences it for that tenant's receivers.
// When a silence counts is the contract of KubeSphere 3.x:
//
//	neither schedule nor startsAt  always, whatever the duration
//	startsAt                       from then on, for the duration where there is one
//	schedule and duration          for the duration from each time of the schedule; startsAt does not count
//	schedule without a duration    always
//
// and endsAt, which is ours, ends each of them for good.
//
// The times of a schedule are in a time zone: that of CRON_TZ= before the schedule, or else of timeZone, or else the
// one given by the caller. It is never the zone of the machine, which changes with the image and the node.
package silence

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
	"github.com/ks-core/ks-controller-manager/pkg/notification/silence/schedule"
)

// Silence is an object, compiled. It is safe for use by several goroutines.
type Silence struct {
	name    string
	owner   selector.Owner
	enabled bool
	matcher selector.Selector

	// recurring says that schedule counts; start is then zero.
	recurring bool
	schedule  schedule.Schedule
	// start is when it begins; zero is ever since.
	start time.Time
	// duration is how long it lasts; zero is for good.
	duration time.Duration
	// end is when it ends whatever else; zero is never.
	end time.Time

	// known is what was found out last, which holds for a while.
	known atomic.Pointer[span]
}

// Phase is the word of the API for whether a silence silences.
type Phase = notificationv2beta2.SilencePhase

// State is how a silence is at a time.
type State struct {
	Phase Phase
	// ActiveUntil is when an active silence ends; zero where no end is in sight.
	ActiveUntil time.Time
	// NextStart is when it begins next, after ActiveUntil; zero where it does not.
	NextStart time.Time
}

// span is a state from one instant on and before another; zero is for good.
type span struct {
	state       State
	from, until time.Time
}

// Name is unique.
func (s *Silence) Name() string {
	return s.name
}

// Owner says whose it is. A silence of nobody silences nothing.
func (s *Silence) Owner() selector.Owner {
	return s.owner
}

// Compile makes a Silence of an object. A schedule that names no zone is in the one given here; nil is UTC. What is
// wrong with the object is named by the path of the field, all of it at once; there is no Silence then.
func Compile(
	object *notificationv2beta2.Silence, ownership selector.Ownership, zone *time.Location,
) (*Silence, field.ErrorList) {
	spec := &object.Spec
	path := field.NewPath("spec")

	made := &Silence{
		name:    object.Name,
		owner:   ownership.OfSilence(object.Labels),
		enabled: spec.Enabled == nil || *spec.Enabled,
	}

	var problems field.ErrorList

	made.matcher, problems = selector.Compile(path.Child("matcher"), spec.Matcher)

	for _, problem := range []*field.Error{
		made.readDuration(path, spec),
		made.readStart(path, spec),
		made.readEnd(path, spec),
		made.readSchedule(path, spec, zone),
	} {
		if problem != nil {
			problems = append(problems, problem)
		}
	}

	if len(problems) > 0 {
		return nil, problems
	}

	made.settle()

	return made, nil
}

// settle drops what does not count beside what else was said.
func (s *Silence) settle() {
	switch {
	case s.recurring && s.duration == 0:
		s.recurring = false
		s.start = time.Time{}
	case s.recurring:
		s.start = time.Time{}
	case s.start.IsZero():
		s.duration = 0
	}
}

func (s *Silence) readDuration(path *field.Path, spec *notificationv2beta2.SilenceSpec) *field.Error {
	at := path.Child("duration")

	length, err := spec.Duration.Parse()
	if err != nil {
		return field.Invalid(at, spec.Duration, err.Error())
	}

	if spec.Duration != "" && length <= 0 {
		return field.Invalid(at, spec.Duration,
			"a silence of no length silences nothing: give more than zero, or leave it out for a silence without end")
	}

	s.duration = length

	return nil
}

func (s *Silence) readStart(path *field.Path, spec *notificationv2beta2.SilenceSpec) *field.Error {
	start, err := spec.StartsAt.Parse()
	if err != nil {
		return field.Invalid(path.Child("startsAt"), spec.StartsAt, err.Error())
	}

	s.start = start

	return nil
}

func (s *Silence) readEnd(path *field.Path, spec *notificationv2beta2.SilenceSpec) *field.Error {
	end, err := spec.EndsAt.Parse()
	if err != nil {
		return field.Invalid(path.Child("endsAt"), spec.EndsAt, err.Error())
	}

	if spec.Schedule == "" && !end.IsZero() && !end.After(s.start) {
		return field.Invalid(path.Child("endsAt"), spec.EndsAt, "must be after startsAt, "+string(spec.StartsAt))
	}

	s.end = end

	return nil
}

func (s *Silence) readSchedule(
	path *field.Path, spec *notificationv2beta2.SilenceSpec, zone *time.Location,
) *field.Error {
	in := zone
	if in == nil {
		in = time.UTC
	}

	if spec.TimeZone != "" {
		var err error

		if in, err = schedule.LoadZone(spec.TimeZone); err != nil {
			return field.Invalid(path.Child("timeZone"), spec.TimeZone, err.Error())
		}
	}

	if spec.Schedule == "" {
		return nil
	}

	parsed, err := schedule.Parse(spec.Schedule, in)
	if err != nil {
		return field.Invalid(path.Child("schedule"), spec.Schedule, err.Error())
	}

	s.schedule = parsed
	s.recurring = true

	return nil
}

// Warnings are what is valid in a silence and may mean something else than its author thought.
func Warnings(object *notificationv2beta2.Silence) []string {
	spec := &object.Spec
	path := field.NewPath("spec")
	warnings := selector.Warnings(path.Child("matcher"), spec.Matcher)

	add := func(name, text string) {
		warnings = append(warnings, path.Child(name).String()+": "+text)
	}

	if spec.Matcher == nil || len(spec.Matcher.MatchLabels)+len(spec.Matcher.MatchExpressions) == 0 {
		add("matcher", "selects every alert")
	}

	switch {
	case spec.Schedule != "" && spec.Duration == "":
		add("schedule", "without a duration the silence is always active; give the duration of each of its times")
	case spec.Schedule == "" && spec.StartsAt == "" && spec.Duration != "":
		add("duration", "without schedule and startsAt it has no effect, and the silence is always active")
	}

	if spec.Schedule != "" && spec.StartsAt != "" {
		add("startsAt", "has no effect beside a schedule")
	}

	return warnings
}

// Matches tells whether the silence means an alert, at whatever time.
func (s *Silence) Matches(set labels.Labels) bool {
	return s.matcher.Matches(set)
}

// Active tells whether the silence silences at a time.
func (s *Silence) Active(at time.Time) bool {
	return s.State(at).Phase == notificationv2beta2.SilenceActive
}

// State tells how the silence is at a time. It is found out once for all the time that it holds.
func (s *Silence) State(at time.Time) State {
	known := s.known.Load()
	if known != nil && !at.Before(known.from) && (known.until.IsZero() || at.Before(known.until)) {
		return known.state
	}

	made := s.spanAt(at)
	s.known.Store(&made)

	return made.state
}
