// Package telegram sends messages to a chat of Telegram, by the method sendMessage of its bot API.
package telegram

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/call"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

const (
	defaultURL = "https://api.telegram.org"
	// longest is the length of a message in UTF-16 units (vendor's documentation).
	longest = 4096
)

// Settings are those of one chat.
type Settings struct {
	// BaseURL is where the API is; Telegram's own where it is empty.
	BaseURL string
	// Token is the bot's.
	Token secret.String
	// Chat is the chat's number, or the name of a public channel after an @.
	Chat string
	// MentionedUsers are the names, without the @, of users who are called by each message.
	MentionedUsers []string
	// Text makes what is sent, as plain text.
	Text channel.Renderer
	// MaxSize is how long a message is at most, if shorter than Telegram takes.
	MaxSize int
}

// Channel sends to one chat.
type Channel struct {
	caller *call.Caller
	to     egress.Endpoint
	chat   string
	form   channel.Form
}

// New makes a Channel. Its errors are *channel.SettingError.
func New(settings Settings, client *egress.Client, clock func() time.Time) (*Channel, error) {
	base, err := channel.Endpoint(channel.Telegram, "telegramApiUrl", settings.BaseURL, defaultURL)

	switch {
	case err != nil:
		return nil, err
	case settings.Token.Empty():
		return nil, channel.Missing(channel.Telegram, "telegramTokenSecret")
	case strings.ContainsAny(settings.Token.Reveal(), "/?# \n"):
		return nil, &channel.SettingError{
			Type: channel.Telegram, Field: "telegramTokenSecret", Problem: "is no token of a bot",
		}
	case settings.Chat == "":
		return nil, channel.Missing(channel.Telegram, "channels")
	case settings.Text == nil:
		return nil, channel.Missing(channel.Telegram, "template")
	}

	return &Channel{
		caller: call.New(channel.Telegram, client, clock, call.Credential(settings.Token)),
		to:     base.Join("bot"+settings.Token.Reveal(), "sendMessage"),
		chat:   settings.Chat,
		form: channel.Form{
			Text:   settings.Text,
			Suffix: mentions(settings.MentionedUsers),
			Limit:  channel.Within(longest, settings.MaxSize),
			Size:   message.UTF16,
		},
	}, nil
}

func mentions(users []string) string {
	if len(users) == 0 {
		return ""
	}

	return "\n@" + strings.Join(users, " @")
}

// String names the chat without its credential.
func (c *Channel) String() string {
	return "telegram " + c.chat
}

// Render makes the messages of a notification.
func (c *Channel) Render(data *message.Data) ([]channel.Message, error) {
	return c.form.Messages(data)
}

type request struct {
	Chat string `json:"chat_id"` //nolint:tagliatelle // Telegram's name
	Text string `json:"text"`
}

type answer struct {
	OK          bool   `json:"ok"`
	Code        int    `json:"error_code"` //nolint:tagliatelle // Telegram's name
	Description string `json:"description"`
	Parameters  struct {
		RetryAfter float64 `json:"retry_after"`        //nolint:tagliatelle // Telegram's name
		MovedTo    int64   `json:"migrate_to_chat_id"` //nolint:tagliatelle // Telegram's name
	} `json:"parameters"`
}

// Send sends one message.
func (c *Channel) Send(ctx context.Context, one channel.Message) error {
	got, err := c.caller.Post(ctx, c.to, nil, request{Chat: c.chat, Text: one.Text})
	if err != nil {
		return err
	}

	var said answer
	if err := c.caller.Decode(got, &said); err != nil {
		return err
	}

	if said.OK {
		return nil
	}

	if said.Code == 0 {
		said.Code = got.Status
	}

	if said.Parameters.MovedTo != 0 {
		said.Description += fmt.Sprintf(" (the group has a new number: set %d)", said.Parameters.MovedTo)
	}

	wait := max(call.Seconds(said.Parameters.RetryAfter), c.caller.RetryAfter(got))

	return c.caller.Refusal(classOf(said.Code), said.Code, wait, said.Description)
}

// classOf says what a code means. The codes are those of HTTP (vendor's documentation); a token of the wrong form
// is answered as 404, and a bot that was put out of a chat as 403 (observed).
func classOf(code int) channel.Class {
	switch code {
	case http.StatusTooManyRequests:
		return channel.RateLimited
	case http.StatusUnauthorized, http.StatusNotFound:
		return channel.Denied
	case http.StatusBadRequest, http.StatusForbidden, http.StatusRequestEntityTooLarge:
		return channel.Permanent
	default: // Errors of the server, and what is new.
		return channel.Transient
	}
}
