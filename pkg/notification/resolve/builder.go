package resolve

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/token"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

// builder works out one part of a channel: what it has to do with one set of credentials.
type builder struct {
	platform *Platform
	self     holder
	uid      string
	of       channel.Type
	looked   *lookups
	// rate is what the Receiver and the policies let each target have.
	rate delivery.Rate
	// overlay are the templates of the channel, once they were looked up.
	overlay *message.Set

	found findings
	used  string
}

// plan is a target before its channel is made.
type plan struct {
	key string
	// people is how many people, chats and addresses it is for.
	people int
	where  delivery.Where
	// settings are those of the channel, of its own type.
	settings any
	// http is how an HTTP server is reached.
	http egress.Settings
	// of is the object that names the server.
	of holder
}

// field is the path of a field of the channel in the Receiver.
func (b *builder) field(child string) string {
	return b.self.root + "." + string(b.of) + "." + child
}

// at is the path of a field of the channel in an object.
func (b *builder) at(of holder, child string) string {
	return of.root + "." + string(b.of) + "." + child
}

// report is a finding that breaks the targets.
func (b *builder) report(of holder, field string, reason Reason, text string) {
	b.found.add(Finding{
		Kind: of.kind, Name: of.name, Field: field, Channel: b.of, Reason: reason, Message: text, Breaks: true,
	})
}

// warn is a finding that does not.
func (b *builder) warn(of holder, field string, reason Reason, text string) {
	b.found.add(Finding{Kind: of.kind, Name: of.name, Field: field, Channel: b.of, Reason: reason, Message: text})
}

// denied is a field that a policy refuses, or would refuse if it were in force.
func (b *builder) denied(of holder, by *policy, field, text string) {
	b.refused(of, by, place{field: field}, text)
}

func (b *builder) refused(of holder, by *policy, at place, text string) {
	b.found.add(Finding{
		Kind: of.kind, Name: of.name, Field: at.field, Channel: b.of, Reason: PolicyDenied, Message: text,
		Policy: by.name, DryRun: by.dryRun, Breaks: !by.dryRun && !at.optional,
	})
}

// broken tells whether something was found that breaks the targets.
func (b *builder) broken() bool {
	return len(b.reasons()) > 0
}

// reasons is what breaks the targets.
func (b *builder) reasons() []Finding {
	var found []Finding

	for _, one := range b.found.list {
		if one.Breaks {
			found = append(found, one)
		}
	}

	return found
}

// allowed checks whether policies let the channel be used at all.
func (b *builder) allowed() {
	for _, one := range b.self.policies {
		if one.channels == nil {
			continue
		}

		if !contains(one.channels, b.of) {
			b.denied(b.self, one, b.self.root+"."+string(b.of),
				"is a channel that is not among allow.channels of the policy; use one that is")
		}
	}
}

func contains(names []notificationv2beta2.ChannelName, of channel.Type) bool {
	for _, name := range names {
		if string(name) == string(of) {
			return true
		}
	}

	return false
}

// addresses are the entries of a list that names at least one.
func (b *builder) addresses(child string, entries []string) []string {
	made := b.some(child, entries)
	if len(made) == 0 {
		b.report(b.self, b.field(child), Invalid, "names nobody; add an entry")
	}

	return made
}

// some are the entries of a list, each once and without those that are empty.
func (b *builder) some(child string, entries []string) []string {
	made := make([]string, 0, len(entries))
	seen := make(map[string]bool, len(entries))

	for i, entry := range entries {
		entry = strings.TrimSpace(entry)

		if entry == "" {
			b.warn(b.self, indexed(b.field(child), i), Invalid, "is empty; remove it")
		} else if !seen[entry] {
			seen[entry] = true

			made = append(made, entry)
		}
	}

	return made
}

