package resolve

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

func slackConfig(name, labels, own string) string {
	return `{metadata: {name: ` + name + `, labels: {` + labels + `}}, ` +
		`spec: {slack: {labels: {` + own + `}, slackTokenSecret: {value: of-` + name + `}}}}`
}

func TestWhichConfig(t *testing.T) {
	const (
		global  = "type: global"
		ann     = "type: tenant, user: ann"
		byTeam  = "slackConfigSelector: {matchLabels: {team: a}}"
		byRegex = "slackConfigSelector: {matchExpressions: [{key: team, operator: Match, regexValue: '^a'}]}"
	)

	for _, c := range []struct {
		name, labels, selector string
		configs                []string
		want                   string
		findings               []string
	}{
		{"global: a default", global, "", []string{slackConfig("d", "type: default", "")}, "d", nil},
		{"global: not a tenant's", global, "", []string{slackConfig("t", ann, "")}, "", []string{"ConfigNotFound spec.slack.slackConfigSelector"}},
		{"global: by selector, of the object's labels", global, byTeam, []string{slackConfig("d", "type: default", ""), slackConfig("e", "type: default, team: a", "")}, "e", nil},
		{"global: by selector, of the channel's labels", global, byTeam, []string{slackConfig("d", "type: default", ""), slackConfig("e", "type: default", "team: a")}, "e", nil},
		{"global: by expression", global, byRegex, []string{slackConfig("d", "type: default, team: ba", ""), slackConfig("e", "type: default, team: ab", "")}, "e", nil},
		{"global: nothing selected", global, byTeam, []string{slackConfig("d", "type: default", "")}, "", []string{"ConfigNotFound spec.slack.slackConfigSelector"}},
		{"smallest priority", global, "", []string{slackConfig("a", "type: default", ""), slackConfig("b", `type: default, priority: "7"`, ""), slackConfig("c", `type: default, priority: "-1"`, "")}, "c", nil},
		{"tie by name", global, "", []string{slackConfig("b", "type: default", ""), slackConfig("a", "type: default", "")}, "a", nil},
		{"without the channel", global, "", []string{`{metadata: {name: a, labels: {type: default}}, spec: {email: {from: x, smartHost: {host: h, port: 1}}}}`, slackConfig("b", "type: default", "")}, "b", nil},
		{"tenant: its own first", ann, "", []string{slackConfig("d", `type: default, priority: "-9"`, ""), slackConfig("t", ann, "")}, "t", nil},
		{"tenant: another's never", ann, "", []string{slackConfig("t", "type: tenant, user: bob", "")}, "", []string{"ConfigNotFound spec.slack.slackConfigSelector"}},
		{"tenant: a default where it has none", ann, "", []string{slackConfig("d", "type: default", "")}, "d", nil},
		{"tenant: a default whatever the selector", ann, byTeam, []string{slackConfig("d", "type: default", ""), slackConfig("t", ann, "")}, "d", nil},
		{"tenant: own by selector", ann, byTeam, []string{slackConfig("d", "type: default", ""), slackConfig("t", ann, "team: a"), slackConfig("s", ann, "")}, "t", nil},
		{"nobody's counts for nobody", global, "", []string{slackConfig("n", "type: other", "")}, "", []string{"ConfigNotFound spec.slack.slackConfigSelector"}},
		{"a broken selector chooses none", ann, "slackConfigSelector: {matchExpressions: [{key: a, operator: Match, regexValue: '('}]}", []string{slackConfig("d", "type: default", "")}, "", []string{"Invalid spec.slack.slackConfigSelector.matchExpressions[0].regexValue"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			receiver := `{metadata: {name: r, labels: {` + c.labels + `}}, ` +
				`spec: {slack: {channels: [ops], ` + c.selector + `}}}`

			for _, order := range [][]string{c.configs, reversed(c.configs)} {
				w := newWorld(t)
				for _, one := range order {
					w.config(t, one)
				}

				result := w.resolve(t, receiver)
				wantLines(t, "findings", brief(result.Findings), c.findings)

				if got := result.Channels[0].Config; got != c.want {
					t.Errorf("the Config is %q, want %q", got, c.want)
				}

				wantTargets := []string{"slack/ops"}
				if c.want == "" {
					wantTargets = []string{"slack/ops broken"}
				}

				wantLines(t, "targets", targets(result), wantTargets)

				plans, _ := planned(t, w, receiver)
				if c.want != "" {
					wantLines(t, "token", tokens(plans), []string{"slack/ops of-" + c.want})
				}
			}
		})
	}
}

