package dingtalk_test

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/channeltest"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/dingtalk"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/token"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
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
	double := channeltest.DingTalk(clock.Now, "key", "s3cret-app", "SECs3cret")

	return world{clock: clock, double: double, url: channeltest.Serve(t, double), tokens: token.New(clock.Now)}
}

func (w world) robot(t *testing.T, spoil func(*dingtalk.RobotSettings)) *dingtalk.Robot {
	t.Helper()

	settings := dingtalk.RobotSettings{
		Webhook: secret.New(w.url + "/robot/send?access_token=s3cret-robot"), Secret: secret.New("SECs3cret"),
		Text: channeltest.Text(channeltest.List),
	}
	if spoil != nil {
		spoil(&settings)
	}

	made, err := dingtalk.NewRobot(settings, channeltest.Client(t), w.clock.Now)
	if err != nil {
		t.Fatal(err)
	}

	return made
}

func (w world) conversation(t *testing.T, spoil func(*dingtalk.ConversationSettings)) *dingtalk.Conversation {
	t.Helper()

	settings := dingtalk.ConversationSettings{
		BaseURL: w.url, AppKey: secret.New("key"), AppSecret: secret.New("s3cret-app"), ChatID: "chat1",
		Text: channeltest.Text(channeltest.List),
	}
	if spoil != nil {
		spoil(&settings)
	}

	made, err := dingtalk.NewConversation(settings, channeltest.Client(t), w.tokens, w.clock.Now)
	if err != nil {
		t.Fatal(err)
	}

	return made
}

