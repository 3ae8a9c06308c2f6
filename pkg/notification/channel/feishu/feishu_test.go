package feishu_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/channeltest"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/feishu"
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
	double := channeltest.Feishu(clock.Now, "cli_app", "s3cret-app", "SECs3cret")

	return world{clock: clock, double: double, url: channeltest.Serve(t, double), tokens: token.New(clock.Now)}
}

func (w world) robot(t *testing.T, spoil func(*feishu.RobotSettings)) *feishu.Robot {
	t.Helper()

	settings := feishu.RobotSettings{
		Webhook: secret.New(w.url + "/open-apis/bot/v2/hook/s3cret-robot"), Secret: secret.New("SECs3cret"),
		Kind: feishu.Text, Text: channeltest.Text(channeltest.List),
	}
	if spoil != nil {
		spoil(&settings)
	}

	made, err := feishu.NewRobot(settings, channeltest.Client(t), w.clock.Now)
	if err != nil {
		t.Fatal(err)
	}

	return made
}

func (w world) app(t *testing.T, spoil func(*feishu.AppSettings)) *feishu.App {
	t.Helper()

	settings := feishu.AppSettings{
		BaseURL: w.url, AppID: secret.New("cli_app"), AppSecret: secret.New("s3cret-app"),
		Users: []string{"ou_1"}, Departments: []string{"od_1"}, Kind: feishu.Text,
		Text: channeltest.Text(channeltest.List),
	}
	if spoil != nil {
		spoil(&settings)
	}

	made, err := feishu.NewApp(settings, channeltest.Client(t), w.tokens, w.clock.Now)
	if err != nil {
		t.Fatal(err)
	}

	return made
}

// post is a rich text of alerts: a paragraph for each.
func post(data *message.Data) (string, error) {
	paragraphs := make([]any, 0, len(data.Alerts))
	for _, one := range data.Alerts {
		paragraphs = append(paragraphs, []any{
			map[string]string{"tag": "text", "text": "[" + one.Labels["id"] + "] "},
			map[string]string{"tag": "text", "text": one.Message()},
		})
	}

	text, err := json.Marshal(map[string]any{"zh_cn": map[string]any{"title": "Disk", "content": paragraphs}})

	return string(text), err
}

