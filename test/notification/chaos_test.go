package notification_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

// sink is a webhook that counts in how many messages each alert arrived, and refuses while it is told to.
type sink struct {
	down    atomic.Bool
	mutex   sync.Mutex
	arrived map[string]int
	most    int // alerts in one message
}

func newSink() *sink { return &sink{arrived: map[string]int{}} }

func (s *sink) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	if s.down.Load() {
		writer.WriteHeader(http.StatusServiceUnavailable)

		return
	}

	var body struct {
		Alerts []struct {
			Labels map[string]string `json:"labels"`
		} `json:"alerts"`
	}

	if err := json.NewDecoder(request.Body).Decode(&body); err != nil {
		writer.WriteHeader(http.StatusBadRequest)

		return
	}

	s.mutex.Lock()
	defer s.mutex.Unlock()

	s.most = max(s.most, len(body.Alerts))

	for _, one := range body.Alerts {
		s.arrived[one.Labels["pod"]]++
	}
}

// missing are those of some alerts that have not arrived.
func (s *sink) missing(alerts []string) []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	var missing []string

	for _, one := range alerts {
		if s.arrived[one] == 0 {
			missing = append(missing, one)
		}
	}

	return missing
}

// twice are how many alerts arrived more than once, counted for each time.
func (s *sink) twice() (count, most int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	for _, times := range s.arrived {
		count += times - 1
	}

	return count, s.most
}

// storm posts alerts by several clients at once, and gives those that were acknowledged. It ends the process after so
// many acknowledgements, in the midst of others.
func (w *world) storm(alerts, size, killAfter int) []string {
	w.tb.Helper()

	const clients = 8

	var (
		group errgroup.Group
		mutex sync.Mutex
		taken []string
		acked atomic.Int64
		kill  = sync.OnceFunc(func() { w.signal(syscall.SIGKILL) })
	)

	group.SetLimit(clients)

	for from := 0; from < alerts; from += size {
		group.Go(func() error {
			pods := make([]string, 0, size)
			for i := range size {
				pods = append(pods, fmt.Sprint(w.name, "-", from+i))
			}

			if err := w.post(fmt.Sprint("down-", from/size), pods...); err != nil {
				return nil //nolint:nilerr // not acknowledged: whoever posted it posts it again
			}

			mutex.Lock()

			taken = append(taken, pods...)

			mutex.Unlock()

			if acked.Add(int64(size)) >= int64(killAfter) {
				kill()
			}

			return nil
		})
	}

	if err := group.Wait(); err != nil {
		w.tb.Fatal(err)
	}

	w.kill()

	return taken
}

// TestKilledWithTenThousandPending ends the service with SIGKILL while ten thousand alerts wait for a provider that is
// down, and again and again while they are delivered afterwards: none that was acknowledged is lost, and none arrives
// more often than the service was killed.
func TestKilledWithTenThousandPending(t *testing.T) {
	w := newWorld(t, "pending", manyPending)
	to := newSink()
	to.down.Store(true)
	w.webhook("sink", serve(t, to))
	w.start()

	taken := w.storm(10_000, 100, 10_000)
	if len(taken) < 9_000 {
		t.Fatalf("only %d alerts were acknowledged", len(taken))
	}

	to.down.Store(false)

	const kills = 5

	for range kills {
		w.start()
		<-time.After(150 * time.Millisecond) // somewhere in the midst
		w.kill()
	}

	w.start()
	w.eventually("all alerts arrive", func() error { return none(to.missing(taken)) })

	twice, most := to.twice()
	if allowed := (kills + 1) * most; twice > allowed {
		t.Errorf("%d alerts arrived again, more than the %d that can have been under way", twice, allowed)
	}

	t.Logf("%d alerts acknowledged, %d arrived again after %d kills; at most %d in a message",
		len(taken), twice, kills+1, most)
}

func manyPending(spec *notificationv2beta2.NotificationManagerSpec) {
	spec.BatchMaxWait = "10ms"
}

var errMissing = errors.New("are missing")

func none(missing []string) error {
	if len(missing) == 0 {
		return nil
	}

	return fmt.Errorf("%d %w, %s among them", len(missing), errMissing, missing[0])
}

