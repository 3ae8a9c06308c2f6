package app

import (
	"net/http"
	"strings"
	"testing"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/doubles"
)

// elsewhere is where nothing is sent.
const elsewhere = "https://hooks.example.com/x"

// secrets is a cluster with a credential in every place that has one.
func secrets(t *testing.T, to *sink, more string) *doubles.World {
	t.Helper()

	world := doubles.New(t)
	world.Secret("vault", "token", nil, map[string]string{"token": marker})
	world.Put(
		doubles.Manager(t, more),
		doubles.Read[notificationv2beta2.Receiver](t, `
metadata: {name: stored, labels: {type: global}, annotations: {last-applied: `+marker+`}}
spec:
  webhook:
    url: `+to.URL+`/`+marker+`
    httpConfig:
      bearerToken: {valueFrom: {secretKeyRef: {namespace: vault, name: token, key: token}}}
      basicAuth: {username: me, password: {value: `+marker+`}}
  slack: {channels: ["#a"]}
  discord: {webhook: {value: "https://discord.example.com/api/`+marker+`"}, enabled: false}
`),
		doubles.Read[notificationv2beta2.Config](t, `
metadata: {name: slack, labels: {type: default}}
spec: {slack: {slackTokenSecret: {value: `+marker+`}, apiURL: "http://127.0.0.1:1/`+marker+`"}}
`),
	)

	return world
}

