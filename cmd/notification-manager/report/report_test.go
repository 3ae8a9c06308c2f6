package report

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/follow"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/observe"
	"github.com/ks-core/ks-controller-manager/pkg/notification/engine"
)

// world is what is reported, and what was written.
type world struct {
	receiver *notificationv2beta2.Receiver
	manager  *notificationv2beta2.NotificationManager
	tally    observe.Tally
	state    engine.State
	alerted  time.Time
	err      error
	written  map[string][]string
}

func (w *world) View() *follow.View { return &follow.View{Manager: w.manager} }

func (w *world) Receiver(string) *notificationv2beta2.Receiver { return w.receiver }

func (w *world) Manager(string) *notificationv2beta2.NotificationManager { return w.manager }

func (w *world) Tallies() map[string]observe.Tally {
	if w.tally == (observe.Tally{}) {
		return nil
	}

	return map[string]observe.Tally{"ops": w.tally}
}

func (w *world) State() (engine.State, time.Time) { return w.state, time.Time{} }

func (w *world) LastAlert() time.Time { return w.alerted }

func (w *world) apply(_ context.Context, resource, _ string, status any) error {
	if w.err != nil {
		return w.err
	}

	text, err := json.Marshal(status)
	w.written[resource] = append(w.written[resource], string(text))

	return err
}

// take gives what was written last of a resource, and how often it was, since the last call.
func (w *world) take(resource string) (last string, count int) {
	texts := w.written[resource]
	delete(w.written, resource)

	if len(texts) == 0 {
		return "", 0
	}

	return texts[len(texts)-1], len(texts)
}

func newWorld(now time.Time) (*world, *Reporter, *clocktesting.FakeClock) {
	seven := int64(7)
	made := &world{
		written: map[string][]string{},
		receiver: &notificationv2beta2.Receiver{
			ObjectMeta: metav1.ObjectMeta{Name: "ops", UID: "ops", Generation: 3},
			Status: notificationv2beta2.ReceiverStatus{
				Sent: &seven, LastFailure: &notificationv2beta2.DeliveryRecord{
					Time: metav1.NewTime(now.Add(-time.Hour)), Channel: "email", Reason: "Denied", Message: "before",
				},
			},
		},
		manager: &notificationv2beta2.NotificationManager{ObjectMeta: metav1.ObjectMeta{Name: "nm", UID: "nm"}},
	}
	clock := clocktesting.NewFakeClock(now)

	return made, New(Options{
		Objects: made, Observed: made, LastWatchdog: func() time.Time { return time.Time{} },
		Durable: func() Durable { return Durable{Reason: "NoVolume", Message: "it ends with the pod"} },
		Apply:   made.apply, Metrics: observe.NewMetrics(prometheus.NewRegistry()), Clock: clock,
	}), clock
}

func has(t *testing.T, text string, wants ...string) {
	t.Helper()

	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing in %s", want, text)
		}
	}
}

// Each object is written at most once a minute, and only when something is new.
func TestOnceAMinute(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	world, reporter, clock := newWorld(now)

	reporter.look(t.Context())

	if text, count := world.take("receivers"); count != 0 {
		t.Errorf("a receiver of which nothing was tried has %s", text)
	}

	world.tally = observe.Tally{Sent: 1, Success: &observe.Receipt{
		At: now, Channel: "webhook", Outcome: observe.Delivered,
	}}

	reporter.look(t.Context())

	text, count := world.take("receivers")
	if count != 1 {
		t.Fatalf("written %d times", count)
	}

	has(t, text, `"sent":8`, `"failed":0`, `"reason":"Delivered"`, `"status":"True"`, `"type":"Healthy"`,
		`"observedGeneration":3`, `"message":"before"`)

	world.tally.Sent, world.tally.Failed = 5, 1
	world.tally.Failure = &observe.Receipt{
		At: now.Add(time.Second), Channel: "webhook", Outcome: observe.Dead, Reason: "Refused", Code: 404,
		Message: strings.Repeat("ß", 2000),
	}

	for range 11 {
		clock.Step(5 * time.Second)
		reporter.look(t.Context())
	}

	if _, count := world.take("receivers"); count != 0 {
		t.Errorf("written %d times within a minute", count)
	}

	clock.Step(5 * time.Second)
	reporter.look(t.Context())

	text, _ = world.take("receivers")
	has(t, text, `"sent":12`, `"failed":1`, `"status":"False"`, `"reason":"Refused"`, `"code":404`, `ß..."`)

	for range 30 {
		clock.Step(5 * time.Second)
		reporter.look(t.Context())
	}

	if _, count := world.take("receivers"); count != 0 {
		t.Errorf("written %d times though nothing is new", count)
	}
}

func TestManager(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	world, reporter, clock := newWorld(now)

	reporter.look(t.Context())

	text, _ := world.take("notificationmanagers")
	has(t, text, `"type":"Durable"`, `"status":"False"`, `"reason":"NoVolume"`, `"pendingDeliveries":0`)

	world.state.Pending, world.state.Dead, world.alerted = 4, 2, now
	world.state.Err = errors.New("the store is full")

	clock.Step(time.Minute)
	reporter.look(t.Context())

	text, _ = world.take("notificationmanagers")
	has(t, text, `"reason":"StoreFailed"`, `"pendingDeliveries":4`, `"deadLetters":2`,
		`"lastAlert":"2026-03-01T12:00:00Z"`)
}

// What could not be written is written later.
func TestWriteFails(t *testing.T) {
	world, reporter, clock := newWorld(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	world.err = errors.New("no connection")

	reporter.look(t.Context())

	world.err = nil

	clock.Step(time.Minute)
	reporter.look(t.Context())

	if _, count := world.take("notificationmanagers"); count != 1 {
		t.Errorf("written %d times", count)
	}
}
