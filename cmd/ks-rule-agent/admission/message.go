package admission

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/policy"
)

const (
	// longest is how much of one message is sent: the API server cuts warnings of 4,096 characters together to 256
	// each, and leaves out the rest without a word.
	longest = 250

	// mostWarnings and mostRefusals are how many messages are sent.
	mostWarnings, mostRefusals = 15, 10
)

// surplusMessage says that a namespace has as many groups as it may.
func surplusMessage(most policy.Bound[int]) string {
	return fmt.Sprintf("metadata.namespace: AlertingPolicy %s allows %d groups in a namespace, and the others are as "+
		"many; delete one, or ask for a higher limit", most.By, most.Value)
}

// fit leaves as many messages as the API server passes on, and says how many there are more.
func fit(messages []string) []string {
	sent := make([]string, 0, min(len(messages), mostWarnings+1))

	for i, message := range messages {
		if i == mostWarnings {
			return append(sent, fmt.Sprintf("and %d more; ks-rule-agent explain -f FILE shows all", len(messages)-i))
		}

		sent = append(sent, clip(message))
	}

	return sent
}

// refusal names what is refused, by field.
func refusal(request admission.Request, messages []string) *metav1.Status {
	details := &metav1.StatusDetails{Group: request.Kind.Group, Kind: request.Kind.Kind, Name: request.Name}

	var text strings.Builder

	for i, message := range messages {
		if i == mostRefusals {
			fmt.Fprintf(&text, "; and %d more; ks-rule-agent check -f FILE shows all", len(messages)-i)

			break
		}

		details.Causes = append(details.Causes, cause(message))

		if i > 0 {
			text.WriteString("; ")
		}

		text.WriteString(clip(message))
	}

	return &metav1.Status{
		Status: metav1.StatusFailure, Reason: metav1.StatusReasonInvalid, Message: text.String(), Details: details,
	}
}

// cause parts a message into its field and what is said of it.
func cause(message string) metav1.StatusCause {
	end := strings.IndexAny(message, ": ")
	if end < 0 {
		end = len(message)
	}

	return metav1.StatusCause{
		Type: metav1.CauseTypeFieldValueInvalid, Field: message[:end],
		Message: clip(strings.TrimLeft(message[end:], ": ")),
	}
}

// clip leaves out what no header can carry, and what is too much for one.
func clip(message string) string {
	printable := strings.Map(func(letter rune) rune {
		if letter < ' ' || letter == '\x7f' || letter == '\uFFFD' {
			return ' '
		}

		return letter
	}, strings.ToValidUTF8(message, " "))

	if letters := []rune(printable); len(letters) > longest {
		return string(letters[:longest-1]) + "…"
	}

	return printable
}