// TestSaboteur is the same with a build that acknowledges what is not on disk yet: that is seen.
func TestSaboteur(t *testing.T) {
	const attempts = 10

	for attempt := range attempts {
		w := newWorld(t, fmt.Sprint("saboteur-", attempt), manyPending)
		w.program = filepath.Join(folder, "saboteur")
		to := newSink()
		to.down.Store(true)
		w.webhook("sink", serve(t, to))
		w.start()

		taken := w.storm(20_000, 100, 1_000)

		to.down.Store(false)
		w.start()
		w.eventually("nothing waits any more", w.idle)
		w.stop()

		if missing := to.missing(taken); len(missing) > 0 {
			t.Logf("caught at attempt %d: %d of %d alerts are lost", attempt, len(missing), len(taken))

			return
		}
	}

	t.Error("a service that acknowledges before it writes loses nothing: this test cannot see a loss")
}

// TestKilledInTheMidst is what the saboteur is caught by, with the build that is released.
func TestKilledInTheMidst(t *testing.T) {
	for attempt := range 3 {
		w := newWorld(t, fmt.Sprint("midst-", attempt), manyPending)
		to := newSink()
		to.down.Store(true)
		w.webhook("sink", serve(t, to))
		w.start()

		taken := w.storm(20_000, 100, 1_000)

		to.down.Store(false)
		w.start()
		w.eventually("all alerts arrive", func() error { return none(to.missing(taken)) })
		w.stop()
	}
}

var errWaiting = errors.New("wait")

// idle wants nothing to wait for delivery.
func (w *world) idle() error {
	value, err := w.metric("ks_notification_manager_pending_messages")
	if err == nil && value > 0 {
		err = fmt.Errorf("%g %w", value, errWaiting)
	}

	return err
}

// TestFullDisk fills the store: what it has no room for is not taken, what waits is delivered, and then there is room.
func TestFullDisk(t *testing.T) {
	w := newWorld(t, "full", manyPending)
	w.flags = []string{"--store-max-bytes=2097152"}

	to := newSink()
	to.down.Store(true)
	w.webhook("sink", serve(t, to))
	w.start()

	var (
		taken []string
		err   error
	)

	for i := 0; err == nil; i++ {
		if i > 1000 {
			t.Fatal("never gets full")
		}

		pods := make([]string, 0, 100)
		for j := range 100 {
			pods = append(pods, fmt.Sprint("full-", i, "-", j))
		}

		if err = w.post(fmt.Sprint("down-", i), pods...); err == nil {
			taken = append(taken, pods...)
		}
	}

	if !errors.Is(err, errStatus) {
		t.Fatal(err)
	}

	to.down.Store(false)
	w.eventually("all that was taken arrives", func() error { return none(to.missing(taken)) })
	w.eventually("alerts are taken again", func() error { return w.post("again", "again") })
	w.eventually("the new one arrives", func() error { return none(to.missing([]string{"again"})) })
}

// TestOnePoisonedAmongMany has one receiver of many that answers nothing, and one that cannot be resolved.
func TestOnePoisonedAmongMany(t *testing.T) {
	const many = 200

	w := newWorld(t, "poisoned", nil)
	slow := make(chan struct{})

	w.webhook("hangs", serve(t, http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		select {
		case <-slow:
		case <-request.Context().Done():
		}
	})))
	t.Cleanup(func() { close(slow) }) // before the server waits for it
	w.receiver("unresolved", notificationv2beta2.ReceiverSpec{Slack: &notificationv2beta2.SlackReceiver{
		Channels: []string{"ops"},
	}})

	to := newSink()
	url := serve(t, to)

	for i := range many {
		w.webhook(fmt.Sprint("good-", i), url)
	}

	w.start()

	if err := w.post("down", "a"); err != nil {
		t.Fatal(err)
	}

	w.eventually("all others are told", func() error {
		to.mutex.Lock()
		defer to.mutex.Unlock()

		if got := to.arrived["a"]; got != many {
			return fmt.Errorf("%w: %d of %d", errMissing, got, many)
		}

		return nil
	})
}
