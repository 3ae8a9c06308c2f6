package resolve

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/dingtalk"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/discord"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/email"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/feishu"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/slack"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/teams"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/telegram"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/webhook"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/wecom"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

// fullReceiver says everything that a Receiver can say.
const fullReceiver = `
metadata: {name: everybody, uid: u-1, labels: {type: global}}
spec:
  dingtalk:
    template: nm.default.text
    tmplType: markdown
    titleTemplate: nm.subject
    chatbot:
      webhook: {value: "https://oapi.dingtalk.com/robot/send?access_token=d1"}
      secret: {value: d2}
      keywords: [alert, ops]
      atMobiles: ["13800000000"]
      atUsers: [u1]
      atAll: true
    conversation: {chatids: [chat1, chat2, chat1]}
  email:
    to: [a@example.com, "B <b@example.com>", c@example.com]
    subjectTemplate: nm.subject
    template: nm.html
  slack: {channels: [ops, "#dev"], template: nm.default.markdown}
  webhook:
    url: https://hooks.example.com/in?key=w1
    httpConfig:
      basicAuth: {username: me, password: {value: w2}}
      bearerToken: {valueFrom: {secretKeyRef: {name: webhook, key: token}}}
      proxyUrl: http://proxy.example.com:3128
      tlsConfig: {serverName: other.example.com, insecureSkipVerify: true}
  wechat:
    toUser: [u1, u2]
    toParty: [p1]
    toTag: [t1]
    tmplType: markdown
    chatbot:
      webhook: {value: "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=c1"}
      atUsers: [u1]
      atMobiles: ["1"]
  feishu:
    user: [u1]
    department: [d1]
    tmplType: text
    chatbot:
      webhook: {value: "https://open.feishu.cn/open-apis/bot/v2/hook/f1"}
      keywords: [alert]
      secret: {value: f2}
  discord:
    webhook: {value: "https://discord.com/api/webhooks/1/e1"}
    type: embed
    mentionedUsers: [everyone]
    mentionedRoles: ["7"]
  telegram: {channels: ["-100", "42"], mentionedUsers: [admin]}
  teams: {webhook: {value: "https://flows.example.com/t1"}, titleTemplate: nm.subject}
`

const fullConfig = `
metadata: {name: defaults, uid: u-2, labels: {type: default}}
spec:
  dingtalk: {apiURL: "https://ding.example.com/", conversation: {appkey: {value: k1}, appsecret: {value: k2}}}
  email:
    from: ks@example.com
    smartHost: {host: smtp.example.com, port: 587}
    hello: ks
    authUsername: ks
    authIdentify: other
    authPassword: {name: mail, key: token}
    authSecret: {value: m2}
    requireTLS: true
    tls:
      serverName: mail.example.com
      rootCA: {value: pem}
      clientCertificate: {cert: {value: crt}, key: {value: key}}
  slack:
    apiURL: https://slack.example.com/api/
    slackTokenSecret: {valueFrom: {secretKeyRef: {namespace: other, name: slack, key: token}}}
  wechat:
    wechatApiUrl: https://wx.example.com/
    wechatApiCorpId: corp
    wechatApiAgentId: "7"
    wechatApiSecret: {value: x1}
  feishu: {appID: {value: i1}, appSecret: {value: i2}}
  telegram: {telegramTokenSecret: {value: "1:t"}}
`

const fullOptions = `
  options:
    email: {notificationTimeout: 7, maxEmailReceivers: 2}
    wechat: {messageMaxSize: 1000}
    dingtalk:
      chatbotMessageMaxSize: 1500
      conversationMessageMaxSize: 1200
      chatBotThrottle: {threshold: 10}
      conversationThrottle: {threshold: 5, unit: 2000000000}
`

