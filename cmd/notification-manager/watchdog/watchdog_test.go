package watchdog

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/clock"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/follow"
	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

// told keeps what the watchdog tells.
type told struct {
	mutex   sync.Mutex
	alerts  []alert.Alert
	err     error
	missing bool
}

func (t *told) ingest(_ context.Context, alerts []alert.Alert) error {
	t.mutex.Lock()
	defer t.mutex.Unlock()

	if t.err == nil {
		t.alerts = append(t.alerts, alerts...)
	}

	return t.err
}

func (t *told) show(_ time.Time, missing bool) {
	t.mutex.Lock()
	defer t.mutex.Unlock()

	t.missing = missing
}

func (t *told) fail(err error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()

	t.err = err
}

// got is what was told since the last call: the statuses.
func (t *told) got() []string {
	t.mutex.Lock()
	defer t.mutex.Unlock()

	var statuses []string
	for _, one := range t.alerts {
		statuses = append(statuses, one.Status.String())
	}

	t.alerts = nil

	return statuses
}

func watching(t *testing.T) *follow.View {
	t.Helper()

	matcher, problems := selector.Compile(field.NewPath("matcher"), &notificationv2beta2.LabelSelector{
		MatchLabels: map[string]string{"alertname": "Watchdog"},
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}

	return &follow.View{
		Manager:  &notificationv2beta2.NotificationManager{},
		Watchdog: &follow.Watchdog{Matcher: matcher, Timeout: time.Minute},
	}
}

func begin(t *testing.T, view *follow.View, into *told, folder string) (*Watchdog, func()) {
	t.Helper()

	dog, err := New(Options{
		View: func() *follow.View { return view }, Ingest: into.ingest, Show: into.show, Folder: folder,
		Clock: clock.RealClock{},
	})
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})

	go func() {
		defer close(ended)

		dog.Run(ctx)
	}()

	return dog, func() {
		cancel()
		<-ended
	}
}

// wait lets time pass, and everybody do what is due.
func wait(t *testing.T, long time.Duration) {
	t.Helper()

	<-time.After(long)
	synctest.Wait()
}

func heartbeat() []alert.Alert {
	return []alert.Alert{
		{Labels: labels.FromStrings("alertname", "Other")}, {Labels: labels.FromStrings("alertname", "Watchdog")},
	}
}

func expect(t *testing.T, into *told, want ...string) {
	t.Helper()

	got := into.got()
	if len(got) != len(want) {
		t.Fatalf("told %q, want %q", got, want)
	}

	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("told %q, want %q", got, want)
		}
	}
}

func TestMissingAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		into := &told{}

		dog, stop := begin(t, watching(t), into, t.TempDir())
		defer stop()

		for range 5 { // as long as it comes
			wait(t, 50*time.Second)
			dog.Saw(heartbeat())
		}

		expect(t, into)

		wait(t, 40*time.Second) // alerts of others are not it
		dog.Saw(heartbeat()[:1])
		wait(t, 30*time.Second)
		expect(t, into, "firing")
		wait(t, 10*time.Minute) // once
		expect(t, into)

		dog.Saw(heartbeat())
		wait(t, 10*time.Second)
		expect(t, into, "resolved")

		if _, missing := dog.Missing(); missing || into.missing {
			t.Error("it is still said to be missing")
		}
	})
}

// What cannot be told is told later.
func TestToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		into := &told{err: errors.New("busy")}

		_, stop := begin(t, watching(t), into, "")
		defer stop()

		wait(t, 5*time.Minute)
		expect(t, into)
		into.fail(nil)
		wait(t, 10*time.Second)
		expect(t, into, "firing")
	})
}

// A process that begins anew knows what was told before, and tells neither twice nor never the end.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder, into := t.TempDir(), &told{}

		_, stop := begin(t, watching(t), into, folder)
		wait(t, 2*time.Minute)
		expect(t, into, "firing")
		stop()

		dog, stop := begin(t, watching(t), into, folder)
		wait(t, 5*time.Minute)
		expect(t, into)
		dog.Saw(heartbeat())
		wait(t, 10*time.Second)
		expect(t, into, "resolved")
		stop()

		_, stop = begin(t, watching(t), into, folder)
		defer stop()

		wait(t, 30*time.Second)
		expect(t, into)
	})
}

// Nothing is missing where nothing is awaited, and what was missing ends with it.
func TestNothingIsWatchedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		into, view := &told{}, watching(t)
		watchdog := view.Watchdog
		view.Watchdog = nil

		current := view

		dog, err := New(Options{
			View: func() *follow.View { return current }, Ingest: into.ingest, Show: into.show,
			Clock: clock.RealClock{},
		})
		if err != nil {
			t.Fatal(err)
		}

		look := func() {
			if err := dog.look(t.Context()); err != nil {
				t.Fatal(err)
			}
		}

		<-time.After(time.Hour)
		look()
		expect(t, into)

		// The time before it is awaited does not count.
		current = &follow.View{Manager: view.Manager, Watchdog: watchdog}

		look()
		expect(t, into)

		<-time.After(time.Hour)
		look()
		expect(t, into, "firing")

		current = view

		look()
		expect(t, into, "resolved")
	})
}
