package wecom_test

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/channeltest"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/token"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/wecom"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

type world struct {
	clock  *channeltest.Clock
	double *channeltest.Double
	url    string
	tokens *token.Cache
}

func newWorld(t *testing.T) world {
	t.Helper()

	clock := channeltest.NewClock()
	double := channeltest.WeCom(clock.Now, "corp", "s3cret-app")

	return world{clock: clock, double: double, url: channeltest.Serve(t, double), tokens: token.New(clock.Now)}
}

func (w world) app(t *testing.T, spoil func(*wecom.AppSettings)) *wecom.App {
	t.Helper()

	settings := wecom.AppSettings{
		BaseURL: w.url + "/cgi-bin/", CorpID: "corp", AgentID: "1000002", Secret: secret.New("s3cret-app"),
		To: wecom.Recipients{Users: []string{"anna", "ben"}}, Text: channeltest.Text(channeltest.List),
	}
	if spoil != nil {
		spoil(&settings)
	}

	made, err := wecom.NewApp(settings, channeltest.Client(t), w.tokens, w.clock.Now)
	if err != nil {
		t.Fatal(err)
	}

	return made
}

func (w world) robot(t *testing.T, spoil func(*wecom.RobotSettings)) *wecom.Robot {
	t.Helper()

	settings := wecom.RobotSettings{
		Webhook: secret.New(w.url + "/cgi-bin/webhook/send?key=s3cret-robot"), Text: channeltest.Text(channeltest.List),
	}
	if spoil != nil {
		spoil(&settings)
	}

	made, err := wecom.NewRobot(settings, channeltest.Client(t), w.clock.Now)
	if err != nil {
		t.Fatal(err)
	}

	return made
}

