package notification_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/test/cluster/process"
)

// world is a NotificationManager of one test, with the objects that are of it and the process that works for it.
type world struct {
	tb      testing.TB
	name    string
	program string
	data    string
	address string
	flags   []string
	log     string
	running *process.Process
}

// newWorld makes a NotificationManager with its process. Loopback is where the doubles are, so it is allowed.
func newWorld(tb testing.TB, name string, change func(*notificationv2beta2.NotificationManagerSpec)) *world {
	tb.Helper()

	if unprepared != nil {
		tb.Fatal(unprepared)
	}

	w := &world{
		tb: tb, name: name, program: filepath.Join(folder, "notification-manager"),
		data: filepath.Join(tb.TempDir(), "data"), log: filepath.Join(tb.TempDir(), "log"), address: freeAddress(tb),
	}

	manager := &notificationv2beta2.NotificationManager{ObjectMeta: metav1.ObjectMeta{Name: name}}
	manager.Spec.Receivers.TenantKey = "user"
	manager.Spec.Receivers.GlobalReceiverSelector = &metav1.LabelSelector{MatchLabels: w.labels("global")}
	manager.Spec.Receivers.TenantReceiverSelector = &metav1.LabelSelector{MatchLabels: w.labels("tenant")}
	manager.Spec.DefaultConfigSelector = &metav1.LabelSelector{MatchLabels: w.labels("default")}
	manager.Spec.DefaultSecretNamespace = secrets
	manager.Spec.GroupLabels = []string{"alertname"}
	manager.Spec.BatchMaxWait = "1s"
	manager.Spec.Delivery = &notificationv2beta2.Delivery{
		Egress: &notificationv2beta2.Egress{Allow: []string{"127.0.0.0/8"}},
		Retry:  &notificationv2beta2.RetryPolicy{MinBackoff: "100ms", MaxBackoff: "1s"},
	}

	if change != nil {
		change(&manager.Spec)
	}

	w.create(manager)

	return w
}

// labels are those of the objects of this test of a kind.
func (w *world) labels(kind string) map[string]string {
	return map[string]string{"type": w.name + "-" + kind}
}

// create makes an object that goes with the test.
func (w *world) create(object client.Object) {
	w.tb.Helper()

	if err := admin.Create(w.tb.Context(), object); err != nil {
		w.tb.Fatal(err)
	}

	w.tb.Cleanup(func() {
		err := admin.Delete(context.WithoutCancel(w.tb.Context()), object)
		if client.IgnoreNotFound(err) != nil {
			w.tb.Error(err)
		}
	})
}

// receiver makes a global Receiver.
func (w *world) receiver(name string, spec notificationv2beta2.ReceiverSpec) *notificationv2beta2.Receiver {
	w.tb.Helper()

	made := &notificationv2beta2.Receiver{
		ObjectMeta: metav1.ObjectMeta{Name: w.name + "-" + name, Labels: w.labels("global")}, Spec: spec,
	}
	w.create(made)

	return made
}

// webhook makes a global Receiver of everything at a URL.
func (w *world) webhook(name, url string) *notificationv2beta2.Receiver {
	w.tb.Helper()

	return w.receiver(name, notificationv2beta2.ReceiverSpec{Webhook: &notificationv2beta2.WebhookReceiver{URL: &url}})
}

// config makes a default Config.
func (w *world) config(name string, spec notificationv2beta2.ConfigSpec) {
	w.tb.Helper()
	w.create(&notificationv2beta2.Config{
		ObjectMeta: metav1.ObjectMeta{Name: w.name + "-" + name, Labels: w.labels("default")}, Spec: spec,
	})
}

// secret makes a Secret with one key, and gives a reference to it.
func (w *world) secret(name, value string) *notificationv2beta2.Credential {
	w.tb.Helper()
	w.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: secrets, Name: w.name + "-" + name},
		StringData: map[string]string{"key": value},
	})

	return &notificationv2beta2.Credential{ValueFrom: &notificationv2beta2.ValueSource{
		SecretKeyRef: &notificationv2beta2.SecretKeySelector{Namespace: secrets, Name: w.name + "-" + name, Key: "key"},
	}}
}

