package resolve

import (
	"time"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/dingtalk"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
)

// robotRate is how often the robots of DingTalk and WeCom take a message (vendors' documentation).
func robotRate() delivery.Rate {
	const messages = 20

	return delivery.Rate{Messages: messages, Per: time.Minute}
}

// conversationRate is how often DingTalk takes a message of one app (contract).
func conversationRate() delivery.Rate {
	const messages = 25

	return delivery.Rate{Messages: messages, Per: time.Second}
}

func dingTalkParts(spec *notificationv2beta2.DingTalkReceiver) []part {
	var parts []part

	if spec.ChatBot != nil {
		parts = append(parts, dingTalkRobot(spec))
	}

	if spec.Conversation != nil {
		parts = append(parts, dingTalkConversations(spec))
	}

	if len(parts) == 0 {
		parts = append(parts, nobody("chatbot and conversation"))
	}

	return parts
}

// dingTalkForm is how messages for DingTalk are made.
type dingTalkForm struct {
	kind        string
	title, text channel.Renderer
}

func dingTalkFormOf(b *builder, spec *notificationv2beta2.DingTalkReceiver) dingTalkForm {
	options := b.platform.options.DingTalk

	kind := b.kind("tmplType", options.TmplType, spec.TmplType, dingtalk.Text, dingtalk.Markdown)
	if kind == dingtalk.Text { // It has no title.
		return dingTalkForm{kind: kind, text: b.text(&spec.ChannelReceiver, message.Text)}
	}

	return dingTalkForm{
		kind:  kind,
		title: b.title(&spec.ChannelReceiver, "titleTemplate", options.TitleTemplate, spec.TitleTemplate),
		text:  b.text(&spec.ChannelReceiver, message.Markdown),
	}
}

func dingTalkRobot(spec *notificationv2beta2.DingTalkReceiver) part {
	return func(b *builder) []plan {
		own, options, form := spec.ChatBot, b.platform.options.DingTalk, dingTalkFormOf(b, spec)
		settings := dingtalk.RobotSettings{
			Webhook:   b.robot("chatbot.webhook", own.Webhook),
			Secret:    b.credential(b.self, b.field("chatbot.secret"), own.Secret),
			Keywords:  own.Keywords,
			AtMobiles: own.AtMobiles,
			AtUsers:   own.AtUsers,
			AtAll:     own.AtAll,
			Kind:      form.kind,
			Title:     form.title,
			Text:      form.text,
			MaxSize:   whole(options.ChatbotMessageMaxSize),
		}

		return []plan{b.plan("dingtalk/chatbot", settings, b.self, delivery.Where{
			Credential: b.fromRobot(settings.Webhook), Shared: throttled(options.ChatBotThrottle, robotRate()),
		})}
	}
}

func dingTalkConversations(spec *notificationv2beta2.DingTalkReceiver) part {
	return func(b *builder) []plan {
		with, options := b.config("dingtalkConfigSelector", spec.DingTalkConfigSelector), b.platform.options.DingTalk
		app, form := with.spec.DingTalk.Conversation, dingTalkFormOf(b, spec)
		settings := dingtalk.ConversationSettings{
			BaseURL:   b.api(with, "apiURL", with.spec.DingTalk.APIURL, dingTalkHost),
			AppKey:    b.credential(with.holder, b.at(with.holder, "conversation.appkey"), app.AppKey),
			AppSecret: b.credential(with.holder, b.at(with.holder, "conversation.appsecret"), app.AppSecret),
			Kind:      form.kind,
			Title:     form.title,
			Text:      form.text,
			MaxSize:   whole(options.ConversationMessageMaxSize),
		}

		var plans []plan

		for _, chat := range b.addresses("conversation.chatids", spec.Conversation.ChatIDs) {
			settings.ChatID = chat
			plans = append(plans, b.plan("dingtalk/conversation/"+chat, settings, with.holder, delivery.Where{
				Credential: b.fromConfig(with), Shared: throttled(options.ConversationThrottle, conversationRate()),
			}))
		}

		return plans
	}
}