func TestRequestsOfAnApp(t *testing.T) {
	everybody := wecom.Recipients{Users: []string{"anna", "ben"}, Parties: []string{"1", "2"}, Tags: []string{"ops"}}

	for name, test := range map[string]struct {
		spoil func(*wecom.AppSettings)
		want  string
	}{
		"text": {nil, `{"touser":"anna|ben","agentid":"1000002","safe":"0",` +
			`"msgtype":"text","text":{"content":"[a0] <hot>"}}`},
		"Markdown": {
			func(s *wecom.AppSettings) { s.Kind, s.To = wecom.Markdown, everybody },
			`{"touser":"anna|ben","toparty":"1|2","totag":"ops","agentid":"1000002","safe":"0",` +
				`"msgtype":"markdown","markdown":{"content":"[a0] <hot>"}}`,
		},
	} {
		w := newWorld(t)
		channeltest.SendAll(t, w.app(t, test.spoil), channeltest.Data("<hot>"))

		calls := w.double.Calls()
		if len(calls) != 2 || calls[0].Path != "/cgi-bin/gettoken" || calls[0].Query.Get("corpid") != "corp" ||
			calls[0].Query.Get("corpsecret") != "s3cret-app" || calls[1].Path != "/cgi-bin/message/send" ||
			calls[1].Query.Get("access_token") != "issued-token-1" {
			t.Fatalf("%s: got %+v", name, calls)
		}

		if diff := cmp.Diff(test.want, string(calls[1].Body)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestRequestsOfARobot(t *testing.T) {
	for kind, want := range map[string]string{
		wecom.Text: `{"msgtype":"text","text":{"content":"[a0] hot","mentioned_list":["anna","@all"],` +
			`"mentioned_mobile_list":["138"]}}`,
		wecom.Markdown: `{"msgtype":"markdown","markdown":{"content":"[a0] hot\n<@anna><@@all>"}}`,
	} {
		w := newWorld(t)
		channeltest.SendAll(t, w.robot(t, func(s *wecom.RobotSettings) {
			s.Kind, s.AtUsers, s.AtMobiles = kind, []string{"anna", "@all"}, []string{"138"}
		}), channeltest.Data("hot"))

		calls := w.double.Calls()
		if len(calls) != 1 || calls[0].Query.Get("key") != "s3cret-robot" {
			t.Fatalf("got %+v", calls)
		}

		if diff := cmp.Diff(want, string(calls[0].Body)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestEveryAlertArrives(t *testing.T) {
	for _, kind := range []string{wecom.Text, wecom.Markdown} {
		w := newWorld(t)
		channeltest.CheckAllArrive(t, w.app(t, func(s *wecom.AppSettings) { s.Kind = kind }), w.double)

		w = newWorld(t)
		channeltest.CheckAllArrive(t, w.robot(t, func(s *wecom.RobotSettings) {
			s.Kind, s.AtUsers = kind, []string{"anna"}
		}), w.double)
	}
}

func TestLimitsOfBothKinds(t *testing.T) {
	longest := func(to channel.Channel) int {
		made, err := to.Render(channeltest.Many(200))
		if err != nil {
			t.Fatal(err)
		}

		most := 0
		for _, one := range made {
			most = max(most, len(one.Text))
		}

		return most
	}

	w := newWorld(t)

	for name, test := range map[string]struct {
		to          channel.Channel
		least, most int
	}{
		"robot's text":     {w.robot(t, nil), 1500, 2048},
		"robot's Markdown": {w.robot(t, func(s *wecom.RobotSettings) { s.Kind = wecom.Markdown }), 3000, 4096},
		"app's Markdown":   {w.app(t, func(s *wecom.AppSettings) { s.Kind = wecom.Markdown }), 1500, 2048},
		"the user's":       {w.app(t, func(s *wecom.AppSettings) { s.MaxSize = 500 }), 300, 500},
		"too much":         {w.app(t, func(s *wecom.AppSettings) { s.MaxSize = 9000 }), 1500, 2048},
	} {
		if got := longest(test.to); got < test.least || got > test.most {
			t.Errorf("%s: the longest message has %d bytes, want %d to %d", name, got, test.least, test.most)
		}
	}
}

func TestBatches(t *testing.T) {
	names := func(prefix string, count int) []string {
		made := make([]string, count)
		for i := range made {
			made[i] = fmt.Sprint(prefix, i)
		}

		return made
	}

	all := wecom.Recipients{Users: names("u", 2500), Parties: names("p", 101), Tags: names("t", 100)}

	var got wecom.Recipients

	batches := all.Batches()
	for _, batch := range batches {
		if len(batch.Users) > 1000 || len(batch.Parties) > 100 || len(batch.Tags) > 100 {
			t.Errorf("a batch has %d, %d, %d", len(batch.Users), len(batch.Parties), len(batch.Tags))
		}

		got.Users = append(got.Users, batch.Users...)
		got.Parties = append(got.Parties, batch.Parties...)
		got.Tags = append(got.Tags, batch.Tags...)

		newWorld(t).app(t, func(s *wecom.AppSettings) { s.To = batch })
	}

	if diff := cmp.Diff(all, got); diff != "" || len(batches) != 3 {
		t.Errorf("%d batches, %s", len(batches), diff)
	}

	if got := (wecom.Recipients{}).Batches(); got != nil {
		t.Errorf("nobody gives %v", got)
	}
}

func answers(extra map[string]channeltest.Case) map[string]channeltest.Case {
	cases := map[string]channeltest.Case{
		"success": channeltest.Expect(channeltest.Reply{Status: 200, Body: `{"errcode":0}`}, ""),
	}

	for code, want := range map[int]string{
		-1: "Unavailable", 6000: "Unavailable", 987654: "Unavailable",
		45009: "RateLimited 1m0s", 45033: "RateLimited 1m0s",
		40014: "Denied", 42001: "Denied", 60011: "Denied", 60020: "Denied", 93000: "Denied",
		40003: "Refused", 45002: "Refused", 81013: "Refused",
	} {
		cases[strconv.Itoa(code)] = channeltest.Case{
			Reply: channeltest.Reply{
				Status: 200, Body: fmt.Sprintf(`{"errcode":%d,"errmsg":"s3cret-robot s3cret-app"}`, code),
			},
			Want: fmt.Sprintf("%s (%d)", want, code),
		}
	}

	maps.Copy(cases, extra)

	return cases
}

func TestAnswersToAnApp(t *testing.T) {
	w := newWorld(t)
	app := w.app(t, nil)

	cases := answers(map[string]channeltest.Case{
		"some did not get it": channeltest.Expect(
			channeltest.Reply{Status: 200, Body: `{"errcode":0,"invaliduser":"ben","invalidparty":"2"}`}, "Refused",
		),
	})

	for name, one := range cases {
		if err := app.Send(t.Context(), channel.Message{Text: "warm"}); err != nil {
			t.Fatal(err)
		}

		channeltest.CheckAnswers(t, app, w.double, []string{"s3cret-app"},
			map[string]channeltest.Case{name: one})
	}
}

func TestAnswersToARobot(t *testing.T) {
	w := newWorld(t)
	channeltest.CheckAnswers(t, w.robot(t, nil), w.double, []string{"s3cret-robot"}, answers(nil))
}

func TestFaults(t *testing.T) {
	w := newWorld(t)
	channeltest.CheckFaults(t, w.robot(t, nil), w.double, channeltest.Garbled)

	w = newWorld(t)
	channeltest.CheckFaults(t, w.app(t, nil), w.double, channeltest.Garbled)
}

// B12: the token that was refused is the one that is dropped, for all batches of the app and for no other app.
func TestAnExpiredTokenIsReplacedForItsAppAlone(t *testing.T) {
	w := newWorld(t)
	first := w.app(t, nil)
	second := w.app(t, func(s *wecom.AppSettings) { s.To = wecom.Recipients{Tags: []string{"x"}} })
	otherDouble := newWorld(t)
	other := otherDouble.app(t, nil)

	for _, app := range []channel.Channel{first, second, other} {
		channeltest.SendAll(t, app, channeltest.Data("one"))
	}

	w.double.ExpireTokens()

	err := first.Send(t.Context(), channel.Message{Text: "two"})
	if known := channel.AsError(err); known.Class != channel.Denied || known.Code != 42001 {
		t.Fatalf("got %v", err)
	}

	for _, app := range []channel.Channel{first, second, other} {
		channeltest.SendAll(t, app, channeltest.Data("three"))
	}

	if got := fetches(w.double); got != 2 {
		t.Errorf("tokens were fetched %d times, want 2", got)
	}

	if got := fetches(otherDouble.double); got != 1 {
		t.Errorf("the other app fetched %d tokens, want 1", got)
	}
}

func fetches(double *channeltest.Double) int {
	count := 0

	for _, call := range double.Calls() {
		if strings.HasSuffix(call.Path, "/gettoken") {
			count++
		}
	}

	return count
}

func TestATokenThatIsNotGiven(t *testing.T) {
	w := newWorld(t)
	app := w.app(t, func(s *wecom.AppSettings) { s.Secret = secret.New("s3cret-wrong") })

	err := app.Send(t.Context(), channel.Message{Text: "hot"})
	if known := channel.AsError(err); known.Class != channel.Denied || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}

	w.double.Next(channeltest.Reply{Status: 200, Body: `{"errcode":45009,"errmsg":"api freq out of limit"}`})

	if err := app.Send(t.Context(), channel.Message{Text: "hot"}); channel.AsError(err).Class != channel.RateLimited {
		t.Errorf("got %v", err)
	}

	w.double.Next(channeltest.Reply{Status: 200, Body: `{"errcode":0}`})

	if err := app.Send(t.Context(), channel.Message{Text: "hot"}); channel.AsError(err).Class != channel.Transient {
		t.Errorf("got %v", err)
	}
}

func TestSettings(t *testing.T) {
	text, clock := channeltest.Text(channeltest.List), channeltest.NewClock()

	for name, test := range map[string]struct {
		field string
		spoil func(*wecom.AppSettings)
	}{
		"URL":       {"wechatApiUrl", func(s *wecom.AppSettings) { s.BaseURL = "s3cret" }},
		"company":   {"wechatApiCorpId", func(s *wecom.AppSettings) { s.CorpID = "" }},
		"agent":     {"wechatApiAgentId", func(s *wecom.AppSettings) { s.AgentID = "" }},
		"secret":    {"wechatApiSecret", func(s *wecom.AppSettings) { s.Secret = secret.String{} }},
		"nobody":    {"toUser", func(s *wecom.AppSettings) { s.To = wecom.Recipients{} }},
		"too many":  {"toTag", func(s *wecom.AppSettings) { s.To.Tags = make([]string, 101) }},
		"empty":     {"toParty", func(s *wecom.AppSettings) { s.To.Parties = []string{""} }},
		"several":   {"toUser", func(s *wecom.AppSettings) { s.To.Users = []string{"s3cret|b"} }},
		"kind":      {"tmplType", func(s *wecom.AppSettings) { s.Kind = "html" }},
		"no text":   {"template", func(s *wecom.AppSettings) { s.Text = nil }},
		"two kinds": {"tmplType", func(s *wecom.AppSettings) { s.Kind = "Text" }},
	} {
		settings := wecom.AppSettings{
			CorpID: "c", AgentID: "1", Secret: secret.New("s3cret"), Text: text,
			To: wecom.Recipients{Users: []string{"a"}},
		}
		test.spoil(&settings)

		_, err := wecom.NewApp(settings, channeltest.Client(t), token.New(clock.Now), clock.Now)
		t.Log(name)
		channeltest.CheckSetting(t, err, test.field, "s3cret")
	}

	for field, spoil := range map[string]func(*wecom.RobotSettings){
		"chatbot.webhook": func(s *wecom.RobotSettings) { s.Webhook = secret.String{} },
		"chatbot.atUsers": func(s *wecom.RobotSettings) { s.Kind, s.AtUsers = wecom.Markdown, make([]string, 2000) },
		"tmplType":        func(s *wecom.RobotSettings) { s.Kind = "s3cret" },
		"template":        func(s *wecom.RobotSettings) { s.Text = nil },
	} {
		settings := wecom.RobotSettings{Webhook: secret.New("https://host/s3cret"), Text: text}
		spoil(&settings)

		_, err := wecom.NewRobot(settings, channeltest.Client(t), clock.Now)
		channeltest.CheckSetting(t, err, field, "s3cret")
	}

	var _, _ channel.Channel = (*wecom.App)(nil), (*wecom.Robot)(nil)
}
