package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/follow"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/observe"
	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/engine"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
	"github.com/ks-core/ks-controller-manager/pkg/notification/store"
)

// failing is an engine that fails as it is told.
type failing struct {
	err    error
	panics bool
	none   []int
}

func (f *failing) Ingest(ctx context.Context, _ []alert.Alert) error {
	if f.panics {
		_ = f.none[7] // a defect
	}

	if errors.Is(f.err, context.DeadlineExceeded) {
		<-ctx.Done()

		return context.Cause(ctx)
	}

	return f.err
}

func (f *failing) Explain(context.Context, labels.Labels, ...string) (routing.Explanation, error) {
	return routing.Explanation{}, f.err
}

func (f *failing) DeadLetters(context.Context) ([]delivery.Task, error) { return nil, f.err }

func (f *failing) Retry(context.Context, uint64) (bool, error) { return false, f.err }

// objects are those of an empty cluster.
type objects struct{ view *follow.View }

func (o objects) View() *follow.View { return o.view }

func (objects) Waiting() string { return "a NotificationManager" }

func (objects) Receiver(string) *notificationv2beta2.Receiver { return nil }

func (objects) Config(string) *notificationv2beta2.Config { return nil }

func (objects) Receivers() []*notificationv2beta2.Receiver { return nil }

func (objects) Configs() []*notificationv2beta2.Config { return nil }

func (objects) Result(string) (resolve.Result, bool) { return resolve.Result{}, false }

func (objects) Reload() {}

func newServer(t *testing.T, of Engine, view *follow.View) (handler http.Handler, registry *prometheus.Registry) {
	t.Helper()

	registry = prometheus.NewRegistry()
	metrics := observe.NewMetrics(registry)

	return New(Options{
		Engine: func() Engine { return of }, Objects: objects{view: view}, Metrics: metrics, Gatherer: registry,
		Observer: observe.New(metrics, 1, time.Now), Saw: func([]alert.Alert) {},
		Learn:          func(context.Context, []alert.Alert) {},
		Clock:          time.Now,
		IngestPatience: 10 * time.Millisecond, SendPatience: time.Second, Version: "v1",
	}).Handler(), registry
}

func ask(handler http.Handler, method, path, body string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	handler.ServeHTTP(answer, request)

	return answer
}

const oneAlert = `[{"labels":{"alertname":"Down"}}]`

// Whoever posts alerts that are not taken is asked to come again.
func TestNotTaken(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		err    error
		reason string
		want   string
	}{
		"busy":      {engine.ErrBusy, observe.ReasonBusy, "too much"},
		"stopped":   {engine.ErrStopped, observe.ReasonNotReady, "is stopping"},
		"full":      {fmt.Errorf("%w: no space", store.ErrFull), observe.ReasonStore, "not on disk"},
		"slow disk": {context.DeadlineExceeded, observe.ReasonTimeout, "in time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			handler, registry := newServer(t, &failing{err: test.err}, nil)

			answer := ask(handler, http.MethodPost, "/api/v2/alerts", oneAlert)
			if answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" ||
				!strings.Contains(answer.Body.String(), test.want) {
				t.Errorf("%d %s", answer.Code, answer.Body)
			}

			if !counted(t, registry, "ks_notification_manager_alerts_refused_total", test.reason) {
				t.Errorf("not counted as %s", test.reason)
			}
		})
	}
}

// counted tells whether a counter with a value of a label is above zero.
func counted(t *testing.T, registry *prometheus.Registry, name, value string) bool {
	t.Helper()

	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}

	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if family.GetName() == name && label.GetValue() == value && metric.GetCounter().GetValue() > 0 {
					return true
				}
			}
		}
	}

	return false
}

