package webhook_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/channeltest"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/webhook"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

func newChannel(t *testing.T, text channel.Renderer) (*webhook.Channel, *channeltest.Double) {
	t.Helper()

	clock := channeltest.NewClock()
	double := channeltest.Webhook(clock.Now)

	made, err := webhook.New(webhook.Settings{
		URL: secret.New(channeltest.Serve(t, double) + "/hook/s3cret-token?key=s3cret-key"), Text: text,
	}, channeltest.Client(t), clock.Now)
	if err != nil {
		t.Fatal(err)
	}

	return made, double
}

func TestTheDataIsTheBody(t *testing.T) {
	made, double := newChannel(t, nil)
	data := channeltest.Data("disk <full>", "경보")
	channeltest.SendAll(t, made, data)

	calls := double.Calls()
	if len(calls) != 1 || calls[0].Path != "/hook/s3cret-token" || calls[0].Query.Get("key") != "s3cret-key" ||
		calls[0].Header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %+v", calls)
	}

	var got, want any

	text, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}

	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}

	if err := json.Unmarshal(calls[0].Body, &got); err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheTemplateIsTheBody(t *testing.T) {
	made, double := newChannel(t, channeltest.Text(func(*message.Data) (string, error) { return `{"a":[1]}`, nil }))
	channeltest.SendAll(t, made, channeltest.Data("hot"))

	if got := string(double.Calls()[0].Body); got != `{"a":[1]}` {
		t.Errorf("got %s", got)
	}
}

func TestEveryAlertArrives(t *testing.T) {
	made, double := newChannel(t, channeltest.Text(channeltest.List))
	channeltest.CheckAllArrive(t, made, double)
}

// B9: every status from 200 to 299 is success.
func TestEveryGoodStatusIsSuccess(t *testing.T) {
	made, double := newChannel(t, nil)

	cases := map[string]channeltest.Case{
		"bad":      channeltest.Expect(channeltest.Reply{Status: 400, Body: "s3cret of the inner network"}, "Refused (400)"),
		"denied":   channeltest.Expect(channeltest.Reply{Status: 401}, "Denied (401)"),
		"redirect": channeltest.Expect(channeltest.Reply{Status: 301, Header: http.Header{"Location": {"http://10.0.0.1/"}}}, "Refused (301)"),
		"gone":     channeltest.Expect(channeltest.Reply{Status: 410}, "Refused (410)"),
		"broken":   channeltest.Expect(channeltest.Reply{Status: 500}, "Unavailable (500)"),
		"starting": channeltest.Expect(
			channeltest.Reply{Status: 503, Header: http.Header{"Retry-After": {"5"}}}, "Unavailable 5s (503)",
		),
		"too many": channeltest.Expect(
			channeltest.Reply{Status: 429, Header: http.Header{"Retry-After": {"3"}}}, "RateLimited 3s (429)",
		),
	}

	for _, status := range []int{200, 201, 202, 203, 204, 205, 206, 207, 226} {
		cases[http.StatusText(status)] = channeltest.Case{Reply: channeltest.Reply{Status: status}}
	}

	channeltest.CheckAnswers(t, made, double, []string{"s3cret"}, cases)
}

func TestFaults(t *testing.T) {
	made, double := newChannel(t, nil)
	channeltest.CheckFaults(t, made, double, "")
}

// askedFor says which host and path a channel asks for: a proxy in between sees it.
func askedFor(t *testing.T, settings webhook.Settings) string {
	t.Helper()

	asked := make(chan string, 1)
	proxy := channeltest.Serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- r.URL.String()
	}))

	client, err := egress.New(egress.Options{}).Client(egress.Settings{
		Guard: channeltest.Loopback(), ProxyURL: secret.New(proxy),
	})
	if err != nil {
		t.Fatal(err)
	}

	made, err := webhook.New(settings, client, channeltest.NewClock().Now)
	if err != nil {
		t.Fatal(err)
	}

	if err := made.Send(t.Context(), channel.Message{Text: "{}"}); err != nil {
		t.Fatal(err)
	}

	return <-asked
}

// B10: a Service without a port, and a path without a slash, give the URL that is meant.
func TestServicesGiveTheURLThatIsMeant(t *testing.T) {
	for want, service := range map[string]webhook.Service{
		"http://hook.shop.svc/":             {Namespace: "shop", Name: "hook"},
		"http://hook.shop.svc/path":         {Namespace: "shop", Name: "hook", Path: "path"},
		"http://hook.shop.svc/path/x?a=b":   {Namespace: "shop", Name: "hook", Path: "/path/x?a=b", Scheme: "HTTP"},
		"http://hook.shop.svc:8080/path":    {Namespace: "shop", Name: "hook", Path: "path", Port: 8080, Scheme: "http"},
		"http://hook.shop.svc:8080/":        {Namespace: "shop", Name: "hook", Port: 8080},
		"http://hook.shop.svc/@evil.test/x": {Namespace: "shop", Name: "hook", Path: "@evil.test/x"},
	} {
		if got := askedFor(t, webhook.Settings{Service: &service}); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}

	secure := webhook.Service{Namespace: "shop", Name: "hook", Scheme: "https"}

	made, err := webhook.New(webhook.Settings{Service: &secure}, channeltest.Client(t), channeltest.NewClock().Now)
	if err != nil || made.String() != "webhook https://hook.shop.svc" {
		t.Errorf("got %v, %v", made, err)
	}
}

func TestSettings(t *testing.T) {
	service := func(spoil func(*webhook.Service)) webhook.Settings {
		made := webhook.Service{Namespace: "shop", Name: "hook"}
		spoil(&made)

		return webhook.Settings{Service: &made}
	}

	for name, test := range map[string]struct {
		field    string
		settings webhook.Settings
	}{
		"nothing":       {"url", webhook.Settings{}},
		"both":          {"url", webhook.Settings{URL: secret.New("http://s3cret"), Service: &webhook.Service{}}},
		"no URL":        {"url", webhook.Settings{URL: secret.New("s3cret")}},
		"host in name":  {"service.name", service(func(s *webhook.Service) { s.Name = "evil.test/" })},
		"no name":       {"service.name", service(func(s *webhook.Service) { s.Name = "" })},
		"bad namespace": {"service.namespace", service(func(s *webhook.Service) { s.Namespace = "a.b" })},
		"bad port":      {"service.port", service(func(s *webhook.Service) { s.Port = 65536 })},
		"bad scheme":    {"service.scheme", service(func(s *webhook.Service) { s.Scheme = "file" })},
		"bad path":      {"service.path", service(func(s *webhook.Service) { s.Path = "%zz" })},
	} {
		_, err := webhook.New(test.settings, channeltest.Client(t), channeltest.NewClock().Now)
		t.Log(name)
		channeltest.CheckSetting(t, err, test.field, "s3cret")
	}

	var _ channel.Channel = (*webhook.Channel)(nil)
}

func TestATemplateThatFailsIsRefused(t *testing.T) {
	made, _ := newChannel(t, channeltest.Text(func(*message.Data) (string, error) {
		return "", channel.AsError(http.ErrBodyNotAllowed)
	}))

	_, err := made.Render(channeltest.Data("x"))
	if err == nil || !strings.HasPrefix(err.Error(), "Refused") {
		t.Errorf("got %v", err)
	}
}