func TestRequestsOfARobot(t *testing.T) {
	const signed = `"timestamp":"1767323045","sign":"90SE4TBg13vgj1xiNS3bmLbXIg5DPbt7zz5EcYueabo=",`

	for name, test := range map[string]struct {
		spoil func(*feishu.RobotSettings)
		want  string
	}{
		"text": {nil, `{` + signed + `"msg_type":"text","content":{"text":"[a0] hot"}}`},
		"text with keywords": {
			func(s *feishu.RobotSettings) { s.Keywords = []string{"alert", "경보"} },
			`{` + signed + `"msg_type":"text","content":{"text":"[a0] hot\n\n[Keywords] alert,경보"}}`,
		},
		"post": {
			func(s *feishu.RobotSettings) { s.Kind, s.Text = feishu.Post, channeltest.Text(post) },
			`{` + signed + `"msg_type":"post","content":{"post":{"zh_cn":{"title":"Disk","content":` +
				`[[{"tag":"text","text":"[a0] "},{"tag":"text","text":"hot"}]]}}}}`,
		},
		"post with keywords, the default": {
			func(s *feishu.RobotSettings) {
				s.Kind, s.Text, s.Keywords = "", channeltest.Text(post), []string{"alert"}
			},
			`{` + signed + `"msg_type":"post","content":{"post":{"zh_cn":{"title":"Disk","content":` +
				`[[{"tag":"text","text":"[a0] "},{"tag":"text","text":"hot"}],` +
				`[{"tag":"text","text":"[Keywords] alert"}]]}}}}`,
		},
		"post in YAML": {
			func(s *feishu.RobotSettings) {
				s.Kind = feishu.Post
				s.Text = channeltest.Text(func(*message.Data) (string, error) {
					return "en_us:\n  title: Disk\n  content:\n  - - {tag: a, text: hot, href: 'https://x'}", nil
				})
			},
			`{` + signed + `"msg_type":"post","content":{"post":{"en_us":{"title":"Disk","content":` +
				`[[{"href":"https://x","tag":"a","text":"hot"}]]}}}}`,
		},
		"a post that is none": {
			func(s *feishu.RobotSettings) { s.Kind, s.Keywords = feishu.Post, []string{"alert"} },
			`{` + signed + `"msg_type":"text","content":{"text":"[a0] hot\n\n[Keywords] alert"}}`,
		},
	} {
		w := newWorld(t)
		channeltest.SendAll(t, w.robot(t, test.spoil), channeltest.Data("hot"))

		calls := w.double.Calls()
		if len(calls) != 1 || calls[0].Path != "/open-apis/bot/v2/hook/s3cret-robot" {
			t.Fatalf("%s: got %+v", name, calls)
		}

		if diff := cmp.Diff(test.want, channeltest.Body(t, calls[0])); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestRequestsOfAnApp(t *testing.T) {
	w := newWorld(t)
	channeltest.SendAll(t, w.app(t, nil), channeltest.Data("hot"))

	calls := w.double.Calls()
	if len(calls) != 2 || calls[0].Path != "/open-apis/auth/v3/tenant_access_token/internal" ||
		string(calls[0].Body) != `{"app_id":"cli_app","app_secret":"s3cret-app"}` ||
		calls[1].Path != "/open-apis/message/v4/batch_send/" ||
		calls[1].Header.Get("Authorization") != "Bearer issued-token-1" {
		t.Fatalf("got %+v", calls)
	}

	want := `{"user_ids":["ou_1"],"department_ids":["od_1"],"msg_type":"text","content":{"text":"[a0] hot"}}`
	if diff := cmp.Diff(want, channeltest.Body(t, calls[1])); diff != "" {
		t.Error(diff)
	}
}

func TestEveryAlertArrives(t *testing.T) {
	for kind, text := range map[string]channeltest.Text{feishu.Text: channeltest.List, feishu.Post: post} {
		w := newWorld(t)
		channeltest.CheckAllArrive(t, w.robot(t, func(s *feishu.RobotSettings) {
			s.Kind, s.Text, s.Keywords = kind, text, []string{"alert"}
		}), w.double)

		w = newWorld(t)
		channeltest.CheckAllArrive(t, w.app(t, func(s *feishu.AppSettings) { s.Kind, s.Text = kind, text }), w.double)
	}
}

// An alert of which no rich text fits, for most of it is no value that can be shortened, comes as a plain one.
func TestARichTextThatIsTooLongBecomesAPlainOne(t *testing.T) {
	w := newWorld(t)
	robot := w.robot(t, func(s *feishu.RobotSettings) {
		s.Kind, s.Keywords = feishu.Post, []string{"alert"}
		s.Text = channeltest.Text(func(data *message.Data) (string, error) {
			data.Alerts[0].Annotations = message.KV{"message": strings.Repeat("x", 30_000)}

			return post(data)
		})
	})

	channeltest.SendAll(t, robot, channeltest.Data("hot", "cold"))

	texts := w.double.Texts()
	if len(texts) != 2 || len(texts[0]) < 10_000 || !strings.HasPrefix(texts[1], "Disk\n[a1] xxx") ||
		!strings.HasSuffix(texts[1], message.Marker+"\n\n[Keywords] alert") {
		t.Errorf("got %d messages", len(texts))
	}
}

func answers(extra map[string]channeltest.Case) map[string]channeltest.Case {
	cases := map[string]channeltest.Case{
		"success": channeltest.Expect(channeltest.Reply{Status: 200, Body: `{"code":0,"msg":"success"}`}, ""),
		"too many, of the gate": channeltest.Expect(
			channeltest.Reply{
				Status: 400, Header: http.Header{"X-Ogw-Ratelimit-Reset": {"52"}},
				Body: `{"code":99991400,"msg":"request trigger frequency limit"}`,
			}, "RateLimited 52s (99991400)",
		),
		"too many": channeltest.Expect(
			channeltest.Reply{
				Status: 429, Header: http.Header{"Retry-After": {"3"}}, Body: `{"code":1,"msg":"slow down"}`,
			},
			"RateLimited 3s (1)",
		),
		"9499, too many": channeltest.Expect(
			channeltest.Reply{Status: 200, Body: `{"code":9499,"msg":"too many request"}`}, "RateLimited 1s (9499)",
		),
		"9499, not understood": channeltest.Expect(
			channeltest.Reply{Status: 200, Body: `{"code":9499,"msg":"Bad Request"}`}, "Refused (9499)",
		),
	}

	for code, want := range map[int]string{
		11232: "RateLimited 1s", 230020: "RateLimited 1s",
		19001: "Denied", 19021: "Denied", 19022: "Denied", 99991663: "Denied", 10014: "Denied",
		19002: "Refused", 19024: "Refused", 19036: "Refused",
		987654: "Unavailable",
	} {
		cases[strconv.Itoa(code)] = channeltest.Case{
			Reply: channeltest.Reply{
				Status: 200, Body: fmt.Sprintf(`{"code":%d,"msg":"s3cret-robot s3cret-app"}`, code),
			},
			Want: fmt.Sprintf("%s (%d)", want, code),
		}
	}

	maps.Copy(cases, extra)

	return cases
}

func TestAnswersToARobot(t *testing.T) {
	w := newWorld(t)
	robot := w.robot(t, func(s *feishu.RobotSettings) { s.Secret = secret.New("s3cret-app") })
	channeltest.CheckAnswers(t, robot, w.double, []string{"s3cret"}, answers(nil))
}

func TestAnswersToAnApp(t *testing.T) {
	w := newWorld(t)
	app := w.app(t, nil)

	cases := answers(map[string]channeltest.Case{
		"some did not get it": channeltest.Expect(
			channeltest.Reply{
				Status: 200, Body: `{"code":0,"data":{"invalid_user_ids":["ou_1"],"invalid_department_ids":["od_1"]}}`,
			}, "Refused",
		),
	})

	for name, one := range cases {
		if err := app.Send(t.Context(), channel.Message{Text: "warm"}); err != nil {
			t.Fatal(err)
		}

		channeltest.CheckAnswers(t, app, w.double, []string{"s3cret-app"}, map[string]channeltest.Case{name: one})
	}
}

func TestFaults(t *testing.T) {
	w := newWorld(t)
	channeltest.CheckFaults(t, w.robot(t, nil), w.double, channeltest.Garbled)

	w = newWorld(t)
	channeltest.CheckFaults(t, w.app(t, nil), w.double, channeltest.Garbled)
}

func TestAnExpiredTokenIsReplaced(t *testing.T) {
	w := newWorld(t)
	app := w.app(t, nil)

	channeltest.SendAll(t, app, channeltest.Data("one"))
	w.double.ExpireTokens()

	err := app.Send(t.Context(), channel.Message{Text: "two"})
	if known := channel.AsError(err); known.Class != channel.Denied || known.Code != 99991663 {
		t.Fatalf("got %v", err)
	}

	channeltest.SendAll(t, app, channeltest.Data("three"))

	calls := w.double.Calls()
	if got := calls[len(calls)-1].Header.Get("Authorization"); got != "Bearer issued-token-2" {
		t.Errorf("it was sent with %s", got)
	}
}

func TestATokenThatIsNotGiven(t *testing.T) {
	w := newWorld(t)
	app := w.app(t, func(s *feishu.AppSettings) { s.AppSecret = secret.New("s3cret-wrong") })

	err := app.Send(t.Context(), channel.Message{Text: "hot"})
	if known := channel.AsError(err); known.Class != channel.Denied || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}

	w.double.Next(channeltest.Reply{Status: 200, Body: `{"code":0}`})

	if err := app.Send(t.Context(), channel.Message{Text: "hot"}); channel.AsError(err).Class != channel.Transient {
		t.Errorf("got %v", err)
	}
}

func TestSettings(t *testing.T) {
	text, clock := channeltest.Text(channeltest.List), channeltest.NewClock()

	for field, spoil := range map[string]func(*feishu.RobotSettings){
		"chatbot.webhook":  func(s *feishu.RobotSettings) { s.Webhook = secret.New("s3cret") },
		"chatbot.keywords": func(s *feishu.RobotSettings) { s.Keywords = []string{strings.Repeat("s3cret", 4000)} },
		"tmplType":         func(s *feishu.RobotSettings) { s.Kind = "markdown" },
		"template":         func(s *feishu.RobotSettings) { s.Text = nil },
	} {
		settings := feishu.RobotSettings{Webhook: secret.New("https://host/s3cret"), Text: text}
		spoil(&settings)

		_, err := feishu.NewRobot(settings, channeltest.Client(t), clock.Now)
		channeltest.CheckSetting(t, err, field, "s3cret")
	}

	for field, spoil := range map[string]func(*feishu.AppSettings){
		"feishuApiUrl": func(s *feishu.AppSettings) { s.BaseURL = "s3cret" },
		"appID":        func(s *feishu.AppSettings) { s.AppID = secret.String{} },
		"appSecret":    func(s *feishu.AppSettings) { s.AppSecret = secret.String{} },
		"user":         func(s *feishu.AppSettings) { s.Users = make([]string, 201) },
		"department":   func(s *feishu.AppSettings) { s.Departments = make([]string, 201) },
		"tmplType":     func(s *feishu.AppSettings) { s.Kind = "markdown" },
		"template":     func(s *feishu.AppSettings) { s.Text = nil },
	} {
		settings := feishu.AppSettings{
			AppID: secret.New("cli"), AppSecret: secret.New("s3cret"), Users: []string{"a"}, Text: text,
		}
		spoil(&settings)

		_, err := feishu.NewApp(settings, channeltest.Client(t), token.New(clock.Now), clock.Now)
		channeltest.CheckSetting(t, err, field, "s3cret")
	}

	var _, _ channel.Channel = (*feishu.Robot)(nil), (*feishu.App)(nil)
}
