package feishu

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
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
	// Kind is Text or Post; empty is Post.
	Kind string
	// Text makes the text, of that kind.
	Text channel.Renderer
}

// Robot sends to the robot of one group.
type Robot struct {
	caller  *call.Caller
	to      egress.Endpoint
	secret  secret.String
	writing writing
}

// NewRobot makes a Robot. Its errors are *channel.SettingError.
func NewRobot(settings RobotSettings, client *egress.Client, clock func() time.Time) (*Robot, error) {
	to, err := channel.SecretEndpoint(channel.Feishu, "chatbot.webhook", settings.Webhook)

	switch {
	case err != nil:
		return nil, err
	case settings.Text == nil:
		return nil, channel.Missing(channel.Feishu, "template")
	}

	if err := checkKind(settings.Kind); err != nil {
		return nil, err
	}

	made := writing{kind: settings.Kind, text: settings.Text, keywords: settings.Keywords}
	if len(made.suffix()) > longest/2 {
		return nil, &channel.SettingError{
			Type: channel.Feishu, Field: "chatbot.keywords", Problem: "leave no room for the message",
		}
	}

	return &Robot{
		caller:  call.New(channel.Feishu, client, clock, call.Address(to), call.Credential(settings.Secret)),
		to:      to,
		secret:  settings.Secret,
		writing: made,
	}, nil
}

// String names the channel without its credential.
func (r *Robot) String() string {
	return "feishu robot at " + r.to.String()
}

// GoString hides the credential from %#v.
func (r *Robot) GoString() string {
	return r.String()
}

// Render makes the messages of a notification.
func (r *Robot) Render(data *message.Data) ([]channel.Message, error) {
	return r.writing.messages(data)
}

// request is a message as a robot and as an app take it.
type request struct {
	Timestamp   string   `json:"timestamp,omitempty"`
	Sign        string   `json:"sign,omitempty"`
	Users       []string `json:"user_ids,omitempty"`       //nolint:tagliatelle // Feishu's name
	Departments []string `json:"department_ids,omitempty"` //nolint:tagliatelle // Feishu's name
	Kind        string   `json:"msg_type"`                 //nolint:tagliatelle // Feishu's name
	Content     content  `json:"content"`
}

func (w writing) request(one channel.Message) request {
	made := request{Kind: Text, Content: w.content(one.Text)}
	if made.Content.Post != nil {
		made.Kind = Post
	}

	return made
}

// Send sends one message.
func (r *Robot) Send(ctx context.Context, one channel.Message) error {
	made := r.writing.request(one)
	if !r.secret.Empty() {
		made.Timestamp = strconv.FormatInt(r.caller.Now().Unix(), 10)
		made.Sign = sign(made.Timestamp, r.secret.Reveal())
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
		return said.refusal(r.caller, got)
	}

	return r.caller.Status(got)
}

// sign is the signature of a moment: a sum of nothing, with the moment and the secret as the key.
func sign(seconds, with string) string {
	sum := hmac.New(sha256.New, []byte(seconds+"\n"+with))

	return base64.StdEncoding.EncodeToString(sum.Sum(nil))
}
