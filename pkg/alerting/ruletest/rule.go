package ruletest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/alertstate"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/internal/promql/evaluation"
)

// Names of what Prometheus records of alerts.
const (
	alertsName     = "ALERTS"
	alertsForName  = "ALERTS_FOR_STATE"
	alertStateName = "alertstate"
)

var errSameLabels = errors.New("two elements of the result have the same labels once the rule's labels are set")

// rule is a rule between two evaluations.
type rule interface {
	// step evaluates the rule.
	step(ctx context.Context, at time.Time) error

	// firing describes the alerts of a name that fire.
	firing(alert string) []string
}

//nolint:ireturn // the two kinds of rules
func (r *run) newRule(text Rule) (rule, error) {
	expression, err := r.evaluator.Compile(text.Expr)
	if err != nil {
		return nil, err
	}

	base := recorder{
		evaluator: r.evaluator, expression: expression, limit: r.group.Limit, offset: r.group.QueryOffset,
	}
	if text.Record != "" {
		return &recordingRule{recorder: base, labels: recordedLabels(text)}, nil
	}

	alerting := &alertingRule{
		recorder: base,
		name:     text.Alert,
		raw:      evaluation.LabelsOf(text.Labels),
		labels:   r.templates(text.Alert, text.Labels),
		machine:  r.machines(alertstate.Rule{For: text.For, KeepFiringFor: text.KeepFiringFor}),
	}

	// Nobody sees the annotations of alerts that are not asked for.
	if slices.ContainsFunc(r.test.Alerts, func(test AlertTest) bool { return test.Alert == text.Alert }) {
		alerting.annotations = r.templates(text.Alert, text.Annotations)
	}

	return alerting, nil
}

// recordedLabels are those that a recording rule sets.
func recordedLabels(text Rule) []evaluation.Label {
	set := []evaluation.Label{{Name: evaluation.NameLabel, Value: text.Record}}
	for _, name := range slices.Sorted(maps.Keys(text.Labels)) {
		set = append(set, evaluation.Label{Name: name, Value: text.Labels[name]})
	}

	return set
}

// named is a template under the name of its label or annotation.
type named struct {
	name     string
	template *evaluation.Template
}

func (r *run) templates(alert string, texts map[string]string) []named {
	templates := make([]named, 0, len(texts))
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		templates = append(templates, named{name: name, template: r.evaluator.Template(alert, texts[name])})
	}

	return templates
}

// recorder evaluates an expression and keeps what comes of it; series that no longer come are marked stale.
type recorder struct {
	evaluator  *evaluation.Evaluator
	expression *evaluation.Expression
	limit      int
	offset     time.Duration
	recorded   map[string]evaluation.Labels
}

func (r *recorder) query(ctx context.Context, at time.Time) ([]evaluation.Sample, error) {
	return r.evaluator.Instant(ctx, r.expression, at.Add(-r.offset))
}

// entry is a sample to be recorded.
type entry struct {
	labels evaluation.Labels
	keep   func(at time.Time) error
}

// record keeps the samples of one evaluation. One that cannot be kept does not hold the others up.
func (r *recorder) record(entries []entry, at time.Time) error {
	at = at.Add(-r.offset)

	var (
		errs    []error
		current = make(map[string]evaluation.Labels, len(entries))
	)

	for _, entry := range entries {
		if err := entry.keep(at); err != nil {
			errs = append(errs, err)
		} else {
			current[entry.labels.Key()] = entry.labels
		}
	}

	for _, key := range slices.Sorted(maps.Keys(r.recorded)) {
		if _, still := current[key]; !still {
			errs = append(errs, r.evaluator.MarkStale(r.recorded[key], at))
		}
	}

	r.recorded = current

	return errors.Join(errs...)
}

func (r *recorder) checkLimit(number int, what string) error {
	if r.limit > 0 && number > r.limit {
		return fmt.Errorf("%d %s exceed the group's limit of %d", number, what, r.limit)
	}

	return nil
}

// recordingRule records its expression under a new name.
type recordingRule struct {
	recorder

	labels []evaluation.Label
}

