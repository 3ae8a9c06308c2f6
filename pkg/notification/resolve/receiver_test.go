package resolve

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
)

const mailConfig = `
metadata: {name: d, labels: {type: default}}
spec: {email: {from: ks@example.com, smartHost: {host: smtp.example.com, port: 587}}}`

func TestChannels(t *testing.T) {
	for _, c := range []struct {
		name, spec         string
		targets, findings  []string
		withoutMailConfigs bool
	}{
		{"none", "", nil, nil, false},
		{"switched off", `email: {enabled: false, to: [a@example.com]}, teams: {webhook: {value: "` + flow + `"}}`, []string{"teams"}, nil, false},
		{"switched on", `email: {enabled: true, to: [a@example.com]}`, []string{"email"}, nil, false},
		{"one is broken, the others work", `email: {to: [a@example.com]}, slack: {channels: [ops]}, teams: {webhook: {value: nowhere}}, discord: {webhook: {value: "` + flow + `"}}`, []string{"email", "slack/ops broken", "discord", "teams broken"}, []string{"ConfigNotFound spec.slack.slackConfigSelector", "Invalid spec.teams.webhook"}, false},
		{"text messages", `sms: {phoneNumbers: ["1"]}`, []string{"sms broken"}, []string{"NotSupported spec.sms"}, false},
		{"pushover", `pushover: {profiles: [{userKey: u}]}`, []string{"pushover broken"}, []string{"NotSupported spec.pushover"}, false},
		{"text messages switched off", `sms: {enabled: false, phoneNumbers: ["1"]}`, nil, nil, false},
		{"a selector of alerts that is broken", `email: {to: [a@example.com], alertSelector: {matchExpressions: [{key: a, operator: Near}]}}`, []string{"email"}, []string{"Invalid spec.email.alertSelector.matchExpressions[0].operator ~"}, false},
		{"mail: one address is none", `email: {to: [nobody, a@example.com, "<a@example.com>", "B <b@example.com>"]}`, []string{"email"}, []string{"Invalid spec.email.to[0] ~"}, false},
		{"mail: nobody", `email: {to: [nobody]}`, []string{"email broken"}, []string{"Invalid spec.email.to", "Invalid spec.email.to[0] ~"}, false},
		{"mail: empty", `email: {to: []}`, []string{"email broken"}, []string{"Invalid spec.email.to"}, false},
		{"mail: no server", `email: {to: [a@example.com]}`, []string{"email broken"}, []string{"ConfigNotFound spec.email.emailConfigSelector"}, true},
		{"an entry is empty", `telegram: {channels: ["", "1"]}`, []string{"telegram/1 broken"}, []string{"Invalid spec.telegram.channels[0] ~", "ConfigNotFound spec.telegram.telegramConfigSelector"}, false},
		{"dingtalk: nobody", `dingtalk: {}`, []string{"dingtalk broken"}, []string{"Invalid spec.dingtalk"}, false},
		{"feishu: nobody", `feishu: {}`, []string{"feishu broken"}, []string{"Invalid spec.feishu"}, false},
		{"wechat: nobody", `wechat: {}`, []string{"wechat broken"}, []string{"Invalid spec.wechat"}, false},
		{"webhook: nowhere", `webhook: {}`, []string{"webhook broken"}, []string{"Invalid spec.webhook.url"}, false},
		{"webhook: both", `webhook: {url: "https://a.example.com", service: {namespace: a, name: b}}`, []string{"webhook broken"}, []string{"Invalid spec.webhook.url"}, false},
		{"webhook: a Service", `webhook: {service: {namespace: a, name: b, path: in, port: 8080, scheme: HTTPS}}`, []string{"webhook"}, nil, false},
		{"webhook: a Service at port 0", `webhook: {service: {namespace: a, name: b, port: 0}}`, []string{"webhook broken"}, []string{"Invalid spec.webhook.service.port"}, false},
		{"webhook: no proxy", `webhook: {url: "https://a.example.com", httpConfig: {proxyUrl: "ftp://p"}}`, []string{"webhook broken"}, []string{"Invalid spec.webhook.httpConfig.proxyUrl"}, false},
		{"webhook: half a certificate", `webhook: {url: "https://a.example.com", httpConfig: {tlsConfig: {clientCertificate: {cert: {value: x}}}}}`, []string{"webhook broken"}, []string{"Invalid spec.webhook.httpConfig.tlsConfig.clientCertificate"}, false},
		{"too many of Feishu", `feishu: {user: [` + strings.TrimSuffix(strings.Repeat("u,", 2), ",") + `], chatbot: {webhook: {value: "` + flow + `"}}}`, []string{"feishu/app broken", "feishu/chatbot"}, []string{"ConfigNotFound spec.feishu.feishuConfigSelector"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if !c.withoutMailConfigs {
				w.config(t, mailConfig)
			}

			result := w.resolve(t, global(c.spec))
			wantLines(t, "targets", targets(result), c.targets)
			wantLines(t, "findings", brief(result.Findings), c.findings)

			for i := range result.Receiver.Targets {
				one := &result.Receiver.Targets[i]
				if one.Broken != nil && !strings.Contains(one.Broken.Error(), "spec.") {
					t.Errorf("%s does not name the field: %v", one.Key, one.Broken)
				}

				if one.Where.Credential == "" {
					t.Errorf("%s has no credential", one.Key)
				}
			}
		})
	}
}

