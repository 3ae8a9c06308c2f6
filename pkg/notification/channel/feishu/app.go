package feishu

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

// mostRecipients is how many users, and how many departments, one call may be for (contract).
const mostRecipients = 200

// AppSettings are those of an app and its recipients.
type AppSettings struct {
	// BaseURL is where the API is; Feishu's own where it is empty.
	BaseURL string
	// AppID and AppSecret are the app's.
	AppID     secret.String
	AppSecret secret.String
	// Users and Departments are the ids of whom the messages are for, at most 200 of each.
	Users       []string
	Departments []string
	// Kind is Text or Post; empty is Post.
	Kind string
	// Text makes the text, of that kind.
	Text channel.Renderer
}

// App sends to the recipients of one Receiver.
type App struct {
	caller      *call.Caller
	tokens      *token.Cache
	key         token.Key
	login       egress.Endpoint
	credential  credential
	to          egress.Endpoint
	users       []string
	departments []string
	writing     writing
}

// credential is what a token is given for. It is written in the moment it is sent, so that it is printed nowhere.
type credential struct {
	id, secret secret.String
}

// NewApp makes an App. Its errors are *channel.SettingError.
func NewApp(settings AppSettings, client *egress.Client, tokens *token.Cache, clock func() time.Time) (*App, error) {
	base, err := channel.Endpoint(channel.Feishu, "feishuApiUrl", settings.BaseURL, defaultURL)
	if err != nil {
		return nil, err
	}

	if err := settings.check(); err != nil {
		return nil, err
	}

	return &App{
		caller: call.New(channel.Feishu, client, clock,
			call.Credential(settings.AppID), call.Credential(settings.AppSecret)),
		tokens:      tokens,
		key:         token.KeyOf(base.String(), settings.AppID.Reveal(), settings.AppSecret.Reveal()),
		login:       base.Join("open-apis/auth/v3/tenant_access_token/internal"),
		credential:  credential{id: settings.AppID, secret: settings.AppSecret},
		to:          base.Join("open-apis/message/v4/batch_send/"),
		users:       settings.Users,
		departments: settings.Departments,
		writing:     writing{kind: settings.Kind, text: settings.Text},
	}, nil
}

func (s AppSettings) check() error {
	const tooMany = "has more than 200 entries"

	switch {
	case s.AppID.Empty():
		return channel.Missing(channel.Feishu, "appID")
	case s.AppSecret.Empty():
		return channel.Missing(channel.Feishu, "appSecret")
	case len(s.Users) == 0 && len(s.Departments) == 0:
		return channel.Missing(channel.Feishu, "user")
	case len(s.Users) > mostRecipients:
		return &channel.SettingError{Type: channel.Feishu, Field: "user", Problem: tooMany}
	case len(s.Departments) > mostRecipients:
		return &channel.SettingError{Type: channel.Feishu, Field: "department", Problem: tooMany}
	case s.Text == nil:
		return channel.Missing(channel.Feishu, "template")
	default:
		return checkKind(s.Kind)
	}
}

// String names the channel without its credential.
func (a *App) String() string {
	return "feishu app at " + a.to.String()
}

// GoString hides the credential from %#v.
func (a *App) GoString() string {
	return a.String()
}

// Render makes the messages of a notification.
func (a *App) Render(data *message.Data) ([]channel.Message, error) {
	return a.writing.messages(data)
}

// Send sends one message. A token that is not accepted is dropped: the next call gets another.
func (a *App) Send(ctx context.Context, one channel.Message) error {
	with, err := a.tokens.Get(ctx, a.key, a.fetch)
	if err != nil {
		return channel.AsError(err)
	}

	caller := a.caller.Hiding(call.Credential(with.Secret()))

	made := a.writing.request(one)
	made.Users, made.Departments = a.users, a.departments

	got, err := caller.Post(ctx, a.to, http.Header{"Authorization": {"Bearer " + with.Reveal()}}, made)
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

		return said.refusal(caller, got)
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

	if len(a.Data.InvalidUsers) > 0 {
		missed = append(missed, "users "+strings.Join(a.Data.InvalidUsers, " "))
	}

	if len(a.Data.InvalidDepartments) > 0 {
		missed = append(missed, "departments "+strings.Join(a.Data.InvalidDepartments, " "))
	}

	if len(missed) == 0 {
		return ""
	}

	return "it was sent, but not to " + strings.Join(missed, ", ") + ": they are unknown or the app may not see them"
}

// fetch gets a token from Feishu.
func (a *App) fetch(ctx context.Context) (token.Grant, error) {
	got, err := a.caller.Post(ctx, a.login, nil, map[string]string{
		"app_id": a.credential.id.Reveal(), "app_secret": a.credential.secret.Reveal(),
	})
	if err != nil {
		return token.Grant{}, err
	}

	var said answer
	if err := a.caller.Decode(got, &said); err != nil {
		return token.Grant{}, err
	}

	switch {
	case said.Code != 0:
		return token.Grant{}, said.refusal(a.caller, got)
	case said.Token == "":
		return token.Grant{}, &channel.Error{Class: channel.Transient, Err: errors.New("feishu gave no token")}
	default:
		return token.Grant{Token: secret.New(said.Token), Lifetime: time.Duration(said.Lifetime) * time.Second}, nil
	}
}
