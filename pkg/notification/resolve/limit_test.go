package resolve

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
)

func TestTimeouts(t *testing.T) {
	for set, want := range map[string]time.Duration{
		"": 30 * time.Second, "3": 3 * time.Second, "0": 30 * time.Second, "-5": 30 * time.Second,
		strconv.Itoa(math.MaxInt64): 10 * time.Minute,
	} {
		w := newWorld(t)
		if set != "" {
			w.manager = read1[notificationManagerSpec](t,
				managerYAML+"  options: {webhook: {notificationTimeout: "+set+"}}\n")
		}

		platform, _ := w.platform()
		if got := platform.timeout(channel.Webhook); got != want {
			t.Errorf("notificationTimeout %q is %s, want %s", set, got, want)
		}

		if got := platform.timeout(channel.Slack); got != 30*time.Second {
			t.Errorf("notificationTimeout of another channel is %s", got)
		}
	}
}

func TestTighter(t *testing.T) {
	rate := func(messages int, per time.Duration) delivery.Rate {
		return delivery.Rate{Messages: messages, Per: per}
	}

	for _, c := range []struct{ a, b, want delivery.Rate }{
		{rate(0, 0), rate(0, 0), rate(0, 0)},
		{rate(5, time.Second), rate(0, 0), rate(5, time.Second)},
		{rate(5, time.Second), rate(100, time.Minute), rate(5, 3*time.Second)},
		{rate(20, time.Minute), rate(20, time.Minute), rate(20, time.Minute)},
		{rate(7, time.Second), rate(7, 2*time.Second), rate(7, 2*time.Second)},
		{rate(1, time.Second), rate(10, time.Second), rate(1, time.Second)},
		{rate(1, time.Hour), rate(1000, time.Second), rate(1, time.Hour)},
	} {
		for _, got := range []delivery.Rate{tighter(c.a, c.b), tighter(c.b, c.a)} {
			if got != c.want {
				t.Errorf("of %v and %v the tighter is %v, want %v", c.a, c.b, got, c.want)
			}
		}
	}
}

