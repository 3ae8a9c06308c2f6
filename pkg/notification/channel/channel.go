// Package channel says what a way to bring a message to a person is: it makes messages of a notification, split to
// what the provider takes, and sends them one by one. The providers are the packages below this one.
package channel

import (
	"context"

	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
)

// Type names a kind of channel, by the name of its field in a Receiver.
type Type string

// The channels.
const (
	DingTalk Type = "dingtalk"
	Discord  Type = "discord"
	Email    Type = "email"
	Feishu   Type = "feishu"
	Slack    Type = "slack"
	Teams    Type = "teams"
	Telegram Type = "telegram"
	Webhook  Type = "webhook"
	WeCom    Type = "wechat"
)

// Message is what is sent in one call: the body a provider is given, made already.
type Message struct {
	// Title is the subject, where the channel has one.
	Title string
	// Text is the text, in the form the channel was set to (plain, Markdown, HTML, JSON).
	Text string
}

// Channel is one target of one receiver: an address, a conversation, a list of people. It is safe for use by
// several goroutines.
type Channel interface {
	// Render makes the messages of a notification. It makes the same ones of the same data, so that what was sent
	// of them before an interruption is not sent again. Its errors are of the class Permanent.
	Render(data *message.Data) ([]Message, error)
	// Send sends one of them. Its errors are *Error. It returns within the context's deadline.
	Send(ctx context.Context, message Message) error
}
