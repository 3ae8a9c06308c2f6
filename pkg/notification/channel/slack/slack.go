// Package slack sends messages to a channel of Slack, by the method chat.postMessage with the token of a bot.
package slack

import (
	"context"
	"net/http"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/call"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

const (
	defaultURL = "https://slack.com/api/"
	// longest is how many characters Slack takes in one text before it cuts it off (vendor's documentation).
	longest = 40_000
)

// Settings are those of one channel of Slack.
type Settings struct {
	// BaseURL is where the API is; Slack's own where it is empty.
	BaseURL string
	// Token is the bot's.
	Token secret.String
	// Channel is the channel's name or id.
	Channel string
	// Text makes what is sent, as Slack's mrkdwn.
	Text channel.Renderer
	// MaxSize is how many characters a message has at most, if fewer than Slack takes.
	MaxSize int
}

// Channel sends to one channel of Slack.
type Channel struct {
	caller *call.Caller
	to     egress.Endpoint
	header http.Header
	target string
	form   channel.Form
}

// New makes a Channel. Its errors are *channel.SettingError.
func New(settings Settings, client *egress.Client, clock func() time.Time) (*Channel, error) {
	base, err := channel.Endpoint(channel.Slack, "slackApiUrl", settings.BaseURL, defaultURL)

	switch {
	case err != nil:
		return nil, err
	case settings.Token.Empty():
		return nil, channel.Missing(channel.Slack, "slackTokenSecret")
	case settings.Channel == "":
		return nil, channel.Missing(channel.Slack, "channels")
	case settings.Text == nil:
		return nil, channel.Missing(channel.Slack, "template")
	}

	return &Channel{
		caller: call.New(channel.Slack, client, clock, call.Credential(settings.Token)),
		to:     base.Join("chat.postMessage"),
		header: http.Header{"Authorization": {"Bearer " + settings.Token.Reveal()}},
		target: settings.Channel,
		form: channel.Form{
			Text: settings.Text, Limit: channel.Within(longest, settings.MaxSize), Size: message.Runes,
		},
	}, nil
}

// String names the channel without its credential.
func (c *Channel) String() string {
	return "slack " + c.target
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
	Channel string `json:"channel"`
	Text    string `json:"text"`
}

type answer struct {
	OK    bool   `json:"ok"`
	Error string `json:"error"`
}

// Send sends one message. Slack answers 200 whatever happened; what did is in the body.
func (c *Channel) Send(ctx context.Context, one channel.Message) error {
	got, err := c.caller.Post(ctx, c.to, c.header, request{Channel: c.target, Text: one.Text})
	if err != nil {
		return err
	}

	var said answer
	if err := c.caller.Decode(got, &said); err != nil {
		return err
	}

	if said.OK {
		return c.caller.Status(got)
	}

	if said.Error == "" { // Not Slack's form: what HTTP says has to do.
		said.Error = "no error was named"

		if err := c.caller.Status(got); err != nil {
			return err
		}
	}

	return c.caller.Refusal(classOf(said.Error), got.Status, c.caller.RetryAfter(got), said.Error)
}

// classOf says what an error of chat.postMessage means; the names are those of the vendor's documentation. What is
// not known is tried again.
func classOf(name string) channel.Class {
	switch name {
	case "ratelimited", "rate_limited", "message_limit_exceeded":
		return channel.RateLimited
	case "invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "missing_scope",
		"no_permission", "not_allowed_token_type", "org_login_required", "ekm_access_denied", "access_denied",
		"two_factor_setup_required", "team_access_not_granted", "accesslimited", "enterprise_is_restricted":
		return channel.Denied
	case "channel_not_found", "not_in_channel", "is_archived", "msg_too_long", "no_text", "restricted_action",
		"restricted_action_read_only_channel", "restricted_action_thread_only_channel",
		"restricted_action_non_threadable_channel", "team_not_found", "user_not_found", "cannot_reply_to_message",
		"invalid_arguments", "invalid_arg_name", "invalid_array_arg", "invalid_charset", "invalid_form_data",
		"invalid_post_type", "missing_post_type", "invalid_json", "json_not_object", "method_deprecated",
		"deprecated_endpoint", "unknown_method", "duplicate_channel_not_found", "slack_connect_canvas_sharing_blocked":
		return channel.Permanent
	default: // internal_error, fatal_error, service_unavailable, request_timeout, and what is new.
		return channel.Transient
	}
}