func TestRetry(t *testing.T) {
	defaults := delivery.DefaultLimits()

	for _, c := range []struct {
		name, manager, receiver string
		change                  func(*delivery.Limits)
		findings                []string
	}{
		{"nothing", "", "", nil, nil},
		{"the manager's are everybody's", "{maxAge: 1h}", "", nil, nil},
		{"the receiver's", "{maxAge: 1h, maxBackoff: 2m}", "{maxAge: 30m}", func(l *delivery.Limits) {
			l.MaxAge, l.MaxBackoff = 30*time.Minute, 2*time.Minute
		}, nil},
		{"a smallest that is greater than the greatest", "", "{minBackoff: 10m}", func(l *delivery.Limits) {
			l.MinBackoff, l.MaxBackoff = 10*time.Minute, 10*time.Minute
		}, nil},
		{"both", "", "{minBackoff: 10m, maxBackoff: 5m}", func(l *delivery.Limits) {
			l.MinBackoff, l.MaxBackoff = 10*time.Minute, 10*time.Minute
		}, []string{"Invalid spec.retry.maxBackoff ~"}},
		{"no durations", "", "{minBackoff: soon, maxBackoff: 1000h, maxAge: -1s}", nil, []string{
			"Invalid spec.retry.maxAge ~", "Invalid spec.retry.maxBackoff ~", "Invalid spec.retry.minBackoff ~",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if c.manager != "" {
				w.manager = read1[notificationManagerSpec](t, managerYAML+"delivery: {retry: "+c.manager+"}\n")
			}

			retry := ""
			if c.receiver != "" {
				retry = "retry: " + c.receiver
			}

			result := w.resolve(t, "{metadata: {name: r, labels: {type: global}}, spec: {"+retry+"}}")
			wantLines(t, "findings", brief(result.Findings), c.findings)

			if c.change == nil {
				if result.Receiver.Retry != nil {
					t.Errorf("limits of its own: %+v", *result.Receiver.Retry)
				}

				return
			}

			want := defaults
			c.change(&want)

			if diff := cmp.Diff(&want, result.Receiver.Retry); diff != "" {
				t.Errorf("limits (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReceiverRate(t *testing.T) {
	for _, c := range []struct {
		set      string
		want     delivery.Rate
		findings []string
	}{
		{"{messages: 5}", delivery.Rate{Messages: 5, Per: time.Minute}, nil},
		{"{messages: 5, per: 10s}", delivery.Rate{Messages: 5, Per: 10 * time.Second}, nil},
		{"{messages: 0}", delivery.Rate{}, []string{"Invalid spec.rateLimit.messages ~"}},
		{"{messages: 5, per: x}", delivery.Rate{Messages: 5, Per: time.Minute}, []string{"Invalid spec.rateLimit.per ~"}},
	} {
		result := newWorld(t).resolve(t, global(`rateLimit: `+c.set+`, webhook: {url: "https://a.example.com"}`))
		wantLines(t, c.set, brief(result.Findings), c.findings)

		if got := result.Receiver.Targets[0].Where; got.Rate != c.want || got.Shared != (delivery.Rate{}) {
			t.Errorf("%s: %+v, want the rate %v", c.set, got, c.want)
		}
	}
}

func TestPrecedenceOfTemplates(t *testing.T) {
	const all = "global: {template: nm.subject}"

	for _, c := range []struct {
		name, options, receiver, want string
		findings                      []string
	}{
		{"the channel's own", "", "", message.Markdown, nil},
		{"of all", all, "", "nm.subject", nil},
		{"of the channel", all + ", discord: {template: nm.default.text}", "", "nm.default.text", nil},
		{"of the receiver", all + ", discord: {template: nm.default.text}", "nm.feishu.text", "nm.feishu.text", nil},
		{"an action", "", `{{ template "nm.default.text" . }}`, "template reference", nil},
		{"unknown: the receiver's", all, "nope", message.Markdown, []string{"BadTemplate spec.discord.template ~"}},
		{"unknown: the channel's", "discord: {template: nope}", "", message.Markdown, []string{"NotificationManager BadTemplate spec.receivers.options.discord.template ~"}},
		{"unknown: that of all", "global: {template: nope}", "", message.Markdown, []string{"NotificationManager BadTemplate spec.receivers.options.global.template ~"}},
		{"broken", "", `{{ template "`, message.Markdown, []string{"BadTemplate spec.discord.template ~"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.manager = read1[notificationManagerSpec](t, managerYAML+"  options: {"+c.options+"}\n")

			receiver := global(`discord: {webhook: {value: "` + flow + `"}, template: '` + c.receiver + `'}`)
			plans, found := planned(t, w, receiver)
			wantLines(t, "findings", brief(found), c.findings)

			if got := templateName(plans["discord"].settings.(discordSettings).Text); got != c.want {
				t.Errorf("the template is %q, want %q", got, c.want)
			}

			result := w.resolve(t, receiver)

			made, err := result.Receiver.Targets[0].Channel.Render(message.Sample())
			if err != nil || len(made) == 0 {
				t.Errorf("no message: %v %v", made, err)
			}
		})
	}
}

// TestTelegramAndDiscordWithoutTemplate is what crashed the service that this one takes the place of.
func TestTelegramAndDiscordWithoutTemplate(t *testing.T) {
	w := newWorld(t).config(t, `
metadata: {name: d, labels: {type: default}}
spec: {telegram: {telegramTokenSecret: {value: "1:t"}}}`)
	result := w.resolve(t, global(`discord: {webhook: {value: "`+flow+`"}}, telegram: {channels: ["1"]}`))

	wantLines(t, "targets", targets(result), []string{"discord", "telegram/1"})

	for i := range result.Receiver.Targets {
		made, err := result.Receiver.Targets[i].Channel.Render(message.Sample())
		if err != nil || !strings.Contains(made[0].Text, "DiskAlmostFull") {
			t.Errorf("%s: %v %v", result.Receiver.Targets[i].Key, made, err)
		}
	}
}

func TestKinds(t *testing.T) {
	w := newWorld(t)
	w.manager = read1[notificationManagerSpec](t,
		managerYAML+"  options: {dingtalk: {tmplType: html}, feishu: {tmplType: text}}\n")

	const receiver = `
metadata: {name: r, labels: {type: global}}
spec:
  dingtalk: {chatbot: {webhook: {value: "https://flows.example.com/d"}}, titleTemplate: nope}
  feishu: {chatbot: {webhook: {value: "https://flows.example.com/f"}}, tmplType: card}
  discord: {webhook: {value: "https://flows.example.com/e"}, type: loud}
`

	plans, found := planned(t, w, receiver)
	wantLines(t, "findings", brief(found), []string{
		"NotificationManager Invalid spec.receivers.options.dingtalk.tmplType ~", "Invalid spec.discord.type ~",
		"Invalid spec.feishu.tmplType ~",
	})
	wantLines(t, "kinds", []string{
		plans["dingtalk/chatbot"].settings.(dingTalkSettings).Kind,
		plans["feishu/chatbot"].settings.(feishuSettings).Kind,
		plans["discord"].settings.(discordSettings).Kind,
	}, []string{"text", "text", "content"})
	wantLines(t, "targets", targets(w.resolve(t, receiver)), []string{"dingtalk/chatbot", "feishu/chatbot", "discord"})
}