// B21: whom nobody knows cannot have Secrets sent to where they like, nor reach what is for the platform alone; the
// stored may be tried, and values are given.
func TestVerifyBelievesNobody(t *testing.T) {
	to := newSink(t)
	world := secrets(t, to, "")
	world.Put(doubles.Webhook(t, "hook", to.URL), doubles.Read[notificationv2beta2.Receiver](t, `
metadata: {name: value, labels: {type: global}}
spec: {webhook: {url: "`+to.URL+`", httpConfig: {bearerToken: {value: mine}}}}`))

	process := start(t, world, t.TempDir()).ready(t)

	reference := `{"valueFrom":{"secretKeyRef":{"namespace":"vault","name":"token","key":"token"}}}`

	for name, test := range map[string]struct {
		path, body string
		status     int
		want       string
	}{
		"a value": {
			"/api/v2/verify", `{"receiver":{"metadata":{"name":"value","labels":{"type":"global"}},"spec":{"webhook":{"url":"` + to.URL +
				`","httpConfig":{"bearerToken":{"value":"mine"}}}}}}`, 200, "Verify successfully",
		},
		"a value that is not stored": {
			"/api/v2/render", `{"receiver":{"metadata":{"name":"a","labels":{"type":"global"}},"spec":{"webhook":{"url":"` + elsewhere +
				`","httpConfig":{"bearerToken":{"value":"mine"}}}}},"alert":` + alerts("Valued") + `}`, 200, "Valued",
		},
		"this machine": {
			"/api/v2/verify", `{"receiver":{"metadata":{"name":"a","labels":{"type":"global"}},"spec":{"webhook":{"url":"` + to.URL +
				`"}}}}`, 400, "may not go to",
		},
		"this machine by a name": {
			"/api/v2/verify", `{"receiver":{"metadata":{"name":"a","labels":{"type":"global"}},"spec":{"webhook":{"url":"` +
				strings.Replace(to.URL, "127.0.0.1", "localhost", 1) + `"}}}}`, 400, "loopback",
		},
		"this machine, stored otherwise": {
			"/api/v2/verify", `{"receiver":{"metadata":{"name":"hook","labels":{"type":"global"}},"spec":{"webhook":{"url":"` + to.URL +
				`/admin"}}}}`, 400, "may not go to",
		},
		"this machine by a Config": {
			"/api/v2/verify", `{"receiver":{"metadata":{"name":"a","labels":{"type":"global"}},"spec":{"slack":{"channels":["a"]}}},` +
				`"config":{"metadata":{"name":"c","labels":{"type":"default"}},` +
				`"spec":{"slack":{"slackTokenSecret":{"value":"mine"},"apiURL":"` + to.URL + `"}}}}`,
			400, "may not go to",
		},
		"a reference": {
			"/api/v2/verify", `{"receiver":{"metadata":{"name":"a","labels":{"type":"global"}},"spec":{"webhook":{"url":"` + to.URL +
				`","httpConfig":{"bearerToken":` + reference + `}}}}}`, 400, "it is not known who asks",
		},
		"a reference in a Config": {
			"/api/v2/verify", `{"receiver":{"metadata":{"name":"a","labels":{"type":"global"}},"spec":{"slack":{"channels":["a"]}}},` +
				`"config":{"metadata":{"labels":{"type":"default"}},` +
				`"spec":{"slack":{"slackTokenSecret":` + reference + `}}}}`,
			400, "it is not known who asks",
		},
		"a template of a ConfigMap": {
			"/api/v2/render", `{"receiver":{"metadata":{"name":"a","labels":{"type":"global"}},"spec":{"webhook":{"url":"` + to.URL +
				`","tmplText":{"name":"kubeconfig","namespace":"kube-system"}}}}}`, 400, "it is not known who asks",
		},
		"nobody's": {
			"/api/v2/verify", `{"receiver":{"metadata":{"name":"a"},"spec":{"webhook":{"url":"` + to.URL + `"}}}}`, 400, "nobody would be told",
		},
		"no receiver":   {"/api/v2/verify", `{}`, 400, "receiver: is missing"},
		"no JSON":       {"/api/v2/verify", marker, 400, "it is not JSON"},
		"another type":  {"/api/v2/verify", `{"receiver":{"spec":{"webhook":"` + marker + `"}}}`, 400, "is of another type"},
		"a bad address": {"/api/v2/verify", `{"receiver":{"metadata":{"name":"a","labels":{"type":"global"}},"spec":{"webhook":{"url":"ftp://a"}}}}`, 400, "url"},
		"alerts": {
			"/api/v2/notifications", `{"receiver":{"metadata":{"name":"hook","labels":{"type":"global"}},"spec":{"webhook":{"url":"` + to.URL +
				`"}}},"alert":` + alerts("Asked") + `}`, 200, "sent successfully",
		},
		"no alerts": {
			"/api/v2/notifications", `{"receiver":{"metadata":{"name":"a","labels":{"type":"global"}},"spec":{"webhook":{"url":"` + to.URL +
				`"}}}}`, 400, "alert: is missing",
		},
		"rendered": {
			"/api/v2/render", `{"receiver":{"metadata":{"name":"a","labels":{"type":"global"}},"spec":{"webhook":{"url":"` + elsewhere +
				`","template":"nm.default.text"}}},"alert":` + alerts("Rendered") + `}`, 200, "Rendered",
		},
	} {
		t.Run(name, func(t *testing.T) {
			status, text := process.do(http.MethodPost, test.path, test.body)
			if status != test.status || !strings.Contains(text, test.want) {
				t.Errorf("%d %s, want %d with %q", status, text, test.status, test.want)
			}

			if strings.Contains(text, marker) {
				t.Errorf("the answer shows a credential: %s", text)
			}
		})
	}

	got := to.got()
	if !strings.Contains(got, "Asked") || !strings.Contains(got, "Verify") || strings.Contains(got, "Rendered") {
		t.Errorf("sent was %s", got)
	}

	for _, token := range to.tokens {
		if strings.Contains(token, marker) {
			t.Error("a Secret was sent to who only asked")
		}
	}
}

// A tenant's posted receiver is judged as the tenant's: default credentials go to their own server alone, and never
// to where the tenant says.
func TestVerifyOfATenant(t *testing.T) {
	to := newSink(t)
	process := start(t, secrets(t, to, `
  auth: {bearerToken: {value: let-me-in}}
`), t.TempDir()).ready(t)

	body := `{"receiver":{"metadata":{"name":"a","labels":{"type":"tenant","user":"eve"}},` +
		withReference(to.URL) + `}}`

	status, text := process.do(http.MethodPost, "/api/v2/verify", body, "Authorization", "Bearer let-me-in")
	if status != 400 {
		t.Errorf("%d %s", status, text)
	}

	if to.got() != "" {
		t.Errorf("sent was %s", to.got())
	}
}