func TestSettingsOfEveryChannel(t *testing.T) {
	w := newWorld(t).config(t, fullConfig).secret("credentials", "webhook", "", "w3\n").
		secret("credentials", "mail", "", "m1").secret("other", "slack", "", "s1")
	w.manager = read1[notificationManagerSpec](t, managerYAML+fullOptions)

	got, problems := planned(t, w, fullReceiver)

	wantLines(t, "findings", brief(problems), []string{
		// The certificates are none.
		"Config defaults Invalid spec.email.tls.rootCA",
	})

	dial := func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }
	mail := email.Settings{
		From: "ks@example.com", MaxReceivers: 2, Host: "smtp.example.com", Port: 587, Hello: "ks", RequireTLS: true,
		TLS: email.TLS{
			RootCA: []byte("pem"), Certificate: []byte("crt"), Key: secret.New("key"), ServerName: "mail.example.com",
		},
		AuthUsername: "ks", AuthIdentity: "other", AuthPassword: secret.New("m1"), AuthSecret: secret.New("m2"),
		Timeout: 7 * time.Second, Subject: named(t, "nm.subject"), Body: named(t, "nm.html"), HTML: true, Dial: dial,
	}
	mailTo := func(to ...string) email.Settings {
		one := mail
		one.To = to

		return one
	}
	conversation := func(chat string) dingtalk.ConversationSettings {
		return dingtalk.ConversationSettings{
			BaseURL: "https://ding.example.com/", AppKey: secret.New("k1"), AppSecret: secret.New("k2"), ChatID: chat,
			Kind: "markdown", Title: named(t, "nm.subject"), Text: named(t, message.Text), MaxSize: 1200,
		}
	}
	want := map[string]any{
		"dingtalk/chatbot": dingtalk.RobotSettings{
			Webhook: secret.New("https://oapi.dingtalk.com/robot/send?access_token=d1"), Secret: secret.New("d2"),
			Keywords:  []string{"alert", "ops"},
			AtMobiles: []string{"13800000000"}, AtUsers: []string{"u1"}, AtAll: true,
			Kind: "markdown", Title: named(t, "nm.subject"), Text: named(t, message.Text), MaxSize: 1500,
		},
		"dingtalk/conversation/chat1": conversation("chat1"),
		"dingtalk/conversation/chat2": conversation("chat2"),
		"email":                       mailTo("a@example.com", "B <b@example.com>"),
		"email/2":                     mailTo("c@example.com"),
		"slack/ops": slack.Settings{
			BaseURL: "https://slack.example.com/api/", Token: secret.New("s1"), Channel: "ops",
			Text: named(t, message.Markdown),
		},
		"slack/#dev": slack.Settings{
			BaseURL: "https://slack.example.com/api/", Token: secret.New("s1"), Channel: "#dev",
			Text: named(t, message.Markdown),
		},
		"webhook": webhook.Settings{
			URL: secret.New("https://hooks.example.com/in?key=w1"), Text: named(t, message.WebhookMessage),
		},
		"wechat/app": wecom.AppSettings{
			BaseURL: "https://wx.example.com/", CorpID: "corp", AgentID: "7", Secret: secret.New("x1"),
			To:   wecom.Recipients{Users: []string{"u1", "u2"}, Parties: []string{"p1"}, Tags: []string{"t1"}},
			Kind: "markdown", Text: named(t, message.Markdown), MaxSize: 1000,
		},
		"wechat/chatbot": wecom.RobotSettings{
			Webhook: secret.New("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=c1"),
			AtUsers: []string{"u1"}, AtMobiles: []string{"1"},
			Kind: "markdown", Text: named(t, message.Markdown), MaxSize: 1000,
		},
		"feishu/app": feishu.AppSettings{
			AppID: secret.New("i1"), AppSecret: secret.New("i2"), Users: []string{"u1"}, Departments: []string{"d1"},
			Kind: "text", Text: named(t, message.FeishuText),
		},
		"feishu/chatbot": feishu.RobotSettings{
			Webhook: secret.New("https://open.feishu.cn/open-apis/bot/v2/hook/f1"), Secret: secret.New("f2"),
			Keywords: []string{"alert"}, Kind: "text", Text: named(t, message.FeishuText),
		},
		"discord": discord.Settings{
			Webhook: secret.New("https://discord.com/api/webhooks/1/e1"), Kind: "embed",
			MentionedUsers: []string{"everyone"}, MentionedRoles: []string{"7"}, Text: named(t, message.Markdown),
		},
		"telegram/-100": telegram.Settings{
			Token: secret.New("1:t"), Chat: "-100", MentionedUsers: []string{"admin"}, Text: named(t, message.Text),
		},
		"telegram/42": telegram.Settings{
			Token: secret.New("1:t"), Chat: "42", MentionedUsers: []string{"admin"}, Text: named(t, message.Text),
		},
		"teams": teams.Settings{
			Webhook: secret.New("https://flows.example.com/t1"), Title: named(t, "nm.subject"),
			Text: named(t, message.Markdown),
		},
	}

	settings := map[string]any{}
	for key, one := range got {
		settings[key] = one.settings
	}

	if diff := cmp.Diff(want, settings, comparing()); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}

	wantHTTP := egress.Settings{
		Guard: egress.Guard{AllowPrivate: true}, ProxyURL: secret.New("http://proxy.example.com:3128"),
		TLS:      egress.TLS{ServerName: "other.example.com", InsecureSkipVerify: true},
		Username: "me", Password: secret.New("w2"), BearerToken: secret.New("w3"),
	}
	if diff := cmp.Diff(wantHTTP, got["webhook"].http, comparing(), cmp.Comparer(samePrefix)); diff != "" {
		t.Errorf("the client of the webhook (-want +got):\n%s", diff)
	}
}

