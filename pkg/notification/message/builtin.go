package message

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"

	_ "embed" // the templates
)

// Names of the templates that come with the program. They are what users' templates call and take the place of.
const (
	// Message is what one alert says, in one line; it is called with an alert.
	Message = "nm.default.message"
	// MessageCN is the same for readers of Chinese.
	MessageCN = "nm.default.message.cn"
	// Subject is what a notification is about, in one line.
	Subject = "nm.default.subject"
	// Text is a notification as plain text.
	Text = "nm.default.text"
	// Markdown is a notification in Markdown.
	Markdown = "nm.default.markdown"
	// HTML is a notification in HTML.
	HTML = "nm.default.html"
	// FeishuText is a notification as text of Feishu.
	FeishuText = "nm.feishu.text"
	// FeishuPost is a notification as rich text of Feishu: a JSON object of a language and its title and content.
	FeishuPost = "nm.feishu.post"
	// WebhookMessage is the body of a webhook: the data as JSON.
	WebhookMessage = "webhook.default.message"
	// History is what the history is sent: the data as JSON.
	History = "nm.default.history"
)

//go:embed builtin.tmpl
var builtinText string

// builtins are the templates that come with the program. A test holds that nothing is wrong with them.
func builtins() map[string]*definition {
	made, _ := assemble([]Source{{Name: "built in", Text: builtinText}}, nil, nil)

	return made
}

// Sample is a notification of two alerts, one of each status, to try templates on.
func Sample() *Data {
	now := time.Date(2026, time.January, 2, 15, 4, 5, 0, time.UTC)
	identity := func(name, pod string) labels.Labels {
		return labels.FromStrings(alert.Name, name, "pod", pod, alert.Cluster, "host", alert.Namespace, "shop",
			alert.Severity, "warning", alert.Type, typeMetric)
	}

	firing := alert.Alert{
		Labels:      identity("DiskAlmostFull", "orders-0"),
		Annotations: labels.FromStrings(AnnotationSummary, "Less than 5% of the disk is free & it shrinks."),
		Status:      alert.Firing, StartsAt: now.Add(-90 * time.Minute),
		GeneratorURL: "http://prometheus.example/graph",
	}
	resolved := alert.Alert{
		Labels:      identity("PodRestarts", "orders-1"),
		Annotations: labels.FromStrings(AnnotationMessage, `The pod "orders-1" restarts <often>.`),
		Status:      alert.Resolved, StartsAt: now.Add(-3 * time.Hour), EndsAt: now.Add(-time.Minute),
	}

	return New([]alert.Alert{firing, resolved}, Notification{
		Receiver: "sample", GroupLabels: labels.FromStrings(alert.Namespace, "shop"), Now: now,
	})
}
