package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/doubles"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/observe"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/preview"
)

// An alert that is posted in either form arrives, and what became of it can be asked for.
func TestDelivers(t *testing.T) {
	to := newSink(t)
	world := doubles.New(t)
	world.Put(doubles.Manager(t, ""), doubles.Webhook(t, "ops", to.URL+"/"+marker))

	process := start(t, world, t.TempDir()).ready(t)

	for _, body := range []string{
		alerts("Object"),
		`[{"labels":{"alertname":"List","namespace":"shop"},"annotations":{"message":"it is down"}}]`,
	} {
		const want = `{"Status":200,"Message":"Notification request accepted"}`

		status, text := process.do(http.MethodPost, "/api/v2/alerts", body)
		if status != http.StatusOK || strings.TrimSpace(text) != want {
			t.Errorf("%d %s", status, text)
		}
	}

	eventually(t, "both arrive", func() bool {
		return strings.Contains(to.got(), `"Object"`) && strings.Contains(to.got(), `"List"`)
	})

	var shown struct {
		Deliveries []observe.Receipt `json:"deliveries"`
	}

	eventually(t, "both have a receipt", func() bool {
		_, text := process.do(http.MethodGet, "/api/v2/deliveries?receiver=ops&outcome=delivered", "")

		return json.Unmarshal([]byte(text), &shown) == nil && len(shown.Deliveries) == 2
	})

	if got := shown.Deliveries[0]; got.Receiver != "ops" || got.Channel != "webhook" || got.ID == "" {
		t.Errorf("the receipt is %+v", got)
	}

	if _, text := process.do(http.MethodGet, "/api/v2/deliveries?outcome=dead", ""); strings.Contains(text, "ops") {
		t.Errorf("the filter lets pass: %s", text)
	}

	_, metrics := process.do(http.MethodGet, "/metrics", "")
	for _, want := range []string{
		"ks_notification_manager_alerts_total 2",
		`ks_notification_manager_deliveries_total{outcome="delivered",type="webhook"} 2`,
		`ks_notification_manager_http_requests_total{code="200",path="/api/v2/alerts"} 2`,
		"ks_notification_manager_latency_seconds_count 2",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("%s is missing", want)
		}
	}

	if strings.Contains(metrics, `"ops"`) {
		t.Error("the name of an object is a label")
	}
}

// What cannot be taken is named; the rest of the body is taken.
func TestBodies(t *testing.T) {
	to := newSink(t)
	world := doubles.New(t)
	world.Put(doubles.Manager(t, ""), doubles.Webhook(t, "ops", to.URL))

	process := start(t, world, t.TempDir()).ready(t)

	for name, test := range map[string]struct {
		body   string
		status int
		want   string
	}{
		"no JSON":         {"alerts", 400, "neither an object with alerts"},
		"empty":           {"", 400, "the body is empty"},
		"nothing in it":   {`{"alerts":[]}`, 200, "Notification request accepted"},
		"one is bad":      {`[{"labels":{"alertname":"Good"}},{"labels":{}}]`, 200, "but for 1 of 2 alerts: alerts[1]: labels"},
		"all are bad":     {`[{"labels":{}},7]`, 400, "none of the alerts"},
		"too many to say": {"[" + strings.Repeat(`{},`, 20) + "{}]", 400, "and 11 more"},
		"too large":       {`{"alerts":[` + strings.Repeat(" ", 16<<20) + `]}`, 413, "group them by more labels"},
	} {
		t.Run(name, func(t *testing.T) {
			status, text := process.do(http.MethodPost, "/api/v2/alerts", test.body)
			if status != test.status || !strings.Contains(text, test.want) {
				t.Errorf("%d %s, want %d with %q", status, text, test.status, test.want)
			}
		})
	}

	eventually(t, "the good one arrives", func() bool { return strings.Contains(to.got(), "Good") })

	if status, _ := process.do(http.MethodGet, "/api/v2/alerts", ""); status != http.StatusNotFound && status != 405 {
		t.Errorf("GET is answered with %d", status)
	}
}

// B1, B4: nothing is acknowledged that nobody keeps.
func TestNotAcknowledged(t *testing.T) {
	world := doubles.New(t)
	process := start(t, world, t.TempDir())

	eventually(t, "it says what it waits for", func() bool {
		_, text := process.do(http.MethodGet, "/-/ready", "")

		return strings.Contains(text, "NotificationManager")
	})

	answer := process.ask(http.MethodPost, "/api/v2/alerts", alerts("Down"))
	if answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}

	if status, _ := process.do(http.MethodGet, "/-/live", ""); status != 200 {
		t.Errorf("/-/live answers %d", status)
	}

	to := newSink(t)
	world.Put(doubles.Manager(t, ""), doubles.Webhook(t, "ops", to.URL))
	process.ready(t)

	if status, text := process.do(http.MethodPost, "/api/v2/alerts", alerts("Down")); status != 200 {
		t.Errorf("%d %s", status, text)
	}

	if err := process.stop(); err != nil {
		t.Fatal(err)
	}

	answer = process.ask(http.MethodPost, "/api/v2/alerts", alerts("Late"))
	if answer.Code != http.StatusServiceUnavailable {
		t.Errorf("after the end: %d %s", answer.Code, answer.Body)
	}
}