func TestEveryChannelOpens(t *testing.T) {
	const config = `
metadata: {name: defaults, labels: {type: default}}
spec:
  dingtalk: {conversation: {appkey: {value: k1}, appsecret: {value: k2}}}
  email: {from: ks@example.com, smartHost: {host: smtp.example.com, port: 587}}
  slack: {slackTokenSecret: {value: s1}}
  wechat: {wechatApiCorpId: corp, wechatApiAgentId: "7", wechatApiSecret: {value: x1}}
  feishu: {appID: {value: i1}, appSecret: {value: i2}}
  telegram: {telegramTokenSecret: {value: "1:t"}}
`

	w := newWorld(t).config(t, config).secret("credentials", "webhook", "", "w3")
	result := w.resolve(t, fullReceiver)

	wantLines(t, "findings", brief(result.Findings), nil)
	wantLines(t, "targets", targets(result), []string{
		"dingtalk/chatbot", "dingtalk/conversation/chat1", "dingtalk/conversation/chat2", "email", "slack/ops", "slack/#dev",
		"webhook", "wechat/app", "wechat/chatbot", "feishu/app", "feishu/chatbot", "discord", "telegram/-100",
		"telegram/42", "teams",
	})

	want := []Use{
		{"dingtalk", "defaults", 3},
		{"email", "defaults", 3},
		{"slack", "defaults", 2},
		{"webhook", "", 1},
		{"wechat", "defaults", 5},
		{"feishu", "defaults", 3},
		{"discord", "", 1},
		{"telegram", "defaults", 2},
		{"teams", "", 1},
	}
	if diff := cmp.Diff(want, result.Channels); diff != "" {
		t.Errorf("channels (-want +got):\n%s", diff)
	}

	for i := range result.Receiver.Targets {
		if one := &result.Receiver.Targets[i]; one.Timeout != 30*time.Second {
			t.Errorf("%s may take %s, want 30s", one.Key, one.Timeout)
		}
	}
}

