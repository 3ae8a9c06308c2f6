package report

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"

	applyv2beta2 "github.com/ks-core/ks-controller-manager/api/applyconfiguration/notification/v2beta2"
	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/observe"
)

// healthy is the condition of a Receiver whose messages arrive.
const healthy = "Healthy"

// Reasons in a DeliveryRecord and in conditions, beside those of failures.
const reasonDelivered = "Delivered"

// record is an attempt, as it is written.
type record struct {
	at                       time.Time
	channel, reason, message string
	code                     int64
}

// receiverSaid is what is written of a Receiver.
type receiverSaid struct {
	sent, failed     int64
	success, failure record
	generation       int64
}

// receiverOf is what there is to write: what was tried since the process began, and what the status had before.
func receiverOf(
	object *notificationv2beta2.Receiver, tally *observe.Tally, known *entry,
) receiverSaid {
	return receiverSaid{
		sent: known.sent + tally.Sent, failed: known.failed + tally.Failed,
		success:    recordOf(tally.Success, object.Status.LastSuccess),
		failure:    recordOf(tally.Failure, object.Status.LastFailure),
		generation: object.Generation,
	}
}

// recordOf is an attempt, or the one that the status has.
func recordOf(receipt *observe.Receipt, before *notificationv2beta2.DeliveryRecord) record {
	switch {
	case receipt != nil:
		reason := receipt.Reason
		if receipt.Outcome == observe.Delivered {
			reason = reasonDelivered
		}

		return record{
			at: receipt.At.Truncate(time.Second), channel: receipt.Channel, reason: reason,
			message: short(receipt.Message), code: int64(receipt.Code),
		}
	case before != nil:
		return record{
			at: before.Time.Time, channel: before.Channel, reason: before.Reason, message: before.Message,
			code: before.Code,
		}
	default:
		return record{}
	}
}

// short is as much of a text as a status takes.
func short(text string) string {
	runes := []rune(text)
	if len(runes) <= notificationv2beta2.MaxMessage {
		return text
	}

	const mark = "..."

	return string(runes[:notificationv2beta2.MaxMessage-len(mark)]) + mark
}

func (r record) apply() *applyv2beta2.DeliveryRecordApplyConfiguration {
	if r.at.IsZero() {
		return nil
	}

	made := applyv2beta2.DeliveryRecord().WithTime(metav1.NewTime(r.at)).WithReason(r.reason)

	if r.channel != "" {
		made.WithChannel(r.channel)
	}

	if r.code != 0 {
		made.WithCode(r.code)
	}

	if r.message != "" {
		made.WithMessage(r.message)
	}

	return made
}

// apply is the status to write.
func (r receiverSaid) apply(object *notificationv2beta2.Receiver) any {
	status := applyv2beta2.ReceiverStatus().WithSent(r.sent).WithFailed(r.failed).WithConditions(r.condition(object))

	if made := r.success.apply(); made != nil {
		status.WithLastSuccess(made)
	}

	if made := r.failure.apply(); made != nil {
		status.WithLastFailure(made)
	}

	return applyv2beta2.Receiver(object.Name).WithStatus(status)
}

// condition tells whether messages arrive: what was tried last says.
func (r receiverSaid) condition(object *notificationv2beta2.Receiver) *applymetav1.ConditionApplyConfiguration {
	made := condition{
		kind: healthy, status: metav1.ConditionTrue, reason: reasonDelivered, message: "the last message was delivered",
		since: r.success.at, generation: r.generation,
	}

	if r.failure.at.After(r.success.at) {
		made.status, made.reason, made.since = metav1.ConditionFalse, r.failure.reason, r.failure.at
		made.message = r.failure.message
	}

	if made.reason == "" {
		made.reason = "Unknown"
	}

	return made.apply(object.Status.Conditions)
}

// condition is a condition to write.
type condition struct {
	kind            string
	status          metav1.ConditionStatus
	reason, message string
	since           time.Time
	generation      int64
}

// apply keeps the time of the last transition where the status stays.
func (c condition) apply(before []metav1.Condition) *applymetav1.ConditionApplyConfiguration {
	since := metav1.NewTime(c.since)

	for i := range before {
		if before[i].Type == c.kind && before[i].Status == c.status {
			since = before[i].LastTransitionTime
		}
	}

	return applymetav1.Condition().WithType(c.kind).WithStatus(c.status).WithReason(c.reason).
		WithMessage(short(c.message)).WithLastTransitionTime(since).WithObservedGeneration(c.generation)
}

// managerSaid is what is written of a NotificationManager.
type managerSaid struct {
	pending, dead           int64
	lastAlert, lastWatchdog time.Time
	durable                 Durable
	generation              int64
}

// orBefore is a time, or the one that the status has.
func orBefore(at time.Time, before *metav1.Time) time.Time {
	if at.IsZero() && before != nil {
		at = before.Time
	}

	return at.Truncate(time.Second)
}

// apply is the status to write.
func (m managerSaid) apply(object *notificationv2beta2.NotificationManager) any {
	made := condition{
		kind: notificationv2beta2.ConditionDurable, status: metav1.ConditionFalse, reason: m.durable.Reason,
		message: m.durable.Message, since: object.CreationTimestamp.Time, generation: m.generation,
	}

	if m.durable.Yes {
		made.status = metav1.ConditionTrue
	}

	status := applyv2beta2.NotificationManagerStatus().WithPendingDeliveries(m.pending).WithDeadLetters(m.dead).
		WithConditions(made.apply(object.Status.Conditions))

	if !m.lastAlert.IsZero() {
		status.WithLastAlert(metav1.NewTime(m.lastAlert))
	}

	if !m.lastWatchdog.IsZero() {
		status.WithLastWatchdog(metav1.NewTime(m.lastWatchdog))
	}

	return applyv2beta2.NotificationManager(object.Name).WithStatus(status)
}
