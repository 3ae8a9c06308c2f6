package wecom

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

// RobotSettings are those of the robot of one group.
type RobotSettings struct {
	// Webhook is the URL; who has it can send.
	Webhook secret.String
	// AtUsers and AtMobiles are who is called by each message. In Markdown users alone can be called.
	AtUsers   []string
	AtMobiles []string
	// Kind is Text or Markdown; empty is Text.
	Kind string
	// Text makes the text.
	Text channel.Renderer
	// MaxSize is how many bytes a message has at most, if fewer than WeCom takes.
	MaxSize int
}

// Robot sends to the robot of one group.
type Robot struct {
	caller  *call.Caller
	to      egress.Endpoint
	kind    string
	users   []string
	mobiles []string
	form    channel.Form
}

// NewRobot makes a Robot. Its errors are *channel.SettingError.
func NewRobot(settings RobotSettings, client *egress.Client, clock func() time.Time) (*Robot, error) {
	to, err := channel.SecretEndpoint(channel.WeCom, "chatbot.webhook", settings.Webhook)

	switch {
	case err != nil:
		return nil, err
	case settings.Text == nil:
		return nil, channel.Missing(channel.WeCom, "template")
	}

	if err := checkKind(settings.Kind); err != nil {
		return nil, err
	}

	made := &Robot{
		caller:  call.New(channel.WeCom, client, clock, call.Address(to)),
		to:      to,
		kind:    settings.Kind,
		users:   settings.AtUsers,
		mobiles: settings.AtMobiles,
		form: channel.Form{
			Text: settings.Text, Limit: channel.Within(longest, settings.MaxSize), Size: message.Bytes,
		},
	}

	if settings.Kind == Markdown {
		made.form.Limit = channel.Within(longestRobotMarkdown, settings.MaxSize)
		made.form.Suffix = mentions(settings.AtUsers)
	}

	if !made.form.Fits() {
		return nil, &channel.SettingError{
			Type: channel.WeCom, Field: "chatbot.atUsers",
			Problem: "calls so many that no room is left for the message",
		}
	}

	return made, nil
}

func mentions(users []string) string {
	if len(users) == 0 {
		return ""
	}

	return "\n<@" + strings.Join(users, "><@") + ">"
}

// String names the channel without its credential.
func (r *Robot) String() string {
	return "wechat robot at " + r.to.String()
}

// GoString hides the credential from %#v.
func (r *Robot) GoString() string {
	return r.String()
}

// Render makes the messages of a notification.
func (r *Robot) Render(data *message.Data) ([]channel.Message, error) {
	return r.form.Messages(data)
}

// Send sends one message.
func (r *Robot) Send(ctx context.Context, one channel.Message) error {
	made := bodyOf(r.kind, one.Text)
	if made.Text != nil {
		made.Text.Users, made.Text.Mobiles = r.users, r.mobiles
	}

	got, err := r.caller.Post(ctx, r.to, nil, made)
	if err != nil {
		return err
	}

	var said answer
	if err := r.caller.Decode(got, &said); err != nil {
		return err
	}

	if said.Code != 0 {
		return said.refusal(r.caller)
	}

	return r.caller.Status(got)
}