func TestWhere(t *testing.T) {
	w := newWorld(t).config(t, fullConfig).secret("credentials", "webhook", "", "w3").
		secret("credentials", "mail", "", "m1").secret("other", "slack", "", "s1")

	plain, _ := planned(t, w, fullReceiver)

	w.manager = read1[notificationManagerSpec](t, managerYAML+fullOptions)
	set, _ := planned(t, w, fullReceiver)

	for _, c := range []struct {
		key    string
		of     map[string]plan
		rate   delivery.Rate
		shared delivery.Rate
	}{
		{"dingtalk/chatbot", plain, delivery.Rate{}, delivery.Rate{Messages: 20, Per: time.Minute}},
		{"dingtalk/chatbot", set, delivery.Rate{}, delivery.Rate{Messages: 10, Per: time.Minute}},
		{"dingtalk/conversation/chat1", plain, delivery.Rate{}, delivery.Rate{Messages: 25, Per: time.Second}},
		{"dingtalk/conversation/chat1", set, delivery.Rate{}, delivery.Rate{Messages: 5, Per: 2 * time.Second}},
		{"feishu/app", plain, delivery.Rate{}, delivery.Rate{Messages: 5, Per: 3 * time.Second}},
		{"feishu/chatbot", plain, delivery.Rate{}, delivery.Rate{Messages: 5, Per: 3 * time.Second}},
		{"wechat/chatbot", plain, delivery.Rate{}, delivery.Rate{Messages: 20, Per: time.Minute}},
		{"wechat/app", plain, delivery.Rate{}, delivery.Rate{}},
		{"slack/ops", plain, delivery.Rate{Messages: 1, Per: time.Second}, delivery.Rate{}},
		{"telegram/42", plain, delivery.Rate{Messages: 1, Per: time.Second}, delivery.Rate{Messages: 30, Per: time.Second}},
		{"telegram/-100", plain, delivery.Rate{Messages: 1, Per: 3 * time.Second}, delivery.Rate{Messages: 30, Per: time.Second}},
		{"discord", plain, delivery.Rate{}, delivery.Rate{Messages: 5, Per: 10 * time.Second}},
		{"teams", plain, delivery.Rate{}, delivery.Rate{Messages: 4, Per: time.Second}},
		{"email", plain, delivery.Rate{}, delivery.Rate{}},
		{"webhook", plain, delivery.Rate{}, delivery.Rate{}},
	} {
		where := c.of[c.key].where
		if where.Rate != c.rate || where.Shared != c.shared {
			t.Errorf("%s: rate %v and shared %v, want %v and %v", c.key, where.Rate, where.Shared, c.rate, c.shared)
		}
	}

	same := func(a, b string) bool { return plain[a].where.Credential == plain[b].where.Credential }
	if !same("slack/ops", "slack/#dev") || !same("email", "email") ||
		!same("dingtalk/conversation/chat1", "dingtalk/conversation/chat2") {
		t.Error("targets of one Config do not share its credential")
	}

	if same("dingtalk/chatbot", "dingtalk/conversation/chat1") || same("slack/ops", "telegram/42") ||
		same("feishu/app", "feishu/chatbot") {
		t.Error("targets of different credentials share one")
	}
}

// TestRobotsAreKnownByTheirWebhook is about whom a robot's limits are for.
func TestRobotsAreKnownByTheirWebhook(t *testing.T) {
	receiver := func(name, labels, url string) string {
		return `{metadata: {name: ` + name + `, labels: {` + labels + `}}, ` +
			`spec: {discord: {webhook: {value: "` + url + `"}}}}`
	}
	credential := func(text string) string {
		got, _ := planned(t, newWorld(t), text)

		return got["discord"].where.Credential
	}
	one := credential(receiver("a", "type: tenant, user: ann", "https://discord.com/1"))

	if credential(receiver("b", "type: tenant, user: ann", "https://discord.com/1")) != one {
		t.Error("two Receivers of a tenant with one robot have two credentials")
	}

	for name, other := range map[string]string{
		"another robot":  receiver("a", "type: tenant, user: ann", "https://discord.com/2"),
		"another tenant": receiver("a", "type: tenant, user: bob", "https://discord.com/1"),
		"the platform":   receiver("a", "type: global", "https://discord.com/1"),
	} {
		if credential(other) == one {
			t.Errorf("%s shares the credential", name)
		}
	}
}