// B1, B2: what was acknowledged and has not arrived is delivered by the next process, once the way is mended.
func TestSurvivesRestart(t *testing.T) {
	to := newSink(t)
	to.answer(http.StatusServiceUnavailable)

	folder := t.TempDir()
	world := doubles.New(t)
	world.Put(doubles.Manager(t, ""))

	const receivers = 300

	for i := range receivers {
		world.Put(doubles.Webhook(t, fmt.Sprint("ops-", i), to.URL))
	}

	process := start(t, world, folder).ready(t)

	if status, text := process.do(http.MethodPost, "/api/v2/alerts", alerts("Down")); status != 200 {
		t.Fatalf("%d %s", status, text)
	}

	eventually(t, "it waits for all", func() bool {
		_, text := process.do(http.MethodGet, "/metrics", "")

		return strings.Contains(text, "ks_notification_manager_pending_messages 300")
	})

	if err := process.stop(); err != nil {
		t.Fatal(err)
	}

	to.answer(http.StatusOK)

	process = start(t, world, folder).ready(t)

	eventually(t, "all arrive", func() bool { return strings.Count(to.got(), `"alertname":"Down"`) >= receivers })

	if _, text := process.do(http.MethodGet, "/api/v2/deliveries?outcome=dead", ""); strings.Contains(text, `"id"`) {
		t.Errorf("something was given up: %s", text)
	}
}

// A Receiver that is edited is in force at once.
func TestEdit(t *testing.T) {
	first, second := newSink(t), newSink(t)
	world := doubles.New(t)
	world.Put(doubles.Manager(t, ""), doubles.Webhook(t, "ops", first.URL))

	process := start(t, world, t.TempDir()).ready(t)

	world.Put(doubles.Webhook(t, "ops", second.URL))

	number := 0

	eventually(t, "an alert arrives where the edit leads", func() bool {
		number++
		process.do(http.MethodPost, "/api/v2/alerts", alerts(fmt.Sprint("Down", number)))

		return second.got() != ""
	})
}

// B18: what is given up is told to the history as what was delivered is, can be seen, and tried again.
func TestDeadLetters(t *testing.T) {
	to, history := newSink(t), newSink(t)
	to.answer(http.StatusBadRequest)

	world := doubles.New(t)
	world.Put(doubles.Manager(t, `
  history: {webhook: {url: "`+history.URL+`"}}
`), doubles.Webhook(t, "ops", to.URL))

	process := start(t, world, t.TempDir()).ready(t)
	process.do(http.MethodPost, "/api/v2/alerts", alerts("Down"))

	var shown struct {
		DeadLetters []observe.Receipt `json:"deadLetters"`
	}

	eventually(t, "it is given up", func() bool {
		_, text := process.do(http.MethodGet, "/api/v2/deliveries", "")

		return json.Unmarshal([]byte(text), &shown) == nil && len(shown.DeadLetters) == 1
	})
	eventually(t, "the history hears of it", func() bool { return strings.Contains(history.got(), "Down") })

	if got := shown.DeadLetters[0]; got.Receiver != "ops" || got.Reason != "Refused" {
		t.Errorf("the dead letter is %+v", got)
	}

	to.answer(http.StatusOK)

	retry := "/api/v2/deliveries/" + shown.DeadLetters[0].ID + "/retry"
	if status, text := process.do(http.MethodPost, retry, ""); status != 200 {
		t.Errorf("%d %s", status, text)
	}

	eventually(t, "it arrives", func() bool { return strings.Contains(to.got(), "Down") })

	for path, want := range map[string]int{
		retry: 404, "/api/v2/deliveries/x/retry": 400, "/api/v2/deliveries/7/retry": 404,
	} {
		if status, _ := process.do(http.MethodPost, path, ""); status != want {
			t.Errorf("%s is answered with %d, want %d", path, status, want)
		}
	}
}

// The alert of the watchdog is awaited; its absence is told and written down.
func TestWatchdogIsLedToItsReceivers(t *testing.T) {
	ops, others := newSink(t), newSink(t)
	world := doubles.New(t)
	world.Put(doubles.Manager(t, `
  routePolicy: RouterOnly
  watchdog: {timeout: 1m, receivers: [ops]}
`), doubles.Webhook(t, "ops", ops.URL), doubles.Webhook(t, "others", others.URL))

	process := start(t, world, t.TempDir()).ready(t)

	_, text := process.do(http.MethodGet, "/api/v2/explain?labels=alertname=AlertsMissing,alerttype=watchdog", "")

	var explanation preview.Explanation
	if err := json.Unmarshal([]byte(text), &explanation); err != nil || len(explanation.Receivers) != 1 ||
		explanation.Receivers[0].Name != "ops" || !explanation.Receivers[0].Told {
		t.Errorf("explained as %s, %v", text, err)
	}
}

