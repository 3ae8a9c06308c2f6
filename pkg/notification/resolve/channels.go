package resolve

import (
	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
)

// The channels that this version has not.
const (
	sms      channel.Type = "sms"
	pushover channel.Type = "pushover"
)

// Hosts of providers' own APIs, for policies that name hosts.
const (
	dingTalkHost = "oapi.dingtalk.com"
	feishuHost   = "open.feishu.cn"
	slackHost    = "slack.com"
	telegramHost = "api.telegram.org"
	weComHost    = "qyapi.weixin.qq.com"
)

// part works out the targets that a channel has with one set of credentials.
type part func(*builder) []plan

// partsOf gives what a Receiver says of a channel: what all channels have, and its parts. Parts that have credentials
// of their own do not break each other.
func partsOf(
	spec *notificationv2beta2.ReceiverSpec, of channel.Type,
) (common *notificationv2beta2.ChannelReceiver, parts []part) {
	switch of {
	case channel.DingTalk:
		return &spec.DingTalk.ChannelReceiver, dingTalkParts(spec.DingTalk)
	case channel.Email:
		return &spec.Email.ChannelReceiver, []part{emailPart(spec.Email)}
	case channel.Slack:
		return &spec.Slack.ChannelReceiver, []part{slackPart(spec.Slack)}
	case channel.Webhook:
		return &spec.Webhook.ChannelReceiver, []part{webhookPart(spec.Webhook)}
	case channel.WeCom:
		return &spec.Wechat.ChannelReceiver, weComParts(spec.Wechat)
	case sms:
		return &spec.Sms.ChannelReceiver, []part{unsupported}
	case pushover:
		return &spec.Pushover.ChannelReceiver, []part{unsupported}
	case channel.Feishu:
		return &spec.Feishu.ChannelReceiver, feishuParts(spec.Feishu)
	case channel.Discord:
		return &spec.Discord.ChannelReceiver, []part{discordPart(spec.Discord)}
	case channel.Telegram:
		return &spec.Telegram.ChannelReceiver, []part{telegramPart(spec.Telegram)}
	case channel.Teams:
		return &spec.Teams.ChannelReceiver, []part{teamsPart(spec.Teams)}
	default:
		return nil, nil
	}
}

// unsupported is a channel of the contract that this version has not. That is said, and its messages wait.
func unsupported(b *builder) []plan {
	b.report(b.self, b.self.root+"."+string(b.of), NotSupported,
		"is a channel that this version does not have; use another, or remove it")

	return nil
}

// nobody is a channel that says whom to tell in one of some fields, and does in none.
func nobody(fields string) part {
	return func(b *builder) []plan {
		b.report(b.self, b.self.root+"."+string(b.of), Invalid, "names nobody; give one of "+fields)

		return nil
	}
}

// plan is the target of settings with one address.
func (b *builder) plan(key string, settings any, of holder, where delivery.Where) plan {
	where.Rate = tighter(where.Rate, b.rate)

	return plan{
		key: key, people: 1, where: where, settings: settings, of: of,
		http: egress.Settings{Guard: b.platform.guard(of)},
	}
}
