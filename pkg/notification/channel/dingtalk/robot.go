package dingtalk

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/call"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

// RobotSettings are those of the robot of one group.
type RobotSettings struct {
	// Webhook is the URL; who has it can send.
	Webhook secret.String
	// Secret signs the calls where the robot wants it.
	Secret secret.String
	// Keywords are added to each message: the robot takes only what has one of its own.
	Keywords []string
	// AtMobiles and AtUsers are who is called by each message, AtAll calls everybody.
	AtMobiles []string
	AtUsers   []string
	AtAll     bool
	// Kind is Text or Markdown; empty is Text.
	Kind string
	// Title makes the title of a Markdown message; nil is one of ours.
	Title channel.Renderer
	// Text makes the text.
	Text channel.Renderer
	// MaxSize is how many bytes a message has at most, if fewer than DingTalk takes.
	MaxSize int
}

// Robot sends to the robot of one group.
type Robot struct {
	caller *call.Caller
	to     egress.Endpoint
	secret secret.String
	at     at
	kind   string
	form   channel.Form
}

type at struct {
	Mobiles []string `json:"atMobiles,omitempty"`
	Users   []string `json:"atUserIds,omitempty"`
	All     bool     `json:"isAtAll"`
}

// NewRobot makes a Robot. Its errors are *channel.SettingError.
func NewRobot(settings RobotSettings, client *egress.Client, clock func() time.Time) (*Robot, error) {
	to, err := channel.SecretEndpoint(channel.DingTalk, "chatbot.webhook", settings.Webhook)

	switch {
	case err != nil:
		return nil, err
	case settings.Text == nil:
		return nil, channel.Missing(channel.DingTalk, "template")
	}

	if err := checkKind(settings.Kind); err != nil {
		return nil, err
	}

	form := channel.Form{
		Title:      settings.Title,
		TitleLimit: longestTitle,
		Text:       settings.Text,
		Suffix:     settings.suffix(),
		Limit:      channel.Within(longestRobot, settings.MaxSize),
		Size:       message.Bytes,
	}

	if !form.Fits() {
		return nil, &channel.SettingError{
			Type: channel.DingTalk, Field: "chatbot.keywords", Problem: "leave no room for the message",
		}
	}

	return &Robot{
		caller: call.New(channel.DingTalk, client, clock, call.Address(to), call.Credential(settings.Secret)),
		to:     to,
		secret: settings.Secret,
		at:     at{Mobiles: settings.AtMobiles, Users: settings.AtUsers, All: settings.AtAll},
		kind:   settings.Kind,
		form:   form,
	}, nil
}

// suffix is what is added to each message: the keywords, and in Markdown the names of those who are called, who
// are not told of it otherwise.
func (s RobotSettings) suffix() string {
	var text strings.Builder

	if len(s.Keywords) > 0 {
		text.WriteString("\n\n[Keywords] " + strings.Join(s.Keywords, ", "))
	}

	if called := append(append([]string{}, s.AtMobiles...), s.AtUsers...); s.Kind == Markdown && len(called) > 0 {
		text.WriteString("\n\n@" + strings.Join(called, " @"))
	}

	return text.String()
}

// String names the channel without its credential.
func (r *Robot) String() string {
	return "dingtalk robot at " + r.to.String()
}

// GoString hides the credential from %#v.
func (r *Robot) GoString() string {
	return r.String()
}

// Render makes the messages of a notification.
func (r *Robot) Render(data *message.Data) ([]channel.Message, error) {
	return r.form.Messages(data)
}

type robotRequest struct {
	body

	At at `json:"at"`
}

// Send sends one message.
func (r *Robot) Send(ctx context.Context, one channel.Message) error {
	to := r.to
	if !r.secret.Empty() {
		milliseconds := strconv.FormatInt(r.caller.Now().UnixMilli(), 10)
		to = to.With("timestamp", milliseconds).With("sign", sign(milliseconds, r.secret.Reveal()))
	}

	got, err := r.caller.Post(ctx, to, nil, robotRequest{body: bodyOf(r.kind, one), At: r.at})
	if err != nil {
		return err
	}

	var said answer
	if err := r.caller.Decode(got, &said); err != nil {
		return err
	}

	if said.failed() {
		return said.refusal(r.caller)
	}

	return r.caller.Status(got)
}

// sign is the signature of a moment: a sum of it and the secret, with the secret as the key. It is not encoded for
// URLs here: that is done once, where it becomes a parameter.
func sign(milliseconds, with string) string {
	sum := hmac.New(sha256.New, []byte(with))
	sum.Write([]byte(milliseconds + "\n" + with))

	return base64.StdEncoding.EncodeToString(sum.Sum(nil))
}