func (r *recordingRule) step(ctx context.Context, at time.Time) error {
	samples, err := r.query(ctx, at)
	if err != nil {
		return err
	}

	var (
		entries = make([]entry, 0, len(samples))
		seen    = make(map[string]bool, len(samples))
	)

	for _, sample := range samples {
		sample.Labels = sample.Labels.With(r.labels...)
		seen[sample.Labels.Key()] = true

		entries = append(entries, entry{labels: sample.Labels, keep: func(at time.Time) error {
			return r.evaluator.Append(sample, at)
		}})
	}

	if len(seen) < len(samples) {
		return errSameLabels
	}

	if err := r.checkLimit(len(samples), "series"); err != nil {
		return err
	}

	return r.record(entries, at)
}

func (*recordingRule) firing(string) []string { return nil }

// alert is what is known of one alert besides its state.
type alert struct{ labels, annotations evaluation.Labels }

// machine is what an alerting rule asks for the states of its alerts.
type machine interface {
	Step(at time.Time, found map[string]alert)
	Active() []alertstate.Alert[alert]
}

//nolint:ireturn // the tests put one of their own in its place
func newMachine(rule alertstate.Rule) machine { return alertstate.New[alert](rule) }

// alertingRule has an alert for each element of its expression.
type alertingRule struct {
	recorder

	name                string
	raw                 evaluation.Labels
	labels, annotations []named
	machine             machine
}

func (r *alertingRule) step(ctx context.Context, at time.Time) error {
	samples, err := r.query(ctx, at)
	if err != nil {
		return err
	}

	found := make(map[string]alert, len(samples))

	for _, sample := range samples {
		alert, err := r.expand(ctx, sample, at)
		if err != nil {
			return err
		}

		found[alert.labels.Key()] = alert
	}

	if len(found) < len(samples) {
		return errSameLabels
	}

	r.machine.Step(at, found)
	active := r.machine.Active()

	if err := r.checkLimit(len(active), "alerts"); err != nil {
		return err
	}

	return r.record(r.entries(active), at)
}

// expand makes an alert of an element of the result.
func (r *alertingRule) expand(ctx context.Context, sample evaluation.Sample, at time.Time) (alert, error) {
	set := make([]evaluation.Label, 0, len(r.labels)+1)

	for _, label := range r.labels {
		text, err := label.template.Expand(ctx, sample, at)
		if err != nil {
			return alert{}, err
		}

		set = append(set, evaluation.Label{Name: label.name, Value: text})
	}

	set = append(set, evaluation.Label{Name: evaluation.AlertNameLabel, Value: r.name})

	annotations := make(map[string]string, len(r.annotations))

	for _, annotation := range r.annotations {
		text, err := annotation.template.Expand(ctx, sample, at)
		if err != nil {
			return alert{}, err
		}

		annotations[annotation.name] = text
	}

	return alert{
		labels:      sample.Labels.Without(evaluation.NameLabel).With(set...),
		annotations: evaluation.LabelsOf(annotations),
	}, nil
}

// entries are what Prometheus records of each alert: that it is active, and since when. The labels of the rule
// come first, as they are written; those of the alert cover them.
func (r *alertingRule) entries(active []alertstate.Alert[alert]) []entry {
	var entries []entry

	add := func(labels evaluation.Labels, value float64) {
		entries = append(entries, entry{labels: labels, keep: func(at time.Time) error {
			return r.evaluator.AppendNumber(labels, value, at)
		}})
	}

	for _, alert := range active {
		labels := r.raw.Under(alert.Value.labels)
		name := evaluation.Label{Name: evaluation.AlertNameLabel, Value: r.name}

		add(labels.With(evaluation.Label{Name: evaluation.NameLabel, Value: alertsName}, name,
			evaluation.Label{Name: alertStateName, Value: alert.State.String()}), 1)
		add(labels.With(evaluation.Label{Name: evaluation.NameLabel, Value: alertsForName}, name),
			float64(alert.ActiveAt.Unix()))
	}

	return entries
}

func (r *alertingRule) firing(name string) []string {
	if name != r.name {
		return nil
	}

	var firing []string

	for _, active := range r.machine.Active() {
		if active.State == alertstate.Firing {
			firing = append(firing, describeAlert(active.Value.labels, active.Value.annotations))
		}
	}

	return firing
}
