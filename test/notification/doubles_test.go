package notification_test

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/channeltest"
)

func nameOf(name string) types.NamespacedName { return types.NamespacedName{Name: name} }

// The credentials of the doubles.
const (
	token  = "token-1"
	app    = "app-1"
	secret = "secret-1"
)

// channels are all channels, each with its double and the objects that lead there.
func channels() map[string]doubled {
	return map[string]doubled{
		"webhook":  {channeltest.Webhook(time.Now), func(w *world, url string) { w.webhook("webhook", url) }},
		"slack":    {channeltest.Slack(time.Now, token), slackAt},
		"telegram": {channeltest.Telegram(time.Now, token), telegramAt},
		"discord":  {channeltest.Discord(time.Now), discordAt},
		"teams":    {channeltest.Teams(time.Now), teamsAt},
		"dingtalk": {channeltest.DingTalk(time.Now, app, secret, secret), dingTalkAt},
		"dingtalk robot": {channeltest.DingTalk(time.Now, app, secret, secret), func(w *world, url string) {
			robot := &notificationv2beta2.DingTalkChatBot{
				Webhook: w.secret("dingtalk-robot", url+"/robot/send?access_token=x"), Secret: value(secret),
			}
			w.receiver("dingtalk-robot", notificationv2beta2.ReceiverSpec{
				DingTalk: &notificationv2beta2.DingTalkReceiver{ChatBot: robot},
			})
		}},
		"wechat": {channeltest.WeCom(time.Now, app, secret), weComAt},
		"wechat robot": {channeltest.WeCom(time.Now, app, secret), func(w *world, url string) {
			w.receiver("wechat-robot", notificationv2beta2.ReceiverSpec{Wechat: &notificationv2beta2.WechatReceiver{
				ChatBot: &notificationv2beta2.WechatChatBot{
					Webhook: w.secret("wechat-robot", url+"/cgi-bin/webhook/send?key=x"),
				},
			}})
		}},
		"feishu": {channeltest.Feishu(time.Now, app, secret, secret), feishuAt},
		"feishu robot": {channeltest.Feishu(time.Now, app, secret, secret), func(w *world, url string) {
			w.receiver("feishu-robot", notificationv2beta2.ReceiverSpec{Feishu: &notificationv2beta2.FeishuReceiver{
				ChatBot: &notificationv2beta2.FeishuChatBot{
					Webhook: w.secret("feishu-robot", url+"/open-apis/bot/v2/hook/x"), Secret: value(secret),
				},
			}})
		}},
	}
}

// value is a credential that stands in the object itself.
func value(text string) *notificationv2beta2.Credential {
	return &notificationv2beta2.Credential{Value: text}
}

func slackAt(w *world, url string) {
	w.config("slack", notificationv2beta2.ConfigSpec{Slack: &notificationv2beta2.SlackConfig{
		APIAddress: notificationv2beta2.APIAddress{APIURL: url}, SlackTokenSecret: w.secret("slack", token),
	}})
	w.receiver("slack", notificationv2beta2.ReceiverSpec{Slack: &notificationv2beta2.SlackReceiver{
		Channels: []string{"ops"},
	}})
}

func telegramAt(w *world, url string) {
	w.config("telegram", notificationv2beta2.ConfigSpec{Telegram: &notificationv2beta2.TelegramConfig{
		APIAddress: notificationv2beta2.APIAddress{APIURL: url}, TelegramTokenSecret: value(token),
	}})
	w.receiver("telegram", notificationv2beta2.ReceiverSpec{Telegram: &notificationv2beta2.TelegramReceiver{
		Channels: []string{"-100"},
	}})
}

func discordAt(w *world, url string) {
	w.receiver("discord", notificationv2beta2.ReceiverSpec{Discord: &notificationv2beta2.DiscordReceiver{
		Webhook: w.secret("discord", url+"/api/webhooks/1/x"),
	}})
}

func teamsAt(w *world, url string) {
	w.receiver("teams", notificationv2beta2.ReceiverSpec{Teams: &notificationv2beta2.TeamsReceiver{
		Webhook: w.secret("teams", url+"/workflows/x"),
	}})
}

func dingTalkAt(w *world, url string) {
	w.config("dingtalk", notificationv2beta2.ConfigSpec{DingTalk: &notificationv2beta2.DingTalkConfig{
		APIAddress: notificationv2beta2.APIAddress{APIURL: url},
		Conversation: &notificationv2beta2.DingTalkApplicationConfig{
			AppKey: value(app), AppSecret: w.secret("dingtalk", secret),
		},
	}})
	w.receiver("dingtalk", notificationv2beta2.ReceiverSpec{DingTalk: &notificationv2beta2.DingTalkReceiver{
		Conversation: &notificationv2beta2.DingTalkConversation{ChatIDs: []string{"chat-1"}},
	}})
}

func weComAt(w *world, url string) {
	w.config("wechat", notificationv2beta2.ConfigSpec{Wechat: &notificationv2beta2.WechatConfig{
		WechatAPIURL: url + "/cgi-bin/", WechatAPICorpID: app, WechatAPIAgentID: "1",
		WechatAPISecret: w.secret("wechat", secret),
	}})
	w.receiver("wechat", notificationv2beta2.ReceiverSpec{Wechat: &notificationv2beta2.WechatReceiver{
		ToUser: []string{"jane"},
	}})
}

func feishuAt(w *world, url string) {
	w.config("feishu", notificationv2beta2.ConfigSpec{Feishu: &notificationv2beta2.FeishuConfig{
		APIAddress: notificationv2beta2.APIAddress{APIURL: url},
		AppID:      value(app), AppSecret: w.secret("feishu", secret),
	}})
	w.receiver("feishu", notificationv2beta2.ReceiverSpec{Feishu: &notificationv2beta2.FeishuReceiver{
		User: []string{"jane"},
	}})
}
