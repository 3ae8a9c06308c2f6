package wecom

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/call"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/token"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

// How many one call may be for (vendor's documentation).
const (
	mostUsers   = 1000
	mostParties = 100
	mostTags    = 100
)

// Recipients are whom a message is for.
type Recipients struct {
	Users   []string
	Parties []string
	Tags    []string
}

// Batches are recipients as one call each may have them. Each batch is a channel of its own: what one of them gets
// is not sent again because another did not.
func (r Recipients) Batches() []Recipients {
	var made []Recipients

	for rest := r; !rest.empty(); {
		var batch Recipients

		batch.Users, rest.Users = cut(rest.Users, mostUsers)
		batch.Parties, rest.Parties = cut(rest.Parties, mostParties)
		batch.Tags, rest.Tags = cut(rest.Tags, mostTags)

		made = append(made, batch)
	}

	return made
}

func (r Recipients) empty() bool {
	return len(r.Users) == 0 && len(r.Parties) == 0 && len(r.Tags) == 0
}

func cut(from []string, most int) (first, rest []string) {
	size := min(len(from), most)

	return from[:size], from[size:]
}

// check gives an error for recipients that are none, too many, or would be taken for several.
func (r Recipients) check() error {
	if r.empty() {
		return channel.Missing(channel.WeCom, "toUser")
	}

	for _, list := range []struct {
		field string
		names []string
		most  int
	}{{"toUser", r.Users, mostUsers}, {"toParty", r.Parties, mostParties}, {"toTag", r.Tags, mostTags}} {
		if len(list.names) > list.most {
			return &channel.SettingError{
				Type: channel.WeCom, Field: list.field, Problem: "has more entries than one call may have: use Batches",
			}
		}

		for _, name := range list.names {
			if name == "" || strings.Contains(name, "|") {
				return &channel.SettingError{
					Type: channel.WeCom, Field: list.field, Problem: `has an entry that is empty or has a "|" in it`,
				}
			}
		}
	}

	return nil
}

// AppSettings are those of an app and one batch of recipients.
type AppSettings struct {
	// BaseURL is where the API is; WeCom's own where it is empty.
	BaseURL string
	// CorpID and AgentID name the company and the app, Secret is the app's.
	CorpID  string
	AgentID string
	Secret  secret.String
	// To is whom the messages are for.
	To Recipients
	// Kind is Text or Markdown; empty is Text.
	Kind string
	// Text makes the text.
	Text channel.Renderer
	// MaxSize is how many bytes a message has at most, if fewer than WeCom takes.
	MaxSize int
}

// App sends to one batch of recipients.
type App struct {
	caller   *call.Caller
	tokens   *token.Cache
	key      token.Key
	login    egress.Endpoint
	to       egress.Endpoint
	envelope envelope
	form     channel.Form
}

// envelope is the part of a request that is the same for all messages.
type envelope struct {
	Users   string `json:"touser,omitempty"`
	Parties string `json:"toparty,omitempty"`
	Tags    string `json:"totag,omitempty"`
	Agent   string `json:"agentid"`
	Safe    string `json:"safe"`

	kind string
}

type request struct {
	envelope
	body
}

// NewApp makes an App. Its errors are *channel.SettingError.
func NewApp(settings AppSettings, client *egress.Client, tokens *token.Cache, clock func() time.Time) (*App, error) {
	base, err := channel.Endpoint(channel.WeCom, "wechatApiUrl", settings.BaseURL, defaultURL)
	if err != nil {
		return nil, err
	}

	if err := settings.check(); err != nil {
		return nil, err
	}

	const separator = "|"

	password := settings.Secret.Reveal()

	return &App{
		caller: call.New(channel.WeCom, client, clock, call.Credential(settings.Secret)),
		tokens: tokens,
		// The app is named by its secret: each app of a company has one of its own.
		key:   token.KeyOf(base.String(), settings.CorpID, password),
		login: base.Join("gettoken").With("corpid", settings.CorpID).With("corpsecret", password),
		to:    base.Join("message", "send"),
		envelope: envelope{
			Users:   strings.Join(settings.To.Users, separator),
			Parties: strings.Join(settings.To.Parties, separator),
			Tags:    strings.Join(settings.To.Tags, separator),
			Agent:   settings.AgentID,
			Safe:    "0",
			kind:    settings.Kind,
		},
		form: channel.Form{
			Text: settings.Text, Limit: channel.Within(longest, settings.MaxSize), Size: message.Bytes,
		},
	}, nil
}