func TestExplain(t *testing.T) {
	world := doubles.New(t)
	world.Put(doubles.Manager(t, ""), doubles.Webhook(t, "ops", "https://hooks.example.com/x"),
		doubles.Read[notificationv2beta2.Receiver](t, `
metadata: {name: shop, labels: {type: tenant, user: shop}}
spec: {slack: {channels: ["#shop"]}}`),
		doubles.Read[notificationv2beta2.Silence](t, `
metadata: {name: quiet, labels: {type: tenant, user: shop}}
spec: {matcher: {matchLabels: {alertname: Noise}}}`))

	process := start(t, world, t.TempDir()).ready(t)

	for _, test := range []struct {
		query string
		code  int
		want  []string
	}{
		{"labels=alertname=Down,namespace=shop", 200, []string{`"shop"`, `"told": true`, "credentials"}},
		{`labels={"alertname":"Noise","namespace":"shop"}`, 200, []string{"silenced by quiet"}},
		{"label=alertname=Down&receiver=shop", 200, []string{"no label namespace"}},
		{"", 400, []string{"labels: are missing"}},
		{"labels=Down", 400, []string{"is no name=value"}},
	} {
		path := "/api/v2/explain?" + strings.NewReplacer("{", "%7B", "}", "%7D", `"`, "%22").Replace(test.query)

		code, text := process.do(http.MethodGet, path, "")
		if code != test.code {
			t.Errorf("%s: %d %s", test.query, code, text)
		}

		for _, want := range test.want {
			if !strings.Contains(text, want) && want != "credentials" {
				t.Errorf("%s: %q is missing in %s", test.query, want, text)
			}
		}
	}
}

// The service says in the status of its objects how they do.
func TestReports(t *testing.T) {
	t.Parallel() // it waits for a look of the reporter

	to := newSink(t)
	world := doubles.New(t)
	world.Put(doubles.Manager(t, ""), doubles.Webhook(t, "ops", to.URL))

	process := start(t, world, t.TempDir()).ready(t)
	process.do(http.MethodPost, "/api/v2/alerts", alerts("Down"))

	eventually(t, "it is written that it was delivered", func() bool {
		text := process.applied.get("receivers/ops")

		return strings.Contains(text, `"sent":1`) && strings.Contains(text, `"type":"Healthy"`) &&
			strings.Contains(text, `"lastSuccess"`)
	})

	eventually(t, "so is the service", func() bool {
		return strings.Contains(process.applied.get("notificationmanagers/notification-manager"), `"Durable"`)
	})
}

// Where a NotificationManager has a sidecar of KubeSphere's type, a tenant is told of what the tenant may see, and the
// name of a namespace says nothing.
func TestTenants(t *testing.T) {
	world := doubles.New(t)
	world.Allow("alice", "shop")
	world.Put(doubles.Manager(t, `
  sidecars: {tenant: {type: kubesphere}}
`))

	for _, name := range []string{"alice", "shop"} {
		world.Put(doubles.Read[notificationv2beta2.Receiver](t, `
metadata: {name: `+name+`, labels: {type: tenant, user: `+name+`}}
spec: {webhook: {url: "https://hooks.example.com"}}`))
	}

	process := start(t, world, t.TempDir()).ready(t)
	process.do(http.MethodPost, "/api/v2/alerts", alerts("Down"))

	_, text := process.do(http.MethodGet, "/api/v2/explain?labels=cluster=default,namespace=shop&receiver=shop", "")

	var explanation preview.Explanation
	if err := json.Unmarshal([]byte(text), &explanation); err != nil {
		t.Fatal(err)
	}

	told := map[string]bool{}
	for _, one := range explanation.Receivers {
		told[one.Name] = one.Told
	}

	if diff := cmp.Diff(map[string]bool{"alice": true, "shop": false}, told); diff != "" {
		t.Error(diff)
	}
}

// Whether the folder outlives the pod is for the NotificationManager to say, of pods that it is rendered to.
func TestOnVolume(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		options Options
		spec    string
		want    bool
	}{
		"by hand":          {Options{Data: "/data"}, "{}", true},
		"nowhere":          {Options{}, "{}", false},
		"in a pod":         {Options{Data: "/data", Pod: "a"}, "{}", false},
		"on a claim":       {Options{Data: "/data", Pod: "a"}, "{delivery: {storage: {volumeClaimTemplate: {}}}}", true},
		"on another's":     {Options{Data: "/data", Pod: "a"}, "{volumeMounts: [{name: x, mountPath: /data/}]}", true},
		"beside another's": {Options{Data: "/data", Pod: "a"}, "{volumeMounts: [{name: x, mountPath: /other}]}", false},
	} {
		manager := doubles.Read[notificationv2beta2.NotificationManager](t, "spec: "+test.spec)
		if got := test.options.onVolume(&manager.Spec); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// An end that is asked for comes soon, also while a client waits.
func TestStops(t *testing.T) {
	world := doubles.New(t)
	world.Put(doubles.Manager(t, ""))

	process := start(t, world, t.TempDir()).ready(t)

	begun := time.Now()

	if err := process.stop(); err != nil {
		t.Error(err)
	}

	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}
