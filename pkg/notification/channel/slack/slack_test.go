package slack_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/channeltest"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/slack"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

const token = "xoxb-s3cret"

func newChannel(t *testing.T) (*slack.Channel, *channeltest.Double) {
	t.Helper()

	clock := channeltest.NewClock()
	double := channeltest.Slack(clock.Now, token)

	made, err := slack.New(slack.Settings{
		BaseURL: channeltest.Serve(t, double) + "/api", Token: secret.New(token), Channel: "#ops",
		Text: channeltest.Text(channeltest.List),
	}, channeltest.Client(t), clock.Now)
	if err != nil {
		t.Fatal(err)
	}

	return made, double
}

func TestRequest(t *testing.T) {
	made, double := newChannel(t)
	channeltest.SendAll(t, made, channeltest.Data("disk <full> & \"hot\""))

	calls := double.Calls()
	if len(calls) != 1 || calls[0].Path != "/api/chat.postMessage" ||
		calls[0].Header.Get("Authorization") != "Bearer "+token ||
		calls[0].Header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Fatalf("got %+v", calls)
	}

	want := `{"channel":"#ops","text":"[a0] disk <full> & \"hot\""}`
	if diff := cmp.Diff(want, string(calls[0].Body)); diff != "" {
		t.Error(diff)
	}
}

func TestEveryAlertArrives(t *testing.T) {
	made, double := newChannel(t)
	channeltest.CheckAllArrive(t, made, double)
}

// Slack answers 200 to what it refuses.
func TestAnswers(t *testing.T) {
	made, double := newChannel(t)

	says := func(name string) channeltest.Reply {
		return channeltest.Reply{Status: 200, Body: `{"ok":false,"error":"` + name + `"}`}
	}

	channeltest.CheckAnswers(t, made, double, []string{token}, map[string]channeltest.Case{
		"success":            channeltest.Expect(channeltest.Reply{Status: 200, Body: `{"ok":true,"ts":"1"}`}, ""),
		"invalid_auth":       channeltest.Expect(says("invalid_auth"), "Denied (200)"),
		"token_revoked":      channeltest.Expect(says("token_revoked"), "Denied (200)"),
		"missing_scope":      channeltest.Expect(says("missing_scope"), "Denied (200)"),
		"channel_not_found":  channeltest.Expect(says("channel_not_found"), "Refused (200)"),
		"not_in_channel":     channeltest.Expect(says("not_in_channel"), "Refused (200)"),
		"is_archived":        channeltest.Expect(says("is_archived"), "Refused (200)"),
		"msg_too_long":       channeltest.Expect(says("msg_too_long"), "Refused (200)"),
		"ratelimited in 200": channeltest.Expect(says("ratelimited"), "RateLimited (200)"),
		"internal_error":     channeltest.Expect(says("internal_error"), "Unavailable (200)"),
		"something new":      channeltest.Expect(says("brand_new_error"), "Unavailable (200)"),
		"quotes the token":   channeltest.Expect(says("who is "+token), "Unavailable (200)"),
		"refused unnamed":    channeltest.Expect(channeltest.Reply{Status: 200, Body: `{}`}, "Unavailable (200)"),
		"ratelimited": channeltest.Expect(
			channeltest.Reply{
				Status: 429, Header: http.Header{"Retry-After": {"30"}}, Body: `{"ok":false,"error":"ratelimited"}`,
			}, "RateLimited 30s (429)",
		),
		"ratelimited without words": channeltest.Expect(
			channeltest.Reply{
				Status: 429, Header: http.Header{"Retry-After": {"Fri, 02 Jan 2026 03:04:15 GMT"}}, Body: `{}`,
			},
			"RateLimited 10s (429)",
		),
	})
}

func TestFaults(t *testing.T) {
	made, double := newChannel(t)
	channeltest.CheckFaults(t, made, double, channeltest.Garbled)
}

func TestSettings(t *testing.T) {
	good := slack.Settings{Token: secret.New(token), Channel: "#ops", Text: channeltest.Text(channeltest.List)}

	for field, spoil := range map[string]func(*slack.Settings){
		"slackApiUrl":      func(s *slack.Settings) { s.BaseURL = "ftp://s3cret" },
		"slackTokenSecret": func(s *slack.Settings) { s.Token = secret.String{} },
		"channels":         func(s *slack.Settings) { s.Channel = "" },
		"template":         func(s *slack.Settings) { s.Text = nil },
	} {
		settings := good
		spoil(&settings)

		_, err := slack.New(settings, channeltest.Client(t), channeltest.NewClock().Now)
		channeltest.CheckSetting(t, err, field, "s3cret")
	}

	var _ channel.Channel = (*slack.Channel)(nil)
}