func TestFieldsOfConfigs(t *testing.T) {
	for _, c := range []struct{ spec, want string }{
		{`email: {from: nobody, smartHost: {host: h, port: 25}}`, "spec.email.from"},
		{`email: {from: a@example.com, smartHost: {host: "", port: 25}}`, "spec.email.smartHost.host"},
		{`email: {from: a@example.com, smartHost: {host: h, port: 0}}`, "spec.email.smartHost.port"},
		{`slack: {apiURL: "ftp://x", slackTokenSecret: {value: t}}`, "spec.slack.apiURL"},
		{`slack: {}`, "spec.slack.slackTokenSecret"},
		{`telegram: {telegramTokenSecret: {value: "a/b"}}`, "spec.telegram.telegramTokenSecret"},
		{`feishu: {appID: {value: a}, appSecret: null}`, "spec.feishu.appSecret"},
		{`wechat: {wechatApiCorpId: "", wechatApiAgentId: "1", wechatApiSecret: {value: x}}`, "spec.wechat.wechatApiCorpId"},
		{`dingtalk: {conversation: {appkey: {value: a}}}`, "spec.dingtalk.conversation.appsecret"},
		{`dingtalk: {apiURL: x, conversation: {appkey: {value: a}, appsecret: {value: b}}}`, "spec.dingtalk.apiURL"},
	} {
		kind, _, _ := strings.Cut(c.spec, ":")
		receiver := map[string]string{
			"email": "email: {to: [a@example.com]}", "slack": "slack: {channels: [a]}", "telegram": "telegram: {channels: [a]}",
			"feishu": "feishu: {user: [a]}", "wechat": "wechat: {toUser: [a]}", "dingtalk": "dingtalk: {conversation: {chatids: [a]}}",
		}[kind]

		w := newWorld(t).config(t, "{metadata: {name: d, labels: {type: default}}, spec: {"+c.spec+"}}")
		wantLines(t, c.spec, brief(w.resolve(t, global(receiver)).Findings), []string{"Config d Invalid " + c.want})
	}
}

func TestSendResolved(t *testing.T) {
	for set, want := range map[string]bool{"": false, "sendResolved: true": false, "sendResolved: false": true} {
		if got := newWorld(t).resolve(t, global(set)).Receiver.OnlyFiring; got != want {
			t.Errorf("%q: only firing %v, want %v", set, got, want)
		}
	}
}

func TestMailIsCutIntoBatches(t *testing.T) {
	w := newWorld(t).config(t, mailConfig)

	var to []string
	for i := range 120 {
		to = append(to, "u"+strings.Repeat("x", i)+"@example.com")
	}

	result := w.resolve(t, global("email: {to: ["+strings.Join(to, ", ")+"]}"))
	wantLines(t, "targets", targets(result), []string{"email", "email/2", "email/3"})

	if got := result.Channels[0].Targets; got != len(to) {
		t.Errorf("%d people are told, want %d", got, len(to))
	}

	// The targets are the same when the server is missing, so that what is for them waits.
	result = newWorld(t).resolve(t, global("email: {to: ["+strings.Join(to, ", ")+"]}"))
	wantLines(t, "without a server", targets(result), []string{"email broken", "email/2 broken", "email/3 broken"})
}

func TestHistory(t *testing.T) {
	w := newWorld(t)
	platform, _ := w.platform()

	if got := platform.History(); len(got.Receiver.Targets) != 0 || len(got.Findings) != 0 {
		t.Errorf("without a history: %+v", got)
	}

	w.manager.History = read1[notificationv2beta2.HistoryReceiver](t, `webhook: {url: "https://history.example.com/x"}`)
	w.manager.Receivers.Options = read1[notificationv2beta2.Options](t, "global: {template: nm.subject}")
	platform, _ = w.platform()

	got := platform.History()
	wantLines(t, "targets", targets(got), []string{"webhook"})
	wantLines(t, "findings", brief(got.Findings), nil)

	data := message.Sample()

	made, err := got.Receiver.Targets[0].Channel.Render(data)
	if err != nil || !strings.HasPrefix(made[0].Text, `{"alerts":[`) {
		t.Errorf("the history is sent %v, %v; want JSON", made, err)
	}

	w.manager.History.Webhook.URL = nil
	platform, _ = w.platform()
	wantLines(t, "findings", brief(platform.History().Findings), []string{
		"NotificationManager Invalid spec.history.webhook.url",
	})
}

func TestOrderOfTargetsIsThatOfTheRoute(t *testing.T) {
	result := newWorld(t).config(t, fullConfig).resolve(t, fullReceiver)

	var kinds, route []string

	for i := range result.Receiver.Targets {
		if kind := string(result.Receiver.Targets[i].Type); len(kinds) == 0 || kinds[len(kinds)-1] != kind {
			kinds = append(kinds, kind)
		}
	}

	for _, one := range result.Receiver.Route.Channels {
		route = append(route, one.Type)
	}

	if diff := cmp.Diff(route, kinds); diff != "" {
		t.Errorf("(-route +targets):\n%s", diff)
	}
}
