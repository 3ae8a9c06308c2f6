// Package discord sends messages to an incoming webhook of Discord.
package discord

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

// The kinds of messages, as a Receiver names them.
const (
	// Content is a message as a user would write it.
	Content = "content"
	// Embed is a message in a frame, which may be longer.
	Embed = "embed"
)

const (
	// The lengths of the two kinds (vendor's documentation), counted here in UTF-16 units, which are never fewer
	// than characters.
	longestContent = 2000
	longestEmbed   = 4096
	// everyone is the name by which a Receiver calls all members.
	everyone = "everyone"
)

// Settings are those of one webhook.
type Settings struct {
	// Webhook is the URL; who has it can send.
	Webhook secret.String
	// Kind is Content or Embed; empty is Content.
	Kind string
	// MentionedUsers are the ids of users, or "everyone", who are called by each message.
	MentionedUsers []string
	// MentionedRoles are the ids of roles.
	MentionedRoles []string
	// Text makes what is sent, as Discord's Markdown.
	Text channel.Renderer
}

// Channel sends to one webhook.
type Channel struct {
	caller   *call.Caller
	to       egress.Endpoint
	embed    bool
	mentions string
	allowed  allowed
	form     channel.Form
}

// New makes a Channel. Its errors are *channel.SettingError.
func New(settings Settings, client *egress.Client, clock func() time.Time) (*Channel, error) {
	to, err := channel.SecretEndpoint(channel.Discord, "webhook", settings.Webhook)

	switch {
	case err != nil:
		return nil, err
	case settings.Kind != "" && settings.Kind != Content && settings.Kind != Embed:
		return nil, &channel.SettingError{
			Type: channel.Discord, Field: "type", Problem: `must be "content" or "embed"`,
		}
	case settings.Text == nil:
		return nil, channel.Missing(channel.Discord, "template")
	}

	mentions := mention(settings)
	if message.UTF16(mentions) > longestContent/2 {
		return nil, &channel.SettingError{
			Type: channel.Discord, Field: "mentionedUsers",
			Problem: "calls so many that no room is left for the message",
		}
	}

	made := &Channel{
		caller:   call.New(channel.Discord, client, clock, call.Address(to)),
		to:       to,
		embed:    settings.Kind == Embed,
		mentions: mentions,
		allowed:  allow(settings),
	}

	made.form = channel.Form{Text: settings.Text, Limit: longestEmbed, Size: message.UTF16}

	if !made.embed {
		made.form.Limit, made.form.Suffix = longestContent, below(mentions)
	}

	return made, nil
}

// mention is the text by which users and roles are called.
func mention(settings Settings) string {
	var text strings.Builder

	for _, user := range settings.MentionedUsers {
		if user == everyone {
			text.WriteString("@everyone")
		} else {
			text.WriteString("<@" + user + ">")
		}
	}

	for _, role := range settings.MentionedRoles {
		text.WriteString("<@&" + role + ">")
	}

	return text.String()
}

func below(text string) string {
	if text == "" {
		return ""
	}

	return "\n" + text
}

// allowed says who may be called by a message, whatever its text says: an alert's annotation must not wake a server.
type allowed struct {
	Parse []string `json:"parse"`
	Users []string `json:"users,omitempty"`
	Roles []string `json:"roles,omitempty"`
}

func allow(settings Settings) allowed {
	to := allowed{Parse: []string{}, Roles: settings.MentionedRoles}

	for _, user := range settings.MentionedUsers {
		if user == everyone {
			to.Parse = []string{everyone}
		} else {
			to.Users = append(to.Users, user)
		}
	}

	return to
}

// String names the channel without its credential.
func (c *Channel) String() string {
	return "discord " + c.to.String()
}

// GoString hides the credential from %#v.
func (c *Channel) GoString() string {
	return c.String()
}

// Render makes the messages of a notification.
func (c *Channel) Render(data *message.Data) ([]channel.Message, error) {
	return c.form.Messages(data)
}

type request struct {
	Content string  `json:"content,omitempty"`
	Embeds  []embed `json:"embeds,omitempty"`
	Allowed allowed `json:"allowed_mentions"` //nolint:tagliatelle // Discord's name
}

type embed struct {
	Description string `json:"description"`
}

type answer struct {
	Message    string  `json:"message"`
	Code       int     `json:"code"`
	RetryAfter float64 `json:"retry_after"` //nolint:tagliatelle // Discord's name
}

// Send sends one message. Discord answers 204, or 200 with the message where it is asked to wait for it.
func (c *Channel) Send(ctx context.Context, one channel.Message) error {
	body := request{Content: one.Text, Allowed: c.allowed}
	if c.embed { // Nobody is called by what stands in a frame.
		body.Content, body.Embeds = c.mentions, []embed{{Description: one.Text}}
	}

	got, err := c.caller.Post(ctx, c.to, nil, body)
	if err != nil {
		return err
	}

	failed := c.caller.Status(got)
	if failed == nil {
		return nil
	}

	var said answer
	if err := c.caller.Decode(got, &said); err != nil || said.Message == "" {
		return failed
	}

	known := channel.AsError(failed)
	wait := max(known.RetryAfter, call.Seconds(said.RetryAfter))

	return c.caller.Refusal(known.Class, known.Code, wait, said.Message)
}
