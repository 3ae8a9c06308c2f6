package ruletest

import (
	"maps"
	"strings"
	"unicode/utf8"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/internal/promql/evaluation"
)

const (
	// maxMessage is how long a message may be: it goes into the status of an object.
	maxMessage = 2048

	// maxListed is how many elements of a difference are written out.
	maxListed = 10
)

// describeAlert writes an alert so that equal ones read the same.
func describeAlert(labels, annotations evaluation.Labels) string {
	return labels.String() + " with annotations " + annotations.String()
}

// describeExpected writes an alert that a test expects. Its name is known from the test.
func describeExpected(name string, alert Alert) string {
	labels := map[string]string{}
	maps.Copy(labels, alert.Labels)
	labels[evaluation.AlertNameLabel] = name

	return describeAlert(evaluation.LabelsOf(labels), evaluation.LabelsOf(alert.Annotations))
}

func describeSample(labels evaluation.Labels, value evaluation.Value) string {
	return labels.String() + " " + value.String()
}

// difference says what is missing and what is there instead.
func difference(missing, unexpected []string) string {
	var parts []string

	for _, element := range first(missing) {
		parts = append(parts, "missing: "+element)
	}

	for _, element := range first(unexpected) {
		parts = append(parts, "unexpected: "+element)
	}

	return strings.Join(parts, "; ")
}

func first(elements []string) []string {
	if len(elements) > maxListed {
		return append(elements[:maxListed:maxListed], "and more")
	}

	return elements
}

// shorten cuts a message between two letters.
func shorten(message string) string {
	message = strings.ToValidUTF8(message, string(utf8.RuneError))
	if len(message) <= maxMessage {
		return message
	}

	end := maxMessage
	for !utf8.RuneStart(message[end]) {
		end--
	}

	return message[:end] + "..."
}
