package dingtalk

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/call"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/token"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

// ConversationSettings are those of one conversation.
type ConversationSettings struct {
	// BaseURL is where the API is; DingTalk's own where it is empty.
	BaseURL string
	// AppKey and AppSecret are the app's.
	AppKey    secret.String
	AppSecret secret.String
	// ChatID is the conversation.
	ChatID string
	// Kind is Text or Markdown; empty is Text.
	Kind string
	// Title makes the title of a Markdown message; nil is one of ours.
	Title channel.Renderer
	// Text makes the text.
	Text channel.Renderer
	// MaxSize is how many bytes a message has at most, if fewer than DingTalk takes.
	MaxSize int
}

// Conversation sends to one conversation.
type Conversation struct {
	caller *call.Caller
	tokens *token.Cache
	key    token.Key
	login  egress.Endpoint
	to     egress.Endpoint
	chat   string
	kind   string
	form   channel.Form
}

// NewConversation makes a Conversation. Its errors are *channel.SettingError.
func NewConversation(
	settings ConversationSettings, client *egress.Client, tokens *token.Cache, clock func() time.Time,
) (*Conversation, error) {
	base, err := channel.Endpoint(channel.DingTalk, "conversation.apiUrl", settings.BaseURL, defaultURL)
	if err != nil {
		return nil, err
	}

	if err := settings.check(); err != nil {
		return nil, err
	}

	key, password := settings.AppKey.Reveal(), settings.AppSecret.Reveal()

	return &Conversation{
		caller: call.New(channel.DingTalk, client, clock,
			call.Credential(settings.AppKey), call.Credential(settings.AppSecret)),
		tokens: tokens,
		key:    token.KeyOf(base.String(), key, password),
		login:  base.Join("gettoken").With("appkey", key).With("appsecret", password),
		to:     base.Join("chat", "send"),
		chat:   settings.ChatID,
		kind:   settings.Kind,
		form: channel.Form{
			Title:      settings.Title,
			TitleLimit: longestTitle,
			Text:       settings.Text,
			Limit:      channel.Within(longestConversation, settings.MaxSize),
			Size:       message.Bytes,
		},
	}, nil
}

func (s ConversationSettings) check() error {
	switch {
	case s.AppKey.Empty():
		return channel.Missing(channel.DingTalk, "conversation.appkey")
	case s.AppSecret.Empty():
		return channel.Missing(channel.DingTalk, "conversation.appsecret")
	case s.ChatID == "":
		return channel.Missing(channel.DingTalk, "conversation.chatids")
	case s.Text == nil:
		return channel.Missing(channel.DingTalk, "template")
	default:
		return checkKind(s.Kind)
	}
}

// String names the channel without its credential.
func (c *Conversation) String() string {
	return "dingtalk conversation " + c.chat
}

// GoString hides the credential from %#v.
func (c *Conversation) GoString() string {
	return c.String()
}

// Render makes the messages of a notification.
func (c *Conversation) Render(data *message.Data) ([]channel.Message, error) {
	return c.form.Messages(data)
}

type conversationRequest struct {
	body

	Chat string `json:"chatid"`
}

// Send sends one message. A token that is not accepted is dropped: the next call gets another.
func (c *Conversation) Send(ctx context.Context, one channel.Message) error {
	with, err := c.tokens.Get(ctx, c.key, c.fetch)
	if err != nil {
		return channel.AsError(err)
	}

	caller := c.caller.Hiding(call.Credential(with.Secret()))

	got, err := caller.Post(ctx, c.to.With("access_token", with.Reveal()), nil,
		conversationRequest{body: bodyOf(c.kind, one), Chat: c.chat})
	if err != nil {
		return err
	}

	var said answer
	if err := caller.Decode(got, &said); err != nil {
		return err
	}

	if !said.failed() {
		return caller.Status(got)
	}

	if tokenRefused(said.number()) {
		c.tokens.Invalidate(with)
	}

	return said.refusal(caller)
}

// fetch gets a token from DingTalk.
func (c *Conversation) fetch(ctx context.Context) (token.Grant, error) {
	got, err := c.caller.Do(ctx, egress.Request{Method: http.MethodGet, To: c.login})
	if err != nil {
		return token.Grant{}, err
	}

	var said answer
	if err := c.caller.Decode(got, &said); err != nil {
		return token.Grant{}, err
	}

	switch {
	case said.failed():
		return token.Grant{}, said.refusal(c.caller)
	case said.Token == "":
		return token.Grant{}, &channel.Error{Class: channel.Transient, Err: errors.New("dingtalk gave no token")}
	default:
		return token.Grant{Token: secret.New(said.Token), Lifetime: time.Duration(said.Lifetime) * time.Second}, nil
	}
}
