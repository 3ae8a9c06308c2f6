package teams_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/channeltest"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/teams"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

func newChannel(t *testing.T, title, text channel.Renderer) (*teams.Channel, *channeltest.Double) {
	t.Helper()

	clock := channeltest.NewClock()
	double := channeltest.Teams(clock.Now)

	made, err := teams.New(teams.Settings{
		Webhook: secret.New(channeltest.Serve(t, double) + "/workflows/1/run?sig=s3cret-signature"),
		Title:   title, Text: text,
	}, channeltest.Client(t), clock.Now)
	if err != nil {
		t.Fatal(err)
	}

	return made, double
}

func says(text string) channeltest.Text {
	return func(*message.Data) (string, error) { return text, nil }
}

func TestRequest(t *testing.T) {
	const (
		start = `{"type":"message","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive",` +
			`"contentUrl":null,"content":{"$schema":"http://adaptivecards.io/schemas/adaptive-card.json",` +
			`"type":"AdaptiveCard","version":"1.4","body":[`
		head = `{"type":"TextBlock","text":"Disk","wrap":true,"weight":"Bolder","size":"Medium"},`
		body = `{"type":"TextBlock","text":"one\n\ntwo\n\nthree\n\n- a\n- b\n\n4. c\n\nend","wrap":true}`
		end  = `],"msteams":{"width":"Full"}}}]}`
	)

	text := says("one\ntwo\n\nthree\n- a\n- b\n\n4. c\nend")

	for name, test := range map[string]struct {
		title channel.Renderer
		want  string
	}{
		"with a title": {says("Disk"), start + head + body + end},
		"without":      {nil, start + body + end},
	} {
		made, double := newChannel(t, test.title, text)
		channeltest.SendAll(t, made, channeltest.Data("hot"))

		calls := double.Calls()
		if len(calls) != 1 || calls[0].Query.Get("sig") != "s3cret-signature" {
			t.Fatalf("%s: got %+v", name, calls)
		}

		if diff := cmp.Diff(test.want, string(calls[0].Body)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestEveryAlertArrives(t *testing.T) {
	made, double := newChannel(t, says(strings.Repeat("\"", 1000)), channeltest.Text(channeltest.List))
	channeltest.CheckAllArrive(t, made, double)
}

func TestAnswers(t *testing.T) {
	made, double := newChannel(t, nil, channeltest.Text(channeltest.List))

	channeltest.CheckAnswers(t, made, double, []string{"s3cret"}, map[string]channeltest.Case{
		"202":         channeltest.Expect(channeltest.Reply{Status: 202}, ""),
		"200":         channeltest.Expect(channeltest.Reply{Status: 200, Body: "1"}, ""),
		"signature":   channeltest.Expect(channeltest.Reply{Status: 401, Body: `{"error":{"code":"DirectApiAuthorizationRequired"}}`}, "Denied (401)"),
		"no workflow": channeltest.Expect(channeltest.Reply{Status: 404}, "Refused (404)"),
		"schema":      channeltest.Expect(channeltest.Reply{Status: 400, Body: "s3cret"}, "Refused (400)"),
		"too long":    channeltest.Expect(channeltest.Reply{Status: 413}, "Refused (413)"),
		"busy":        channeltest.Expect(channeltest.Reply{Status: 502}, "Unavailable (502)"),
		"too many": channeltest.Expect(
			channeltest.Reply{Status: 429, Header: http.Header{"Retry-After": {"12"}}}, "RateLimited 12s (429)",
		),
	})
}

func TestFaults(t *testing.T) {
	made, double := newChannel(t, nil, channeltest.Text(channeltest.List))
	channeltest.CheckFaults(t, made, double, "")
}

func TestSettings(t *testing.T) {
	text := channeltest.Text(channeltest.List)

	_, err := teams.New(teams.Settings{Text: text}, channeltest.Client(t), channeltest.NewClock().Now)
	channeltest.CheckSetting(t, err, "webhook", "")

	_, err = teams.New(teams.Settings{Webhook: secret.New("https://host/s3cret")}, channeltest.Client(t),
		channeltest.NewClock().Now)
	channeltest.CheckSetting(t, err, "template", "s3cret")

	var _ channel.Channel = (*teams.Channel)(nil)
}
