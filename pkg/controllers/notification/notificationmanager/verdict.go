package notificationmanager

import (
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/notification/rendering"
)

// ConditionAvailable is True while a pod takes alerts.
const ConditionAvailable = "Available"

// Reasons of the conditions.
const (
	reasonAccepted    = "Accepted"
	reasonApplied     = "Applied"
	reasonApplyFailed = "ApplyFailed"
	reasonNoPod       = "NoPodReady"
	reasonPodReady    = "PodReady"
	reasonVolume      = "Volume"
	reasonNodeDisk    = "NodeDisk"
	reasonMemory      = "Memory"
)

// verdict is the status that the NotificationManager should have.
func verdict(
	object *notificationv2beta2.NotificationManager, found children, decided rendering.Result, failure error,
) (notificationv2beta2.NotificationManagerStatus, kube.Report) {
	status := object.Status
	if decided.Broken() {
		return status, broken(decided)
	}

	var all, taking int32

	for at, child := range found {
		if at.Name == rendering.WorkloadName(object.Name) {
			all += replicas(child)
			taking += ready(child)
		}
	}

	status.Replicas, status.ReadyReplicas, status.Endpoint = &all, &taking, decided.Endpoint

	if failure != nil {
		return status, failed(decided, failure, taking)
	}

	report := kube.Report{
		State: kube.StateReady, Reason: reasonPodReady, Message: "Alerts are taken at " + decided.Endpoint + ".",
		Conditions: []metav1.Condition{
			accepted(decided),
			{Type: kube.ConditionProgrammed, Status: metav1.ConditionTrue, Reason: reasonApplied},
			available(taking), durable(&object.Spec, decided),
		},
	}

	if taking == 0 {
		report.State, report.Reason = kube.StateProgressing, reasonNoPod
		report.Message = "No pod takes alerts yet; kubectl describe pods -l notification-manager=" + object.Name +
			" tells why."
	}

	return status, report
}

func broken(decided rendering.Result) kube.Report {
	condition := accepted(decided)

	return kube.Report{
		State: kube.StateStalled, Reason: condition.Reason, Message: condition.Message,
		Conditions: []metav1.Condition{condition},
	}
}

func failed(decided rendering.Result, failure error, taking int32) kube.Report {
	report := kube.Report{State: kube.StateFailed, Reason: reasonApplyFailed, Message: failure.Error()}

	if stalled, is := errors.AsType[*kube.StalledError](failure); is {
		report.State, report.Reason = kube.StateStalled, stalled.Reason
	}

	report.Conditions = []metav1.Condition{
		accepted(decided),
		{
			Type: kube.ConditionProgrammed, Status: metav1.ConditionFalse, Reason: report.Reason,
			Message: report.Message,
		},
		available(taking),
	}

	return report
}

// accepted tells of the findings: first of one that breaks, if there is one.
func accepted(decided rendering.Result) metav1.Condition {
	made := metav1.Condition{Type: kube.ConditionAccepted, Status: metav1.ConditionTrue, Reason: reasonAccepted}
	if len(decided.Findings) == 0 {
		return made
	}

	first := decided.Findings[0]

	for _, one := range decided.Findings {
		if one.Breaks {
			first = one

			break
		}
	}

	made.Status, made.Reason, made.Message = metav1.ConditionFalse, string(first.Reason), first.String()

	switch {
	case first.Breaks:
		made.Message += "; until then what runs stays as it is"
	case first.Reason == rendering.ImageReplaced:
		made.Status = metav1.ConditionTrue // It is what whoever comes from KubeSphere has, and all is well.
	}

	if more := len(decided.Findings) - 1; more > 0 {
		made.Message += fmt.Sprintf(" (and %d more)", more)
	}

	return made
}

func available(taking int32) metav1.Condition {
	if taking > 0 {
		return metav1.Condition{Type: ConditionAvailable, Status: metav1.ConditionTrue, Reason: reasonPodReady}
	}

	return metav1.Condition{
		Type: ConditionAvailable, Status: metav1.ConditionFalse, Reason: reasonNoPod,
		Message: "No pod takes alerts: their senders try again.",
	}
}

// durable tells whether what is acknowledged outlives the pod.
func durable(spec *notificationv2beta2.NotificationManagerSpec, decided rendering.Result) metav1.Condition {
	made := metav1.Condition{
		Type: notificationv2beta2.ConditionDurable, Status: metav1.ConditionFalse, Reason: reasonNodeDisk,
		Message: "Messages that wait are on the disk of the node, and go with the pod; ask for a volume in " +
			"spec.delivery.storage.volumeClaimTemplate.",
	}

	switch {
	case spec.Delivery != nil && spec.Delivery.AckPolicy == notificationv2beta2.AckMemory:
		made.Reason = reasonMemory
		made.Message = "Messages that wait are in memory, as spec.delivery.ackPolicy says, and go with the container."
	case decided.Stateful:
		made.Status, made.Reason, made.Message = metav1.ConditionTrue, reasonVolume, ""
	}

	return made
}