func reversed(of []string) []string {
	made := slices.Clone(of)
	slices.Reverse(made)

	return made
}

// tokens are the tokens that plans for Slack send.
func tokens(plans map[string]plan) []string {
	var lines []string

	for key, one := range plans {
		if settings, ok := one.settings.(slackSettings); ok {
			lines = append(lines, key+" "+settings.Token.Reveal())
		}
	}

	slices.Sort(lines)

	return lines
}

func TestConfigOfBothKindsIsTheTenants(t *testing.T) {
	w := newWorld(t)
	w.manager.DefaultConfigSelector.MatchLabels = nil // it selects everything
	w.config(t, slackConfig("t", "type: tenant, user: ann", ""))

	result := w.resolve(t, `{metadata: {name: r, labels: {type: tenant, user: bob}}, spec: {slack: {channels: [ops]}}}`)
	wantLines(t, "findings", brief(result.Findings), []string{"ConfigNotFound spec.slack.slackConfigSelector"})
}

func TestFindingsOfConfigs(t *testing.T) {
	w := newWorld(t).config(t, slackConfig("a", `type: default, priority: high`, ""))
	_, found := w.platform()
	wantLines(t, "findings", brief(found), []string{"Config a Invalid metadata.labels[priority] ~"})
}

func TestDingTalkRobotNeedsNoConfig(t *testing.T) {
	result := newWorld(t).resolve(t, `
metadata: {name: r, labels: {type: global}}
spec:
  dingtalk:
    chatbot: {webhook: {value: "https://oapi.dingtalk.com/robot/send?access_token=d1"}}
    conversation: {chatids: [a, b]}
`)
	wantLines(t, "findings", brief(result.Findings), []string{"ConfigNotFound spec.dingtalk.dingtalkConfigSelector"})
	wantLines(t, "targets", targets(result), []string{
		"dingtalk/chatbot", "dingtalk/conversation/a broken", "dingtalk/conversation/b broken",
	})
}

func TestReferences(t *testing.T) {
	w := newWorld(t).config(t, `
metadata: {name: d, labels: {type: default}}
spec: {slack: {slackTokenSecret: {name: bot, key: token}}}
`).secret("credentials", "bot", "", "x")
	result := w.resolve(t, `
metadata: {name: r, labels: {type: tenant, user: ann}}
spec:
  slack: {channels: [ops], tmplText: {name: words}}
  discord: {webhook: {valueFrom: {secretKeyRef: {name: mine, key: token}}}}
  teams: {webhook: {valueFrom: {secretKeyRef: {name: mine, key: other}}}}
`)

	want := []Reference{
		{KindConfig, "", "d"},
		{KindConfigMap, "credentials", "words"},
		{KindConfigsOf, "", ""},
		{KindConfigsOf, "", "ann"},
		{KindSecret, "credentials", "bot"},
		{KindSecret, "credentials", "mine"},
	}
	if diff := cmp.Diff(want, result.References); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}

	slices.Sort(w.lookups)
	wantLines(t, "each is looked up once", w.lookups, []string{
		"credentials/bot", "credentials/mine", "credentials/words",
	})

	platform, _ := w.platform()

	for labels, want := range map[string]string{
		"type: default": "ConfigsOf", "type: tenant, user: ann": "ConfigsOf ann", "type: x": "",
	} {
		got, concerns := platform.ReferenceOf(read1[notificationv2beta2.Config](t, slackConfig("c", labels, "")))
		if concerns != (want != "") || concerns && got.String() != want {
			t.Errorf("a Config with %s: %v %v, want %q", labels, got, concerns, want)
		}
	}
}

func TestWithConfigs(t *testing.T) {
	w := newWorld(t)
	platform, _ := w.platform()
	receiver := read1[notificationv2beta2.Receiver](t,
		`{metadata: {name: r, labels: {type: global}}, spec: {slack: {channels: [ops]}}}`)

	with, problems := platform.WithConfigs([]*notificationv2beta2.Config{
		read1[notificationv2beta2.Config](t, slackConfig("d", "type: default", "")),
	})
	wantLines(t, "problems", brief(problems), nil)
	wantLines(t, "before", targets(platform.Receiver(receiver, 0)), []string{"slack/ops broken"})
	wantLines(t, "after", targets(with.Receiver(receiver, 0)), []string{"slack/ops"})
}