func (s AppSettings) check() error {
	switch {
	case s.CorpID == "":
		return channel.Missing(channel.WeCom, "wechatApiCorpId")
	case s.AgentID == "":
		return channel.Missing(channel.WeCom, "wechatApiAgentId")
	case s.Secret.Empty():
		return channel.Missing(channel.WeCom, "wechatApiSecret")
	case s.Text == nil:
		return channel.Missing(channel.WeCom, "template")
	}

	if err := s.To.check(); err != nil {
		return err
	}

	return checkKind(s.Kind)
}

// String names the channel without its credential.
func (a *App) String() string {
	return "wechat app " + a.envelope.Agent
}

// GoString hides the credential from %#v.
func (a *App) GoString() string {
	return a.String()
}

// Render makes the messages of a notification.
func (a *App) Render(data *message.Data) ([]channel.Message, error) {
	return a.form.Messages(data)
}

// Send sends one message. A token that is not accepted is dropped: the next call gets another.
func (a *App) Send(ctx context.Context, one channel.Message) error {
	with, err := a.tokens.Get(ctx, a.key, a.fetch)
	if err != nil {
		return channel.AsError(err)
	}

	caller := a.caller.Hiding(call.Credential(with.Secret()))

	got, err := caller.Post(ctx, a.to.With("access_token", with.Reveal()), nil,
		request{envelope: a.envelope, body: bodyOf(a.envelope.kind, one.Text)})
	if err != nil {
		return err
	}

	var said answer
	if err := caller.Decode(got, &said); err != nil {
		return err
	}

	if said.Code != 0 {
		if tokenRefused(said.Code) {
			a.tokens.Invalidate(with)
		}

		return said.refusal(caller)
	}

	if missed := said.missed(); missed != "" {
		return caller.Refusal(channel.Permanent, 0, 0, missed)
	}

	return caller.Status(got)
}

// missed says who did not get a message that the others got; it is not sent again, for the others would get it
// twice.
func (a answer) missed() string {
	var missed []string

	for _, one := range []struct{ what, names string }{
		{"users", a.InvalidUsers},
		{"users without a licence", a.Unlicensed},
		{"departments", a.InvalidParties},
		{"tags", a.InvalidTags},
	} {
		if one.names != "" {
			missed = append(missed, one.what+" "+one.names)
		}
	}

	if len(missed) == 0 {
		return ""
	}

	return "it was sent, but not to " + strings.Join(missed, ", ") + ": they are unknown or the app may not see them"
}

// fetch gets a token from WeCom.
func (a *App) fetch(ctx context.Context) (token.Grant, error) {
	got, err := a.caller.Do(ctx, egress.Request{Method: http.MethodGet, To: a.login})
	if err != nil {
		return token.Grant{}, err
	}

	var said answer
	if err := a.caller.Decode(got, &said); err != nil {
		return token.Grant{}, err
	}

	switch {
	case said.Code != 0:
		return token.Grant{}, said.refusal(a.caller)
	case said.Token == "":
		return token.Grant{}, &channel.Error{Class: channel.Transient, Err: errors.New("wechat gave no token")}
	default:
		return token.Grant{Token: secret.New(said.Token), Lifetime: time.Duration(said.Lifetime) * time.Second}, nil
	}
}