// start starts the process and waits until it takes alerts.
func (w *world) start() {
	w.tb.Helper()

	running, err := process.Start(process.Command{
		Name: "notification-manager", Path: w.program, Log: w.log,
		Args: append([]string{
			"--kubeconfig=" + kubeconfig, "--namespace=" + namespace, "--name=" + w.name, "--data=" + w.data,
			"--webhook.address=" + w.address,
		}, w.flags...),
	})
	if err != nil {
		w.tb.Fatal(err)
	}

	w.running = running
	w.tb.Cleanup(w.kill)
	w.eventually("takes alerts", func() error { return w.get("/-/ready", nil) })
}

// signal sends the process one, and nothing else.
func (w *world) signal(signal syscall.Signal) {
	_ = syscall.Kill(w.running.PID(), signal) // it may have ended
}

// kill ends the process as a power cut would.
func (w *world) kill() {
	if w.running == nil {
		return
	}

	w.signal(syscall.SIGKILL)
	<-w.running.Exited()
	w.running = nil

	if w.tb.Failed() {
		w.tb.Logf("the log of %s:\n%s", w.name, process.Tail(w.log, 30))
	}
}

// stop ends the process as a cluster would.
func (w *world) stop() {
	w.tb.Helper()

	if err := w.running.Stop(); err != nil {
		w.tb.Error(err)
	}
}

// metric is one without labels.
func (w *world) metric(name string) (float64, error) {
	request, err := http.NewRequestWithContext(w.tb.Context(), http.MethodGet, "http://"+w.address+"/metrics",
		http.NoBody)
	if err != nil {
		return 0, err
	}

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}

	defer response.Body.Close()

	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if text, found := strings.CutPrefix(lines.Text(), name+" "); found {
			return strconv.ParseFloat(text, 64)
		}
	}

	return 0, fmt.Errorf("%w without the metric %s", errStatus, name)
}

// eventually waits until something is so.
func (w *world) eventually(what string, check func() error) {
	w.tb.Helper()

	var err error

	for end := time.Now().Add(patience); time.Now().Before(end); {
		if err = check(); err == nil {
			return
		}

		<-time.After(20 * time.Millisecond)
	}

	w.tb.Fatalf("it does not come to this: %s: %v", what, err)
}

// get reads an answer of the process; into may be nil.
func (w *world) get(path string, into any) error {
	return w.call(http.MethodGet, path, nil, into)
}

var errStatus = errors.New("answers")

func (w *world) call(method, path string, body []byte, into any) error {
	request, err := http.NewRequestWithContext(w.tb.Context(), method, "http://"+w.address+path, bytes.NewReader(body))
	if err != nil {
		return err
	}

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}

	defer response.Body.Close()

	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}

	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%w %d: %s", errStatus, response.StatusCode, text)
	}

	if into == nil {
		return nil
	}

	return json.Unmarshal(text, into)
}

// post posts alerts as Alertmanager's webhook does, each known by the label pod.
func (w *world) post(alertname string, pods ...string) error {
	type posted struct {
		Status   string            `json:"status"`
		Labels   map[string]string `json:"labels"`
		StartsAt time.Time         `json:"startsAt"`
	}

	alerts := make([]posted, 0, len(pods))
	for _, pod := range pods {
		alerts = append(alerts, posted{
			Status: "firing", StartsAt: time.Now(),
			Labels: map[string]string{"alertname": alertname, "pod": pod, "cluster": "one", "severity": "critical"},
		})
	}

	body, err := json.Marshal(map[string]any{"version": "4", "alerts": alerts})
	if err != nil {
		return err
	}

	return w.call(http.MethodPost, "/api/v2/alerts", body, nil)
}

// serve serves until the test ends.
func serve(tb testing.TB, handler http.Handler) string {
	tb.Helper()

	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)

	return server.URL
}

func freeAddress(tb testing.TB) string {
	tb.Helper()

	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}

	defer listener.Close()

	return listener.Addr().String()
}
