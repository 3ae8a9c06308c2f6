package resolve

import (
	"strings"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/wecom"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
)

func weComParts(spec *notificationv2beta2.WechatReceiver) []part {
	var parts []part

	if len(spec.ToUser) > 0 || len(spec.ToParty) > 0 || len(spec.ToTag) > 0 {
		parts = append(parts, weComApp(spec))
	}

	if spec.ChatBot != nil {
		parts = append(parts, weComRobot(spec))
	}

	if len(parts) == 0 {
		parts = append(parts, nobody("toUser, toParty, toTag and chatbot"))
	}

	return parts
}

// weComForm is how messages for WeCom are made.
func weComForm(b *builder, spec *notificationv2beta2.WechatReceiver) (kind string, text *message.Template) {
	kind = b.kind("tmplType", b.platform.options.Wechat.TmplType, spec.TmplType, wecom.Text, wecom.Markdown)

	fallback := message.Text
	if kind == wecom.Markdown {
		fallback = message.Markdown
	}

	return kind, b.text(&spec.ChannelReceiver, fallback)
}

// weComApp has a target for as many people as one call takes.
func weComApp(spec *notificationv2beta2.WechatReceiver) part {
	return func(b *builder) []plan {
		with := b.config("wechatConfigSelector", spec.WechatConfigSelector)
		app := with.spec.Wechat
		settings := wecom.AppSettings{
			BaseURL: b.api(with, "wechatApiUrl", app.WechatAPIURL, weComHost),
			CorpID:  app.WechatAPICorpID,
			AgentID: app.WechatAPIAgentID,
			Secret:  b.credential(with.holder, b.at(with.holder, "wechatApiSecret"), app.WechatAPISecret),
			MaxSize: whole(b.platform.options.Wechat.MessageMaxSize),
		}
		settings.Kind, settings.Text = weComForm(b, spec)

		everybody := wecom.Recipients{
			Users:   b.weComNames("toUser", spec.ToUser),
			Parties: b.weComNames("toParty", spec.ToParty),
			Tags:    b.weComNames("toTag", spec.ToTag),
		}

		batches := everybody.Batches()
		if len(batches) == 0 {
			batches = []wecom.Recipients{everybody} // nobody, which the channel has a word for
		}

		var plans []plan

		for i, batch := range batches {
			settings.To = batch
			made := b.plan(numbered("wechat/app", i), settings, with.holder,
				delivery.Where{Credential: b.fromConfig(with)})
			made.people = len(batch.Users) + len(batch.Parties) + len(batch.Tags)
			plans = append(plans, made)
		}

		return plans
	}
}

// weComNames are the names that WeCom can be given; it would take one with a bar for several.
func (b *builder) weComNames(child string, entries []string) []string {
	var made []string

	for _, entry := range b.some(child, entries) {
		if strings.Contains(entry, "|") {
			b.warn(b.self, b.field(child), Invalid, `has an entry with a "|" in it; give each name an entry of its own`)
		} else {
			made = append(made, entry)
		}
	}

	return made
}

func weComRobot(spec *notificationv2beta2.WechatReceiver) part {
	return func(b *builder) []plan {
		settings := wecom.RobotSettings{
			Webhook:   b.robot("chatbot.webhook", spec.ChatBot.Webhook),
			AtUsers:   spec.ChatBot.AtUsers,
			AtMobiles: spec.ChatBot.AtMobiles,
			MaxSize:   whole(b.platform.options.Wechat.MessageMaxSize),
		}
		settings.Kind, settings.Text = weComForm(b, spec)

		return []plan{b.plan("wechat/chatbot", settings, b.self, delivery.Where{
			Credential: b.fromRobot(settings.Webhook), Shared: robotRate(),
		})}
	}
}
