package telegram_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/channeltest"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/telegram"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

const token = "123:s3cret"

func newChannel(t *testing.T) (*telegram.Channel, *channeltest.Double) {
	t.Helper()

	clock := channeltest.NewClock()
	double := channeltest.Telegram(clock.Now, token)

	made, err := telegram.New(telegram.Settings{
		BaseURL: channeltest.Serve(t, double), Token: secret.New(token), Chat: "-100123",
		MentionedUsers: []string{"anna", "ben"}, Text: channeltest.Text(channeltest.List),
	}, channeltest.Client(t), clock.Now)
	if err != nil {
		t.Fatal(err)
	}

	return made, double
}

func TestRequest(t *testing.T) {
	made, double := newChannel(t)
	channeltest.SendAll(t, made, channeltest.Data("disk <full>"))

	calls := double.Calls()
	if len(calls) != 1 || calls[0].Path != "/bot"+token+"/sendMessage" {
		t.Fatalf("got %+v", calls)
	}

	want := `{"chat_id":"-100123","text":"[a0] disk <full>\n@anna @ben"}`
	if diff := cmp.Diff(want, string(calls[0].Body)); diff != "" {
		t.Error(diff)
	}
}

func TestEveryAlertArrives(t *testing.T) {
	made, double := newChannel(t)
	channeltest.CheckAllArrive(t, made, double)
}

func TestAnswers(t *testing.T) {
	made, double := newChannel(t)

	says := func(status int, body string) channeltest.Reply { return channeltest.Reply{Status: status, Body: body} }

	channeltest.CheckAnswers(t, made, double, []string{"s3cret"}, map[string]channeltest.Case{
		"success": channeltest.Expect(says(200, `{"ok":true,"result":{}}`), ""),
		"unauthorized": channeltest.Expect(
			says(401, `{"ok":false,"error_code":401,"description":"Unauthorized"}`), "Denied (401)",
		),
		"a token of no form": channeltest.Expect(says(404, `{"ok":false,"error_code":404,"description":"Not Found"}`), "Denied (404)"),
		"chat not found": channeltest.Expect(
			says(400, `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`), "Refused (400)",
		),
		"put out": channeltest.Expect(
			says(403, `{"ok":false,"error_code":403,"description":"Forbidden: bot was kicked"}`), "Refused (403)",
		),
		"too many": channeltest.Expect(
			says(429, `{"ok":false,"error_code":429,"description":"Too Many","parameters":{"retry_after":35}}`),
			"RateLimited 35s (429)",
		),
		"too many, in the header": channeltest.Expect(
			channeltest.Reply{
				Status: 429, Header: http.Header{"Retry-After": {"7"}}, Body: `{"ok":false,"error_code":429}`,
			}, "RateLimited 7s (429)",
		),
		"error of the server": channeltest.Expect(says(500, `{"ok":false,"error_code":500,"description":"Internal"}`), "Unavailable (500)"),
		"quotes the token":    channeltest.Expect(says(400, `{"ok":false,"error_code":400,"description":"bot `+token+`"}`), "Refused (400)"),
		"moved": channeltest.Expect(
			says(400, `{"ok":false,"error_code":400,"description":"upgraded","parameters":{"migrate_to_chat_id":-5}}`),
			"Refused (400)",
		),
		"without a code": channeltest.Expect(says(502, `{"ok":false}`), "Unavailable (502)"),
	})
}

func TestFaults(t *testing.T) {
	made, double := newChannel(t)
	channeltest.CheckFaults(t, made, double, channeltest.Garbled)
}

func TestSettings(t *testing.T) {
	good := telegram.Settings{Token: secret.New(token), Chat: "@ops", Text: channeltest.Text(channeltest.List)}

	for name, test := range map[string]struct {
		field string
		spoil func(*telegram.Settings)
	}{
		"no URL":     {"telegramApiUrl", func(s *telegram.Settings) { s.BaseURL = "s3cret" }},
		"no token":   {"telegramTokenSecret", func(s *telegram.Settings) { s.Token = secret.String{} }},
		"bad token":  {"telegramTokenSecret", func(s *telegram.Settings) { s.Token = secret.New("s3cret/../x") }},
		"no channel": {"channels", func(s *telegram.Settings) { s.Chat = "" }},
		"no text":    {"template", func(s *telegram.Settings) { s.Text = nil }},
	} {
		settings := good
		test.spoil(&settings)

		_, err := telegram.New(settings, channeltest.Client(t), channeltest.NewClock().Now)
		t.Log(name)
		channeltest.CheckSetting(t, err, test.field, "s3cret")
	}

	var _ channel.Channel = (*telegram.Channel)(nil)
}
