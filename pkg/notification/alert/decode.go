package alert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"
)

// MaxBytes is how large the labels and annotations of one alert may be together. Larger ones would not fit into
// what any channel takes, and a store that keeps each alert is no place for documents.
const MaxBytes = 64 << 10

// Unheard is how long an alert of a list is taken to hold if it does not say, and nobody says so again.
const Unheard = 5 * time.Minute

// RefusedError is an alert of a body that cannot be taken, and why. The others of the body are taken: whose alerts they
// are is not known to be the same.
type RefusedError struct {
	// Index is the place of the alert in the body.
	Index int
	// Err names the field and the remedy.
	Err error
}

// Error says which alert and why.
func (r RefusedError) Error() string {
	return fmt.Sprintf("alerts[%d]: %v", r.Index, r.Err)
}

// posted is an alert in either form: what Alertmanager's webhook says, and what its API takes.
type posted struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
}

// Decode reads a body: an object with alerts, as Alertmanager's webhook posts it (version 4), or a list of alerts,
// as Alertmanager's own API takes it (v2). It gives the alerts it could read and those it could not; the error is
// of a body that is none of the two.
//
// Without a status an alert is resolved if it has ended by now. Without a start it has begun now. A list is posted
// again and again while its alerts hold, so one without an end is taken to hold for Unheard; an object is posted
// when something changes, so there such an alert holds until it is said to be resolved.
func Decode(body []byte, now time.Time) ([]Alert, []RefusedError, error) {
	raw, listed, err := split(body)
	if err != nil {
		return nil, nil, err
	}

	decoder := decoder{now: now, listed: listed, builder: labels.NewScratchBuilder(0)}
	alerts := make([]Alert, 0, len(raw))

	var refused []RefusedError

	for i, text := range raw {
		one, err := decoder.decode(text)
		if err != nil {
			refused = append(refused, RefusedError{Index: i, Err: err})

			continue
		}

		alerts = append(alerts, one)
	}

	return alerts, refused, nil
}

// split gives the alerts of a body, each as it stands, and whether they are a list.
func split(body []byte) (alerts []json.RawMessage, listed bool, err error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil, false, errors.New("the body is empty: post an object with alerts, or a list of alerts")
	}

	if body[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(body, &list); err != nil {
			return nil, false, fmt.Errorf("the list of alerts is no JSON: %w", err)
		}

		return list, true, nil
	}

	var message struct {
		Alerts []json.RawMessage `json:"alerts"`
	}
	if err := json.Unmarshal(body, &message); err != nil {
		return nil, false, fmt.Errorf("the body is neither an object with alerts nor a list of alerts: %w", err)
	}

	return message.Alerts, false, nil
}

// decoder reads alerts one after the other, with one builder for the labels of all.
type decoder struct {
	now     time.Time
	listed  bool
	builder labels.ScratchBuilder
}

func (d *decoder) decode(text []byte) (Alert, error) {
	if len(text) > MaxBytes {
		return Alert{}, fmt.Errorf("has %d bytes, at most %d are taken", len(text), MaxBytes)
	}

	var from posted
	if err := json.Unmarshal(text, &from); err != nil {
		return Alert{}, explain(err)
	}

	set, err := d.labels("labels", from.Labels)
	if err != nil {
		return Alert{}, err
	}

	if set.IsEmpty() {
		return Alert{}, errors.New("labels: has none; an alert is known by its labels, alertname among them")
	}

	annotations, err := d.labels("annotations", from.Annotations)
	if err != nil {
		return Alert{}, err
	}

	status, err := d.status(&from)
	if err != nil {
		return Alert{}, err
	}

	if from.StartsAt.IsZero() {
		from.StartsAt = d.started(&from)
	}

	if d.listed && status == Firing && from.EndsAt.IsZero() {
		from.EndsAt = d.now.Add(Unheard)
	}

	return Alert{
		Labels: set, Annotations: annotations, Status: status,
		StartsAt: from.StartsAt, EndsAt: from.EndsAt, GeneratorURL: from.GeneratorURL,
	}, nil
}

// started is when an alert that does not say it began: now, or no later than it ended.
func (d *decoder) started(from *posted) time.Time {
	if !from.EndsAt.IsZero() && from.EndsAt.Before(d.now) {
		return from.EndsAt
	}

	return d.now
}

// status is what the body says, or else what the end of the alert does.
func (d *decoder) status(from *posted) (Status, error) {
	switch from.Status {
	case "firing":
		return Firing, nil
	case "resolved":
		return Resolved, nil
	case "":
		if !from.EndsAt.IsZero() && !from.EndsAt.After(d.now) {
			return Resolved, nil
		}

		return Firing, nil
	default:
		return Firing, fmt.Errorf("status: is %q, must be firing or resolved", short(from.Status))
	}
}

// labels packs a map. A label without a value is the same as none.
func (d *decoder) labels(field string, from map[string]string) (labels.Labels, error) {
	d.builder.Reset()

	for name, value := range from {
		if name == "" {
			return labels.EmptyLabels(), fmt.Errorf("%s: one has no name; give each a name", field)
		}

		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return labels.EmptyLabels(), fmt.Errorf("%s[%s]: is no UTF-8", field, short(name))
		}

		if value != "" {
			d.builder.Add(name, value)
		}
	}

	d.builder.Sort()

	return d.builder.Labels(), nil
}

// explain puts the field of a value of another type before what it should be.
func explain(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field != "" {
		return fmt.Errorf("%s: is a JSON %s, must be %s", wrong.Field, wrong.Value, wrong.Type)
	}

	return fmt.Errorf("is no alert: %w", err)
}

// short is the beginning of a text somebody else wrote, for an error.
func short(text string) string {
	const limit = 64

	if len(text) <= limit {
		return text
	}

	end := limit
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}

	return text[:end] + "..."
}
