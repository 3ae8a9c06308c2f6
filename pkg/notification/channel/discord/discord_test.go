package discord_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/channeltest"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/discord"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

func newChannel(t *testing.T, kind string) (*discord.Channel, *channeltest.Double) {
	t.Helper()

	clock := channeltest.NewClock()
	double := channeltest.Discord(clock.Now)

	made, err := discord.New(discord.Settings{
		Webhook: secret.New(channeltest.Serve(t, double) + "/api/webhooks/1/s3cret-token"), Kind: kind,
		MentionedUsers: []string{"11", "everyone"}, MentionedRoles: []string{"22"},
		Text: channeltest.Text(channeltest.List),
	}, channeltest.Client(t), clock.Now)
	if err != nil {
		t.Fatal(err)
	}

	return made, double
}

func TestRequest(t *testing.T) {
	const allowed = `"allowed_mentions":{"parse":["everyone"],"users":["11"],"roles":["22"]}`

	for kind, want := range map[string]string{
		"":              `{"content":"[a0] hot\n<@11>@everyone<@&22>",` + allowed + `}`,
		discord.Content: `{"content":"[a0] hot\n<@11>@everyone<@&22>",` + allowed + `}`,
		discord.Embed:   `{"content":"<@11>@everyone<@&22>","embeds":[{"description":"[a0] hot"}],` + allowed + `}`,
	} {
		made, double := newChannel(t, kind)
		channeltest.SendAll(t, made, channeltest.Data("hot"))

		calls := double.Calls()
		if len(calls) != 1 || calls[0].Path != "/api/webhooks/1/s3cret-token" {
			t.Fatalf("%q: got %+v", kind, calls)
		}

		if diff := cmp.Diff(want, string(calls[0].Body)); diff != "" {
			t.Errorf("%q: %s", kind, diff)
		}
	}
}

// What an alert says calls nobody.
func TestAlertsCallNobody(t *testing.T) {
	double := channeltest.Discord(channeltest.NewClock().Now)

	made, err := discord.New(discord.Settings{
		Webhook: secret.New(channeltest.Serve(t, double) + "/x"), Text: channeltest.Text(channeltest.List),
	}, channeltest.Client(t), channeltest.NewClock().Now)
	if err != nil {
		t.Fatal(err)
	}

	channeltest.SendAll(t, made, channeltest.Data("@everyone <@1>"))

	want := `{"content":"[a0] @everyone <@1>","allowed_mentions":{"parse":[]}}`
	if diff := cmp.Diff(want, string(double.Calls()[0].Body)); diff != "" {
		t.Error(diff)
	}
}

func TestEveryAlertArrives(t *testing.T) {
	for _, kind := range []string{discord.Content, discord.Embed} {
		made, double := newChannel(t, kind)
		channeltest.CheckAllArrive(t, made, double)
	}
}

func TestAnswers(t *testing.T) {
	made, double := newChannel(t, "")

	says := func(status int, body string) channeltest.Reply { return channeltest.Reply{Status: status, Body: body} }

	channeltest.CheckAnswers(t, made, double, []string{"s3cret"}, map[string]channeltest.Case{
		"204":             channeltest.Expect(says(204, ""), ""),
		"200":             channeltest.Expect(says(200, `{"id":"1"}`), ""),
		"empty":           channeltest.Expect(says(400, `{"message":"Cannot send an empty message","code":50006}`), "Refused (400)"),
		"unknown webhook": channeltest.Expect(says(404, `{"message":"Unknown Webhook","code":10015}`), "Refused (404)"),
		"invalid token":   channeltest.Expect(says(401, `{"message":"Invalid Webhook Token s3cret-token","code":50027}`), "Denied (401)"),
		"server":          channeltest.Expect(says(500, `{"message":"Internal","code":0}`), "Unavailable (500)"),
		"too many": channeltest.Expect(
			says(429, `{"message":"You are being rate limited.","retry_after":64.57,"global":false}`),
			"RateLimited 1m4.57s (429)",
		),
		"too many, in the header": channeltest.Expect(
			channeltest.Reply{Status: 429, Header: http.Header{"Retry-After": {"65"}}, Body: `<html>`},
			"RateLimited 1m5s (429)",
		),
	})
}

func TestFaults(t *testing.T) {
	made, double := newChannel(t, "")
	channeltest.CheckFaults(t, made, double, "")
}

func TestSettings(t *testing.T) {
	good := discord.Settings{
		Webhook: secret.New("https://discord.com/api/webhooks/1/s3cret"), Text: channeltest.Text(channeltest.List),
	}

	for field, spoil := range map[string]func(*discord.Settings){
		"webhook":        func(s *discord.Settings) { s.Webhook = secret.New("s3cret") },
		"type":           func(s *discord.Settings) { s.Kind = "s3cret" }, // B6
		"template":       func(s *discord.Settings) { s.Text = nil },      // B5
		"mentionedUsers": func(s *discord.Settings) { s.MentionedUsers = make([]string, 500) },
	} {
		settings := good
		spoil(&settings)

		_, err := discord.New(settings, channeltest.Client(t), channeltest.NewClock().Now)
		channeltest.CheckSetting(t, err, field, "s3cret")
	}

	var _ channel.Channel = (*discord.Channel)(nil)
}
