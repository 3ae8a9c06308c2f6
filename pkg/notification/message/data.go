package message

import (
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
)

// Names that the contract gives a meaning in a message.
const (
	// ReceiverLabel is the label that is added to each alert: the name of the receiver that is told of it.
	ReceiverLabel = "receiver"
	// AlertTime is the annotation that is added to alerts of metrics: when they were told of.
	AlertTime = "alerttime"
	// AnnotationMessage is the annotation that is shown before all others.
	AnnotationMessage = "message"
	// AnnotationSummary is shown where there is no message.
	AnnotationSummary = "summary"
	// AnnotationSummaryCN is the summary for readers of Chinese.
	AnnotationSummaryCN = "summaryCn"
	// typeMetric is the value of the label alerttype of alerts that came of metrics.
	typeMetric = "metric"
)

// Notification is what New makes Data of, besides the alerts.
type Notification struct {
	// Receiver is the name of the receiver; each alert gets it as a label.
	Receiver string
	// GroupLabels are the labels in which the alerts are grouped, with the group's values.
	GroupLabels labels.Labels
	// Now is when the notification was made. It is kept with it, so that a second rendering says the same.
	Now time.Time
}

// Data is what a template sees, and, as JSON, the body that a webhook is sent.
type Data struct {
	// Alerts are the alerts of the notification, or of the part of it that fits in one message.
	Alerts Alerts `json:"alerts"`
	// GroupLabels are the labels in which the alerts are grouped.
	GroupLabels KV `json:"groupLabels"`
	// CommonLabels are the labels that all alerts of the notification have with one value.
	CommonLabels KV `json:"commonLabels"`
	// CommonAnnotations are the annotations that they have in common.
	CommonAnnotations KV `json:"commonAnnotations"`

	// Receiver is the name of the receiver.
	Receiver string `json:"-"`
	// Now is when the notification was made; At and TimeOf lead from and to the time.
	Now Moment `json:"-"`
}

// New makes the data of a notification. What it is given is copied, so that nothing of it is held.
func New(alerts []alert.Alert, about Notification) *Data {
	data := &Data{
		Alerts:      make(Alerts, 0, len(alerts)),
		GroupLabels: keyValues(about.GroupLabels, 0),
		Receiver:    about.Receiver,
		Now:         At(about.Now),
	}

	for i := range alerts {
		data.Alerts = append(data.Alerts, newAlert(&alerts[i], about))
	}

	data.CommonLabels = common(data.Alerts, func(a *Alert) KV { return a.Labels })
	data.CommonAnnotations = common(data.Alerts, func(a *Alert) KV { return a.Annotations })

	return data
}

// With is the same notification with other alerts, a part of them: what they have in common stays that of the
// whole, so that every part has the same title.
func (d *Data) With(alerts Alerts) *Data {
	part := *d
	part.Alerts = alerts

	return &part
}

// Status is "firing" as long as one alert is, and "resolved" when each is. Where there is no alert nothing fires:
// it is "resolved".
func (d *Data) Status() string {
	for _, one := range d.Alerts {
		if one.Status == alert.Firing.String() {
			return one.Status
		}
	}

	return alert.Resolved.String()
}

// Alert is one alert as templates see it. Times are texts of RFC 3339, as they are in JSON, so that the functions
// for texts take them; `date`, `inZone` and `since` read them.
type Alert struct {
	// ID tells one occurrence of an alert in one status from all others.
	ID string `json:"id"`
	// Status is "firing" or "resolved".
	Status string `json:"status"`
	// Labels are the alert's labels, and the name of the receiver.
	Labels KV `json:"labels"`
	// Annotations are what it says.
	Annotations KV `json:"annotations"`
	// StartsAt is when it began.
	StartsAt string `json:"startsAt,omitempty"`
	// EndsAt is when it ended; of an alert that fires it is the first second of the year 1, as Alertmanager sends it.
	EndsAt string `json:"endsAt,omitempty"`
	// GeneratorURL leads to what found it.
	GeneratorURL string `json:"generatorURL,omitempty"`
	// Fingerprint is the identity of its labels as they were posted.
	Fingerprint string `json:"fingerprint,omitempty"`
}

func newAlert(from *alert.Alert, about Notification) *Alert {
	const added = 1

	identity := from.Fingerprint()
	made := &Alert{
		ID:           occurrence(identity, from),
		Status:       from.Status.String(),
		Labels:       keyValues(from.Labels, added),
		Annotations:  keyValues(from.Annotations, added),
		StartsAt:     from.StartsAt.Format(time.RFC3339Nano),
		EndsAt:       from.EndsAt.Format(time.RFC3339Nano),
		GeneratorURL: from.GeneratorURL,
		Fingerprint:  identity.String(),
	}

	if about.Receiver != "" {
		made.Labels[ReceiverLabel] = about.Receiver
	}

	if made.Labels[alert.Type] == typeMetric && made.Annotations[AlertTime] == "" {
		made.Annotations[AlertTime] = about.Now.Format(time.RFC3339)
	}

	return made
}

// occurrence is the identity of an alert that began at its time and has its status: the history has one entry of
// each, however often it was told of.
func occurrence(identity alert.Fingerprint, from *alert.Alert) string {
	const base = 36

	return identity.String() + "-" + strconv.FormatInt(from.StartsAt.UnixMilli(), base) + "-" + from.Status.String()[:1]
}

// Message is what the alert says: its message, else its summary, else its summary in Chinese.
func (a *Alert) Message() string {
	return firstOf(a.Annotations, AnnotationMessage, AnnotationSummary, AnnotationSummaryCN)
}

// MessageCN is what it says to readers of Chinese: its summary in Chinese, else its message, else its summary.
func (a *Alert) MessageCN() string {
	return firstOf(a.Annotations, AnnotationSummaryCN, AnnotationMessage, AnnotationSummary)
}

func firstOf(from KV, names ...string) string {
	for _, name := range names {
		if text := from[name]; text != "" {
			return text
		}
	}

	return ""
}

// Alerts are alerts in the order they were given in.
type Alerts []*Alert

// Firing are those that hold.
func (a Alerts) Firing() Alerts {
	return a.in(alert.Firing)
}

// Resolved are those that hold no more.
func (a Alerts) Resolved() Alerts {
	return a.in(alert.Resolved)
}

func (a Alerts) in(status alert.Status) Alerts {
	var found Alerts

	for _, one := range a {
		if one.Status == status.String() {
			found = append(found, one)
		}
	}

	return found
}

// common is what all alerts have with one value.
func common(alerts Alerts, of func(*Alert) KV) KV {
	if len(alerts) == 0 {
		return KV{}
	}

	shared := of(alerts[0]).clone()

	for _, one := range alerts[1:] {
		if len(shared) == 0 {
			break
		}

		values := of(one)

		for name, value := range shared {
			if values[name] != value {
				delete(shared, name)
			}
		}
	}

	return shared
}
