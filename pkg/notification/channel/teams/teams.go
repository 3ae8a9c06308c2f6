// Package teams sends messages to a channel of Microsoft Teams, as adaptive cards to the webhook of a workflow.
package teams

import (
	"context"
	"strings"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/call"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

const (
	// longest is the size of a message in bytes (vendor's documentation: 28 KB).
	longest = 28 << 10
	// longestTitle is how much of a title is shown, in characters; a limit of ours.
	longestTitle = 200
	// reserve is what the title may take at most in JSON.
	reserve = 6 * longestTitle
)

// Settings are those of one workflow.
type Settings struct {
	// Webhook is the URL; who has it can send.
	Webhook secret.String
	// Title makes the title; nil is none.
	Title channel.Renderer
	// Text makes the text, in the Markdown that cards know.
	Text channel.Renderer
}

// Channel sends to one workflow.
type Channel struct {
	caller *call.Caller
	to     egress.Endpoint
	form   channel.Form
}

// New makes a Channel. Its errors are *channel.SettingError.
func New(settings Settings, client *egress.Client, clock func() time.Time) (*Channel, error) {
	to, err := channel.SecretEndpoint(channel.Teams, "webhook", settings.Webhook)

	switch {
	case err != nil:
		return nil, err
	case settings.Text == nil:
		return nil, channel.Missing(channel.Teams, "template")
	}

	return &Channel{
		caller: call.New(channel.Teams, client, clock, call.Address(to)),
		to:     to,
		form: channel.Form{
			Title: settings.Title, TitleLimit: longestTitle,
			Text: settings.Text, Limit: longest - reserve - call.Size(card("", "")), Size: size,
		},
	}, nil
}

// size is how long a text is in a card.
func size(text string) int {
	return call.Size(paragraphs(text))
}

// String names the channel without its credential.
func (c *Channel) String() string {
	return "teams " + c.to.String()
}

// GoString hides the credential from %#v.
func (c *Channel) GoString() string {
	return c.String()
}

// Render makes the messages of a notification.
func (c *Channel) Render(data *message.Data) ([]channel.Message, error) {
	return c.form.Messages(data)
}

type envelope struct {
	Type        string       `json:"type"`
	Attachments []attachment `json:"attachments"`
}

type attachment struct {
	ContentType string  `json:"contentType"`
	ContentURL  *string `json:"contentUrl"` //nolint:tagliatelle // Teams' name
	Content     content `json:"content"`
}

type content struct {
	Schema  string    `json:"$schema"`
	Type    string    `json:"type"`
	Version string    `json:"version"`
	Body    []block   `json:"body"`
	Teams   *fullSize `json:"msteams"`
}

type block struct {
	Type   string `json:"type"`
	Text   string `json:"text"`
	Wrap   bool   `json:"wrap"`
	Weight string `json:"weight,omitempty"`
	Size   string `json:"size,omitempty"`
}

type fullSize struct {
	Width string `json:"width"`
}

// card is a message with one adaptive card: the title, large, and the text.
func card(title, text string) envelope {
	const textBlock = "TextBlock"

	return envelope{
		Type: "message",
		Attachments: []attachment{{
			ContentType: "application/vnd.microsoft.card.adaptive",
			Content: content{
				Schema:  "http://adaptivecards.io/schemas/adaptive-card.json",
				Type:    "AdaptiveCard",
				Version: "1.4",
				Body: []block{
					{Type: textBlock, Text: title, Wrap: true, Weight: "Bolder", Size: "Medium"},
					{Type: textBlock, Text: text, Wrap: true},
				},
				Teams: &fullSize{Width: "Full"},
			},
		}},
	}
}

// Send sends one message. A workflow answers 202.
func (c *Channel) Send(ctx context.Context, one channel.Message) error {
	body := card(one.Title, paragraphs(one.Text))
	if one.Title == "" {
		only := &body.Attachments[0].Content
		only.Body = only.Body[1:]
	}

	got, err := c.caller.Post(ctx, c.to, nil, body)
	if err != nil {
		return err
	}

	return c.caller.Status(got)
}

// paragraphs keeps the lines of a text apart: in a card one line break is none, but within a list (vendor's
// documentation).
func paragraphs(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")

	var made strings.Builder

	for i, line := range lines {
		if i > 0 {
			made.WriteString(between(lines[i-1], line))
		}

		made.WriteString(line)
	}

	return made.String()
}

func between(before, after string) string {
	switch {
	case before == "" || after == "": // A break already, with the one on the other side.
		return "\n"
	case listed(before) && listed(after):
		return "\n"
	default:
		return "\n\n"
	}
}

// listed says whether a line is one of a list: it begins with a dash, a star or a number.
func listed(line string) bool {
	line = strings.TrimLeft(line, " \t")

	for _, mark := range []string{"- ", "* ", "+ "} {
		if strings.HasPrefix(line, mark) {
			return true
		}
	}

	rest := strings.TrimLeft(line, "0123456789")

	return len(rest) < len(line) && strings.HasPrefix(rest, ". ")
}