// api is the address of a provider's API as a Config has it; host is the provider's own.
func (b *builder) api(with chosen, child, text, host string) string {
	if named := hostOf(text); text != "" {
		host = named
	}

	if with.name != "" {
		b.server(with.holder, b.at(with.holder, child), host)
	}

	return text
}

// robot is the webhook of a robot, which is credential and address at once.
func (b *builder) robot(child string, credential *notificationv2beta2.Credential) secret.String {
	webhook := b.credential(b.self, b.field(child), credential)
	b.server(b.self, b.field(child), hostOf(webhook.Reveal()))

	return webhook
}

// sender is what a provider knows the sender by, without a secret in it: targets with the same one share its limits.
func sender(of channel.Type, parts ...string) string {
	const shown = 8

	sum := token.KeyOf(append([]string{string(of)}, parts...)...)

	return string(of) + ":" + hex.EncodeToString(sum[:shown])
}

// fromConfig is the sender that the credentials of a Config are.
func (b *builder) fromConfig(with chosen) string {
	if with.name == "" {
		return b.fromReceiver()
	}

	return sender(b.of, KindConfig, with.name, with.uid)
}

// fromReceiver is the sender that a Receiver is.
func (b *builder) fromReceiver() string {
	return sender(b.of, KindReceiver, b.self.name, b.uid)
}

// fromRobot is the sender that a robot is. Several Receivers of one owner may share it; those of another owner do
// not, or one tenant could hold up the messages of another by naming the same robot.
func (b *builder) fromRobot(webhook secret.String) string {
	if webhook.Empty() {
		return b.fromReceiver()
	}

	sum := sha256.Sum256([]byte(webhook.Reveal()))

	return sender(b.of, "Robot", b.self.owner.Tenant, string(sum[:]))
}

// numbered is the key of one of several targets that have no name of their own.
func numbered(key string, index int) string {
	if index == 0 {
		return key
	}

	return key + "/" + strconv.Itoa(index+1)
}

// setting is a finding that a channel made of its settings.
func (b *builder) setting(of holder, err error) {
	if known, ok := errors.AsType[*channel.SettingError](err); ok {
		in, child := b.whose(of, known.Field)
		b.report(in, b.at(in, child), Invalid, known.Problem)

		return
	}

	if transport, ok := errors.AsType[*egress.SettingError](err); ok {
		b.report(b.self, b.field("httpConfig."+transport.Field), Invalid, transport.Problem)

		return
	}

	b.report(of, of.root+"."+string(b.of), Invalid, err.Error())
}

// whose is the object that has a setting, by the name that the channel gives it, and its name there.
func (b *builder) whose(of holder, setting string) (holder, string) {
	switch setting {
	case "slackApiUrl", "telegramApiUrl", "feishuApiUrl", "conversation.apiUrl":
		return of, "apiURL"
	case "slackTokenSecret", "telegramTokenSecret", "conversation.appkey", "conversation.appsecret", "wechatApiUrl",
		"wechatApiCorpId", "wechatApiAgentId", "wechatApiSecret", "appID", "appSecret",
		"from", "smartHost", "smartHost.host", "smartHost.port", "hello", "authUsername", "authIdentify",
		"authPassword", "authSecret", "requireTLS", "tls.rootCA", "tls.clientCertificate":
		return of, setting
	default:
		return b.self, setting
	}
}

// selectors are the findings of routing: alerts that a channel is not told of, because nobody knows which are meant.
func selectors(self holder, problems field.ErrorList) []Finding {
	made := make([]Finding, 0, len(problems))

	for _, problem := range problems {
		path := strings.Split(problem.Field, ".")

		one := Finding{
			Kind: self.kind, Name: self.name, Field: problem.Field, Reason: Invalid,
			Message: problem.ErrorBody() + "; until it is corrected the channel is told of no alert",
		}

		const afterSpec = 1
		if len(path) > afterSpec {
			one.Channel = channel.Type(path[afterSpec])
		}

		made = append(made, one)
	}

	return made
}