// Before there is an engine nothing is taken, and nothing fails.
func TestNotBegun(t *testing.T) {
	t.Parallel()

	handler, _ := newServer(t, nil, nil)

	for path, method := range map[string]string{
		"/api/v2/alerts":             http.MethodPost,
		"/api/v2/explain?labels=a=b": http.MethodGet,
		"/api/v2/deliveries/7/retry": http.MethodPost,
		"/api/v2/verify":             http.MethodPost,
		"/api/v2/render":             http.MethodPost,
		"/-/ready":                   http.MethodGet,
	} {
		answer := ask(handler, method, path, oneAlert)
		if answer.Code != http.StatusServiceUnavailable ||
			!strings.Contains(answer.Body.String(), "a NotificationManager") {
			t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
	}

	for _, path := range []string{"/receivers", "/configs", "/status", "/api/v2/deliveries", "/-/live", "/metrics"} {
		if answer := ask(handler, http.MethodGet, path, ""); answer.Code != http.StatusOK {
			t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
	}
}

// A defect ends the request, not the process, and shows nothing of what it was about.
func TestDefect(t *testing.T) {
	t.Parallel()

	handler, registry := newServer(t, &failing{panics: true}, nil)

	answer := ask(handler, http.MethodPost, "/api/v2/alerts", oneAlert)
	if answer.Code != http.StatusInternalServerError || strings.Contains(answer.Body.String(), "out of range") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}

	if !counted(t, registry, "ks_notification_manager_http_requests_total", "500") {
		t.Error("the request is not counted")
	}
}

// Credentials are hidden wherever they stand in an object.
func TestRedact(t *testing.T) {
	t.Parallel()

	const hidden = "hunter2-marker"

	url, path := "https://user:"+hidden+"@hooks.example.com/"+hidden+"?token="+hidden, "/"+hidden
	credential := func() *notificationv2beta2.Credential { return &notificationv2beta2.Credential{Value: hidden} }
	receiver := redactedReceiver(&notificationv2beta2.ReceiverSpec{
		Webhook: &notificationv2beta2.WebhookReceiver{
			URL: &url, Service: &notificationv2beta2.ServiceReference{Path: &path},
			HTTPConfig: &notificationv2beta2.HTTPClientConfig{
				ProxyURL: url, BearerToken: credential(),
				BasicAuth: &notificationv2beta2.BasicAuth{Password: credential()},
				TLSConfig: &notificationv2beta2.TLSConfig{
					ClientCertificate: &notificationv2beta2.ClientCertificate{Key: credential()},
				},
			},
		},
		DingTalk: &notificationv2beta2.DingTalkReceiver{
			ChatBot: &notificationv2beta2.DingTalkChatBot{Webhook: credential(), Secret: credential()},
		},
		Pushover: &notificationv2beta2.PushoverReceiver{
			Profiles: []notificationv2beta2.PushoverUserProfile{{UserKey: hidden}},
		},
	})
	config := redactedConfig(&notificationv2beta2.ConfigSpec{
		Slack: &notificationv2beta2.SlackConfig{
			APIAddress: notificationv2beta2.APIAddress{APIURL: url}, SlackTokenSecret: credential(),
		},
		Sms: &notificationv2beta2.SmsConfig{Providers: &notificationv2beta2.Providers{
			Huawei: &notificationv2beta2.HuaweiSMS{URL: url, AppSecret: credential()},
		}},
	})

	answer := httptest.NewRecorder()
	show(answer, []any{receiver, config})

	text := answer.Body.String()
	if strings.Contains(text, hidden) || !strings.Contains(text, "https://hooks.example.com/") {
		t.Errorf("shown is %s", text)
	}
}

// A posted Config is tried in the place of others, as far as it goes.
func TestBeside(t *testing.T) {
	t.Parallel()

	slack, email := &notificationv2beta2.SlackConfig{}, &notificationv2beta2.EmailConfig{}
	posted, other := &notificationv2beta2.Config{}, &notificationv2beta2.Config{}
	posted.Name, other.Name = "posted", "other"
	posted.Spec.Slack = slack
	other.Spec.Slack, other.Spec.Email = slack, email
	same := other.DeepCopy()
	same.Name = "posted"

	got := beside(posted, []*notificationv2beta2.Config{same, other})
	if len(got) != 2 || got[0] != posted || got[1].Spec.Slack != nil || got[1].Spec.Email == nil {
		t.Errorf("tried are %+v", got)
	}

	if other.Spec.Slack == nil {
		t.Error("what is stored was changed")
	}
}