func TestRequestsOfARobot(t *testing.T) {
	title := channeltest.Text(func(*message.Data) (string, error) { return "Disk", nil })

	for name, test := range map[string]struct {
		spoil func(*dingtalk.RobotSettings)
		want  string
	}{
		"text": {nil, `{"msgtype":"text","text":{"content":"[a0] hot"},"at":{"isAtAll":false}}`},
		"text that calls": {
			func(s *dingtalk.RobotSettings) {
				s.AtMobiles, s.AtUsers, s.Keywords = []string{"138"}, []string{"anna"}, []string{"alert", "경보"}
			},
			`{"msgtype":"text","text":{"content":"[a0] hot\n\n[Keywords] alert, 경보"},` +
				`"at":{"atMobiles":["138"],"atUserIds":["anna"],"isAtAll":false}}`,
		},
		"Markdown that calls": {
			func(s *dingtalk.RobotSettings) {
				s.Kind, s.Title, s.AtMobiles, s.AtAll = dingtalk.Markdown, title, []string{"138", "139"}, true
			},
			`{"msgtype":"markdown","markdown":{"title":"Disk","text":"[a0] hot\n\n@138 @139"},` +
				`"at":{"atMobiles":["138","139"],"isAtAll":true}}`,
		},
		"Markdown without a title": {
			func(s *dingtalk.RobotSettings) { s.Kind = dingtalk.Markdown },
			`{"msgtype":"markdown","markdown":{"title":"Alerts","text":"[a0] hot"},"at":{"isAtAll":false}}`,
		},
	} {
		w := newWorld(t)
		channeltest.SendAll(t, w.robot(t, test.spoil), channeltest.Data("hot"))

		if diff := cmp.Diff(test.want, string(w.double.Calls()[0].Body)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// B11: the signature is encoded for the URL once; the provider reads what was signed.
func TestTheSignatureIsEncodedOnce(t *testing.T) {
	w := newWorld(t)
	robot := w.robot(t, nil)

	plus := 0

	for range 50 { // some of the signatures have a plus or a slash
		w.clock.Advance(time.Second)
		channeltest.SendAll(t, robot, channeltest.Data("hot"))
	}

	for _, call := range w.double.Calls() {
		if !call.Accepted {
			t.Fatalf("a signature was refused: %v", call.Query)
		}

		if strings.ContainsAny(call.Query.Get("sign"), "+/") {
			plus++
		}

		if call.Query.Get("access_token") != "s3cret-robot" {
			t.Fatalf("the token is lost: %v", call.Query)
		}
	}

	if plus == 0 {
		t.Error("no signature had a character that is encoded; the test says nothing")
	}
}

// The signature of a known moment, computed with another program.
func TestTheSignatureIsTheOneDocumented(t *testing.T) {
	w := newWorld(t)
	channeltest.SendAll(t, w.robot(t, nil), channeltest.Data("hot"))

	const want = "4kGcHzWUTrWMMYwq8eyNArSxtZYPcKcmO/1wRHHmIxc="

	query := w.double.Calls()[0].Query
	if query.Get("timestamp") != "1767323045000" || query.Get("sign") != want {
		t.Errorf("got %v", query)
	}
}

func TestWithoutASecretNothingIsSigned(t *testing.T) {
	w := newWorld(t)
	robot := w.robot(t, func(s *dingtalk.RobotSettings) { s.Secret = secret.String{} })

	if err := robot.Send(t.Context(), channel.Message{Text: "hot"}); err == nil {
		t.Error("the double took an unsigned message")
	}

	if query := w.double.Calls()[0].Query; query.Has("sign") || query.Has("timestamp") {
		t.Errorf("got %v", query)
	}
}

func TestRequestsToAConversation(t *testing.T) {
	for kind, want := range map[string]string{
		dingtalk.Text:     `{"msgtype":"text","text":{"content":"[a0] hot"},"chatid":"chat1"}`,
		dingtalk.Markdown: `{"msgtype":"markdown","markdown":{"title":"Alerts","text":"[a0] hot"},"chatid":"chat1"}`,
	} {
		w := newWorld(t)
		channeltest.SendAll(t, w.conversation(t, func(s *dingtalk.ConversationSettings) { s.Kind = kind }),
			channeltest.Data("hot"))

		calls := w.double.Calls()
		if len(calls) != 2 || calls[0].Path != "/gettoken" || calls[0].Method != http.MethodGet ||
			calls[0].Query.Get("appkey") != "key" || calls[0].Query.Get("appsecret") != "s3cret-app" ||
			calls[1].Path != "/chat/send" || calls[1].Query.Get("access_token") != "issued-token-1" {
			t.Fatalf("got %+v", calls)
		}

		if diff := cmp.Diff(want, string(calls[1].Body)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestEveryAlertArrives(t *testing.T) {
	for _, kind := range []string{dingtalk.Text, dingtalk.Markdown} {
		w := newWorld(t)
		channeltest.CheckAllArrive(t, w.robot(t, func(s *dingtalk.RobotSettings) {
			s.Kind, s.Keywords, s.AtUsers = kind, []string{"alert"}, []string{"anna"}
		}), w.double)

		w = newWorld(t)
		channeltest.CheckAllArrive(t, w.conversation(t, func(s *dingtalk.ConversationSettings) {
			s.Kind = kind
		}), w.double)
	}
}

func TestASmallerSizeIsKept(t *testing.T) {
	w := newWorld(t)
	robot := w.robot(t, func(s *dingtalk.RobotSettings) { s.MaxSize = 300 })

	made, err := robot.Render(channeltest.Many(20))
	if err != nil {
		t.Fatal(err)
	}

	for _, one := range made {
		if len(one.Text) > 300 {
			t.Errorf("a message has %d bytes", len(one.Text))
		}
	}
}

func answers(extra map[string]channeltest.Case) map[string]channeltest.Case {
	cases := map[string]channeltest.Case{
		"success": channeltest.Expect(channeltest.Reply{Status: 200, Body: `{"errcode":0,"errmsg":"ok"}`}, ""),
		"gate": channeltest.Expect(
			channeltest.Reply{Status: 200, Body: `{"status":1111,"wait":5,"source":"x5","punish":"deny"}`},
			"RateLimited 1m0s",
		),
		"asks for longer": channeltest.Expect(
			channeltest.Reply{Status: 200, Body: `{"status":1111,"wait":90,"errcode":130101}`},
			"RateLimited 1m30s (130101)",
		),
		"below 88": channeltest.Expect(
			channeltest.Reply{Status: 200, Body: `{"errcode":88,"sub_code":"60011","errmsg":"no permission"}`},
			"Denied (60011)",
		),
		"number below 88": channeltest.Expect(
			channeltest.Reply{Status: 200, Body: `{"errcode":88,"sub_code":90018,"errmsg":"too often"}`},
			"RateLimited 1m0s (90018)",
		),
	}

	for code, want := range map[int]string{
		-1: "Unavailable", 34015: "Unavailable", 987654: "Unavailable",
		130101: "RateLimited 1m0s", 410100: "RateLimited 1m0s", 90002: "RateLimited 1m0s",
		40014: "Denied", 42001: "Denied", 300001: "Denied",
		34013: "Refused", 34016: "Refused", 460101: "Refused",
	} {
		cases[strconv.Itoa(code)] = channeltest.Case{
			Reply: channeltest.Reply{
				Status: 200, Body: fmt.Sprintf(`{"errcode":%d,"errmsg":"s3cret-robot, s3cret-app"}`, code),
			},
			Want: fmt.Sprintf("%s (%d)", want, code),
		}
	}

	maps.Copy(cases, extra)

	return cases
}

func TestAnswersOfARobot(t *testing.T) {
	w := newWorld(t)

	says := func(words string) channeltest.Reply {
		return channeltest.Reply{Status: 200, Body: `{"errcode":310000,"errmsg":"` + words + `"}`}
	}

	channeltest.CheckAnswers(t, w.robot(t, func(s *dingtalk.RobotSettings) { s.Secret = secret.New("s3cret-app") }),
		w.double, []string{"s3cret"}, answers(map[string]channeltest.Case{
			"sign":    channeltest.Expect(says("sign not match"), "Denied (310000)"),
			"address": channeltest.Expect(says("ip 1.2.3.4 not in whitelist"), "Denied (310000)"),
			"keyword": channeltest.Expect(says("keywords not in content"), "Refused (310000)"),
		}))
}

func TestAnswersToAConversation(t *testing.T) {
	w := newWorld(t)
	conversation := w.conversation(t, nil)

	for name, one := range answers(nil) {
		// Where a token was refused before, another is fetched first.
		if err := conversation.Send(t.Context(), channel.Message{Text: "warm"}); err != nil {
			t.Fatal(err)
		}

		channeltest.CheckAnswers(t, conversation, w.double, []string{"s3cret-app", "issued-token"},
			map[string]channeltest.Case{name: one})
	}
}

func TestFaults(t *testing.T) {
	w := newWorld(t)
	channeltest.CheckFaults(t, w.robot(t, nil), w.double, channeltest.Garbled)

	w = newWorld(t)
	channeltest.CheckFaults(t, w.conversation(t, nil), w.double, channeltest.Garbled)
}

// A token that has expired costs one refusal; the next call has a new one.
func TestAnExpiredTokenIsReplaced(t *testing.T) {
	w := newWorld(t)
	conversation := w.conversation(t, nil)

	channeltest.SendAll(t, conversation, channeltest.Data("one"))
	w.double.ExpireTokens()

	err := conversation.Send(t.Context(), channel.Message{Text: "two"})
	if known := channel.AsError(err); known.Class != channel.Denied || strings.Contains(err.Error(), "issued-token") {
		t.Fatalf("got %v", err)
	}

	if err := conversation.Send(t.Context(), channel.Message{Text: "three"}); err != nil {
		t.Fatal(err)
	}

	calls := w.double.Calls()
	if got := calls[len(calls)-1].Query.Get("access_token"); got != "issued-token-2" {
		t.Errorf("it was sent with %s", got)
	}
}

func TestATokenThatIsNotGiven(t *testing.T) {
	w := newWorld(t)
	conversation := w.conversation(t, func(s *dingtalk.ConversationSettings) {
		s.AppSecret = secret.New("s3cret-wrong")
	})

	err := conversation.Send(t.Context(), channel.Message{Text: "hot"})
	if known := channel.AsError(err); known.Class != channel.Denied || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}

	w.double.Next(channeltest.Reply{Status: 200, Body: `{"errcode":0}`})

	err = conversation.Send(t.Context(), channel.Message{Text: "hot"})
	if channel.AsError(err).Class != channel.Transient {
		t.Errorf("got %v", err)
	}
}

func TestSettings(t *testing.T) {
	text, clock := channeltest.Text(channeltest.List), channeltest.NewClock()

	for field, spoil := range map[string]func(*dingtalk.RobotSettings){
		"chatbot.webhook":  func(s *dingtalk.RobotSettings) { s.Webhook = secret.New("s3cret") },
		"chatbot.keywords": func(s *dingtalk.RobotSettings) { s.Keywords = []string{strings.Repeat("s3cret", 4000)} },
		"tmplType":         func(s *dingtalk.RobotSettings) { s.Kind = "s3cret" },
		"template":         func(s *dingtalk.RobotSettings) { s.Text = nil },
	} {
		settings := dingtalk.RobotSettings{Webhook: secret.New("https://host/s3cret"), Text: text}
		spoil(&settings)

		_, err := dingtalk.NewRobot(settings, channeltest.Client(t), clock.Now)
		channeltest.CheckSetting(t, err, field, "s3cret")
	}

	for field, spoil := range map[string]func(*dingtalk.ConversationSettings){
		"conversation.apiUrl":    func(s *dingtalk.ConversationSettings) { s.BaseURL = "s3cret" },
		"conversation.appkey":    func(s *dingtalk.ConversationSettings) { s.AppKey = secret.String{} },
		"conversation.appsecret": func(s *dingtalk.ConversationSettings) { s.AppSecret = secret.String{} },
		"conversation.chatids":   func(s *dingtalk.ConversationSettings) { s.ChatID = "" },
		"tmplType":               func(s *dingtalk.ConversationSettings) { s.Kind = "html" },
		"template":               func(s *dingtalk.ConversationSettings) { s.Text = nil },
	} {
		settings := dingtalk.ConversationSettings{
			AppKey: secret.New("s3cret"), AppSecret: secret.New("s3cret"), ChatID: "c", Text: text,
		}
		spoil(&settings)

		_, err := dingtalk.NewConversation(settings, channeltest.Client(t), token.New(clock.Now), clock.Now)
		channeltest.CheckSetting(t, err, field, "s3cret")
	}

	var _, _ channel.Channel = (*dingtalk.Robot)(nil), (*dingtalk.Conversation)(nil)
}