// withReference is the spec of a webhook with a Secret's token.
func withReference(url string) string {
	return `"spec":{"webhook":{"url":"` + url + `","httpConfig":{"bearerToken":{"valueFrom":{"secretKeyRef":` +
		`{"namespace":"vault","name":"token","key":"token"}}}}}}`
}

func TestAuth(t *testing.T) {
	to := newSink(t)
	world := secrets(t, to, `
  auth: {bearerToken: {value: `+marker+`}, tokenReview: {users: [console]}}
`)
	process := start(t, world, t.TempDir()).ready(t)

	asked := `{"receiver":{"metadata":{"name":"a","labels":{"type":"global"}},` + withReference(to.URL) + `}}`

	for _, test := range []struct {
		token string
		want  int
	}{
		{"", 401},
		{"Bearer", 401},
		{"Bearer wrong", 401},
		{"Bearer token-of-stranger", 403},
		{"Bearer token-of-console", 200},
		{"Bearer " + marker, 200},
	} {
		for _, path := range []string{"/receivers", "/configs", "/status", "/api/v2/deliveries", "/-/reload"} {
			if status, _ := process.do(http.MethodGet, path, "", "Authorization", test.token); status != test.want {
				t.Errorf("%s with %q: %d, want %d", path, test.token, status, test.want)
			}
		}

		status, text := process.do(http.MethodPost, "/api/v2/verify", asked, "Authorization", test.token)
		if status != test.want {
			t.Errorf("verify with %q: %d %s, want %d", test.token, status, text, test.want)
		}

		for _, path := range []string{"/metrics", "/-/live", "/-/ready"} {
			if status, _ := process.do(http.MethodGet, path, "", "Authorization", test.token); status != 200 {
				t.Errorf("%s with %q: %d", path, test.token, status)
			}
		}
	}

	if status, _ := process.do(http.MethodPost, "/api/v2/alerts", alerts("Down")); status != 200 {
		t.Errorf("alerts are answered with %d, though only verification is guarded", status)
	}

	world.Put(doubles.Manager(t, `
  auth: {endpoints: All, bearerToken: {value: `+marker+`}}
`))
	eventually(t, "alerts are guarded too", func() bool {
		status, _ := process.do(http.MethodPost, "/api/v2/alerts", alerts("Down"))

		return status == http.StatusUnauthorized
	})
}

// No answer shows a credential.
func TestNothingIsShown(t *testing.T) {
	to := newSink(t)
	process := start(t, secrets(t, to, ""), t.TempDir()).ready(t)

	process.do(http.MethodPost, "/api/v2/alerts", alerts("Down"))
	eventually(t, "something was delivered", func() bool { return to.got() != "" })
	to.answer(http.StatusUnauthorized)
	process.do(http.MethodPost, "/api/v2/alerts", alerts("Again"))
	eventually(t, "something was not", func() bool {
		_, text := process.do(http.MethodGet, "/api/v2/deliveries", "")

		return strings.Contains(text, `"retrying"`) || strings.Contains(text, `"dead"`)
	})

	for path, want := range map[string]string{
		"/receivers":                            `"stored"`,
		"/receivers?type=slack":                 `"stored"`,
		"/configs":                              `"slack"`,
		"/receiverWithConfig?name=stored":       "[redacted]",
		"/status":                               `"notificationManager": "notification-manager"`,
		"/api/v2/deliveries":                    `"deliveries"`,
		"/api/v2/explain?labels=alertname=Down": `"stored"`,
		"/metrics":                              "ks_notification_manager",
		"/receiverWithConfig?name=" + "nosuch":  "no such Receiver",
		"/receiverWithConfig":                   "name: is missing",
		"/receivers?tenant=nobody":              "[]",
		"/configs?type=email":                   "[]",
		"/api/v2/deliveries?limit=0":            "limit:",
		"/api/v2/deliveries?outcome=other":      "outcome:",
		"/nosuch":                               "there is nothing at",
	} {
		_, text := process.do(http.MethodGet, path, "")
		if !strings.Contains(text, want) {
			t.Errorf("%s: %q is missing in %s", path, want, text)
		}

		if strings.Contains(text, marker) {
			t.Errorf("%s shows a credential: %s", path, text)
		}
	}
}
