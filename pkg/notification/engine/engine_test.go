package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"k8s.io/utils/clock"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/grouping"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
	"github.com/ks-core/ks-controller-manager/pkg/notification/store"
	"github.com/ks-core/ks-controller-manager/pkg/notification/target"
)

// provider is a channel that keeps what arrives, and answers as it is told.
type provider struct {
	mutex   sync.Mutex
	arrived []string
	answer  func(message string) error
	parts   int
}

// Render makes a message of the names of the pods, or as many as there are to be parts.
func (p *provider) Render(data *message.Data) ([]channel.Message, error) {
	var pods []string

	for _, one := range data.Alerts {
		mark := ""
		if one.Status == "resolved" {
			mark = "-"
		}

		pods = append(pods, one.Labels["pod"]+mark)
	}

	text := strings.Join(pods, " ")
	if p.parts == 0 {
		return []channel.Message{{Text: text}}, nil
	}

	var messages []channel.Message
	for part := range p.parts {
		messages = append(messages, channel.Message{Text: fmt.Sprint(text, "/", part)})
	}

	return messages, nil
}

func (p *provider) Send(ctx context.Context, one channel.Message) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()

	if err := ctx.Err(); err != nil {
		return err
	}

	if p.answer != nil {
		if err := p.answer(one.Text); err != nil {
			return err
		}
	}

	p.arrived = append(p.arrived, one.Text)

	return nil
}

// mend has the provider take everything from now on.
func (p *provider) mend() {
	p.mutex.Lock()
	defer p.mutex.Unlock()

	p.answer = nil
}

// got is what has arrived.
func (p *provider) got() []string {
	p.mutex.Lock()
	defer p.mutex.Unlock()

	return append([]string{}, p.arrived...)
}

func refuse(class channel.Class) func(string) error {
	return func(string) error { return &channel.Error{Class: class, Code: 503, Err: errors.New("not now")} }
}

// journal is an observer that keeps receipts.
type journal struct {
	mutex    sync.Mutex
	receipts []string
	state    State
}

func (j *journal) Delivery(receipt *Receipt) {
	j.mutex.Lock()
	defer j.mutex.Unlock()

	j.receipts = append(j.receipts, fmt.Sprintf("%s/%s %d %s", receipt.Task.Receiver, receipt.Task.Target,
		receipt.Verdict, receipt.Task.Reason))
}

func (j *journal) Turn(state *State) {
	j.mutex.Lock()
	defer j.mutex.Unlock()

	j.state = *state
}

// now is how things stood at the end of the last turn.
func (j *journal) now() State {
	j.mutex.Lock()
	defer j.mutex.Unlock()

	return j.state
}

// world is an engine with what it works with, in a bubble of time of its own.
type world struct {
	t       *testing.T
	path    string
	store   *store.Store
	engine  *Engine
	journal *journal
	stop    context.CancelFunc
	ended   chan error
}

// receiverOf is a receiver for everything, with a target on each provider.
func receiverOf(name string, providers ...*provider) *target.Receiver {
	made := &target.Receiver{Route: &routing.Receiver{
		Name: name, Owner: selector.Owner{Kind: selector.Global},
		Channels: []routing.Channel{{Type: "slack", Enabled: true}},
	}}

	for i, one := range providers {
		made.Targets = append(made.Targets, target.Target{
			Key: fmt.Sprint("slack/", i), Type: channel.Slack, Channel: one, Timeout: time.Minute,
			Where: delivery.Where{Credential: fmt.Sprint(name, i)},
		})
	}

	return made
}

func relaying() Settings {
	return Settings{
		Limits: delivery.DefaultLimits(),
		Timing: grouping.Timing{By: []string{"alertname"}, Window: time.Minute, Most: 100},
	}
}

func grouped() Settings {
	settings := relaying()
	settings.Timing = grouping.Timing{
		Mode: grouping.Engine, By: []string{"alertname"},
		Wait: 30 * time.Second, Interval: 5 * time.Minute, Repeat: time.Hour,
	}

	return settings
}

// newWorld starts an engine.
func newWorld(t *testing.T, settings Settings, receivers ...*target.Receiver) *world {
	t.Helper()

	w := &world{t: t, path: filepath.Join(t.TempDir(), "store")}
	w.start(settings, receivers...)
	t.Cleanup(w.end)

	return w
}

func (w *world) start(settings Settings, receivers ...*target.Receiver) {
	w.t.Helper()

	kept, aside, err := store.Open(w.path, time.Now(), store.Options{Forgetful: true})
	if err != nil || aside != "" {
		w.t.Fatal(aside, err)
	}

	w.store, w.journal, w.ended = kept, &journal{}, make(chan error, 1)
	w.engine = New(Options{
		Store: kept, Clock: clock.RealClock{}, Random: func() float64 { return 0.5 },
		Abreast: 16, Pending: 1000, Grace: 10 * time.Second, Observer: w.journal,
	})

	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel

	w.must(w.engine.Configure(ctx, settings))

	for _, one := range receivers {
		w.must(w.engine.PutReceiver(ctx, one))
	}

	go func() { w.ended <- w.engine.Run(ctx) }()

	synctest.Wait()
}

func (w *world) must(err error) {
	w.t.Helper()

	if err != nil {
		w.t.Error(err)
	}
}

func (w *world) end() {
	if w.stop == nil {
		return
	}

	w.stop()

	if err := <-w.ended; err != nil {
		w.t.Error(err)
	}

	w.must(w.store.Close())
	w.stop = nil
}

// again ends the engine and starts another on what it has left.
func (w *world) again(settings Settings, receivers ...*target.Receiver) {
	w.t.Helper()
	w.end()
	w.start(settings, receivers...)
}

func firing(pod string) alert.Alert {
	return alert.Alert{Labels: labels.FromStrings("alertname", "down", "pod", pod), StartsAt: time.Now()}
}

func over(pod string) alert.Alert {
	one := firing(pod)
	one.Status, one.EndsAt = alert.Resolved, time.Now()

	return one
}

func (w *world) post(alerts ...alert.Alert) {
	w.t.Helper()
	w.must(w.engine.Ingest(w.t.Context(), alerts))
	synctest.Wait()
}

func (*world) pass(duration time.Duration) {
	<-time.After(duration)
	synctest.Wait()
}

func (w *world) arrived(at *provider, want ...string) {
	w.t.Helper()

	if diff := cmp.Diff(append([]string{}, want...), at.got()); diff != "" {
		w.t.Fatal(diff)
	}
}

func (w *world) rows(table store.Table) int {
	count := 0

	w.must(w.store.Each(table, func(_, _ []byte) error {
		count++

		return nil
	}))

	return count
}

// leaves nothing in the store of what was delivered.
func (w *world) clean() {
	w.t.Helper()

	for _, table := range []store.Table{store.Tasks, store.Payloads, store.Pending} {
		if rows := w.rows(table); rows > 0 {
			w.t.Errorf("%d rows of %s stay", rows, table)
		}
	}
}

func TestAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ops, all := &provider{}, &provider{}
		w := newWorld(t, relaying(), receiverOf("ops", ops), receiverOf("all", all, all))

		start := time.Now()

		w.post(firing("a"), firing("b"))

		w.arrived(ops, "a b")
		w.arrived(all, "a b", "a b") // to both of its targets

		if passed := time.Since(start); passed > 0 {
			t.Errorf("took %s", passed)
		}

		w.post(over("a"))
		w.arrived(ops, "a b")
		w.pass(time.Minute)
		w.arrived(ops, "a b", "a-")
		w.clean()
	})
}

func TestTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ops, other := &provider{answer: refuse(channel.Transient)}, &provider{}
		w := newWorld(t, relaying(), receiverOf("ops", ops), receiverOf("other", other))

		w.post(firing("a"))
		w.arrived(ops)
		w.arrived(other, "a") // a dead provider is nobody else's

		w.pass(time.Hour)
		ops.mend()
		w.pass(2 * time.Minute)
		w.arrived(ops, "a")
		w.clean()
	})
}

func TestOnlyWhatIsMissingIsSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ops := &provider{parts: 3, answer: func(message string) error {
			if strings.HasSuffix(message, "/1") {
				return refuse(channel.Transient)(message)
			}

			return nil
		}}
		w := newWorld(t, relaying(), receiverOf("ops", ops))

		w.post(firing("a"))
		w.arrived(ops, "a/0")

		ops.mend()
		w.pass(time.Minute)
		w.arrived(ops, "a/0", "a/1", "a/2")
	})
}

func TestRestartDeliversWhatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ops := &provider{answer: refuse(channel.Transient)}
		w := newWorld(t, relaying(), receiverOf("ops", ops))

		w.post(firing("a"))
		w.post(firing("b")) // waits in its window
		ops.mend()
		w.again(relaying(), receiverOf("ops", ops))
		w.pass(time.Minute)

		if got := strings.Join(slices.Sorted(slices.Values(ops.got())), ","); got != "a,b" {
			t.Errorf("%q arrived", got)
		}

		w.clean()
	})
}

func TestGroupsGoOnAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ops := &provider{}
		w := newWorld(t, grouped(), receiverOf("ops", ops))

		w.post(firing("a"))
		w.pass(30 * time.Second)
		w.arrived(ops, "a")

		w.again(grouped(), receiverOf("ops", ops))
		w.post(firing("a"))
		w.pass(20 * time.Minute)
		w.arrived(ops, "a") // it has been told

		w.post(over("a"))
		w.pass(5 * time.Minute)
		w.arrived(ops, "a", "a-")

		if rows := w.rows(store.Alerts) + w.rows(store.Groups); rows > 0 {
			t.Errorf("%d rows stay", rows)
		}
	})
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ops := &provider{answer: refuse(channel.Permanent)}
		w := newWorld(t, relaying(), receiverOf("ops", ops))

		w.post(firing("a"))
		w.again(relaying(), receiverOf("ops", ops)) // they are kept
		w.pass(time.Minute)
		w.arrived(ops)

		if w.journal.now().Dead != 1 {
			t.Fatalf("%d dead letters", w.journal.now().Dead)
		}

		ops.mend()

		dead, err := w.engine.DeadLetters(t.Context())
		if err != nil {
			t.Fatal(err)
		}

		found, err := w.engine.Retry(t.Context(), dead[0].ID)
		if !found || err != nil {
			t.Fatal(found, err)
		}

		synctest.Wait()
		w.arrived(ops, "a")
		w.clean()

		if found, _ := w.engine.Retry(t.Context(), dead[0].ID); found {
			t.Error("is found again")
		}
	})
}

func TestAPanicIsOneMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		defect := &provider{answer: func(message string) error {
			return errors.New(strings.Split(message, " ")[len(message)]) // beyond its end
		}}
		other := &provider{}
		w := newWorld(t, relaying(), receiverOf("defect", defect), receiverOf("other", other))

		w.post(firing("a"))
		w.arrived(other, "a")

		if w.journal.now().Dead != 1 {
			t.Errorf("%d dead letters", w.journal.now().Dead)
		}
	})
}

// TestEditsReachGroups narrows what a receiver wants, and groups it anew: what it does not want any more is not
// repeated, what it still wants is told once in its new group, and the others' timers go on.
func TestEditsReachGroups(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ops, other := &provider{}, &provider{}
		w := newWorld(t, grouped(), receiverOf("ops", ops), receiverOf("other", other))
		w.post(firing("a"), firing("b"))
		w.pass(31 * time.Second)
		w.arrived(ops, "a b")

		narrow := receiverOf("ops", ops)
		wanted, problems := selector.Compile(nil, &notificationv2beta2.LabelSelector{
			MatchLabels: map[string]string{"pod": "a"},
		})

		if len(problems) > 0 {
			t.Fatal(problems)
		}

		narrow.Route.Channels[0].Alerts = wanted
		w.must(w.engine.PutReceiver(t.Context(), narrow))
		w.pass(2 * time.Hour)

		if last := ops.got()[len(ops.got())-1]; last != "a" {
			t.Errorf("%q is repeated to who wants a", last)
		}

		if last := other.got()[len(other.got())-1]; last != "a b" {
			t.Errorf("%q is repeated to who wants all", last)
		}

		before := len(other.got())
		settings := grouped()
		settings.Timing.By = []string{"alertname", "pod"}
		w.must(w.engine.Configure(t.Context(), settings))
		w.pass(31 * time.Second)

		if diff := cmp.Diff([]string{"a", "b"}, slices.Sorted(slices.Values(other.got()[before:]))); diff != "" {
			t.Error(diff)
		}

		w.post(over("a"), over("b"))
		w.pass(time.Hour)

		if rows := w.rows(store.Alerts) + w.rows(store.Groups); rows > 0 {
			t.Errorf("%d rows stay", rows)
		}
	})
}

// TestAlertsOfAnySize has a group label that is longer than a store's key may be: it is told, and harms nobody.
func TestAlertsOfAnySize(t *testing.T) {
	t.Parallel()

	for name, settings := range map[string]Settings{"engine": grouped(), "relay": relaying()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ops := &provider{}
				w := newWorld(t, settings, receiverOf("ops", ops))
				long := firing("long")
				long.Labels = labels.FromStrings("alertname", strings.Repeat("x", 50_000), "pod", "long")

				w.post(long)
				w.post(firing("a"))
				w.post(long) // in its window
				w.again(settings, receiverOf("ops", ops))
				w.pass(time.Minute)

				got := strings.Join(ops.got(), " ")
				if !strings.Contains(got, "long") || !strings.Contains(got, "a") {
					t.Errorf("%q arrived", got)
				}
			})
		})
	}
}

// TestTheWayOfTellingChanges has alerts that wait in a group of an engine: they are told when it becomes a relay,
// while it works and over a restart.
func TestTheWayOfTellingChanges(t *testing.T) {
	t.Parallel()

	for _, restarts := range []bool{false, true} {
		t.Run(strconv.FormatBool(restarts), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ops := &provider{}
				w := newWorld(t, grouped(), receiverOf("ops", ops))
				w.post(firing("a"))

				if restarts {
					w.again(relaying(), receiverOf("ops", ops))
				} else {
					w.must(w.engine.Configure(t.Context(), relaying()))
					synctest.Wait()
				}

				w.arrived(ops, "a")

				w.post(firing("b"))
				w.pass(time.Minute)
				w.arrived(ops, "a", "b")

				if rows := w.rows(store.Alerts) + w.rows(store.Groups); rows > 0 {
					t.Errorf("%d rows stay", rows)
				}
			})
		})
	}
}

func TestAMendedTargetIsTriedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ops := &provider{}
		broken := receiverOf("ops", ops)
		broken.Targets[0].Channel, broken.Targets[0].Broken = nil, errors.New("secret slack is missing")
		w := newWorld(t, relaying(), broken)

		w.post(firing("a"))
		w.pass(time.Hour)
		w.must(w.engine.PutReceiver(t.Context(), receiverOf("ops", ops)))
		synctest.Wait()
		w.arrived(ops, "a")
	})
}

func TestADeletedReceiver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ops, other := &provider{answer: refuse(channel.Transient)}, &provider{}
		w := newWorld(t, relaying(), receiverOf("ops", ops), receiverOf("other", other))

		w.post(firing("a"))
		w.must(w.engine.DeleteReceiver(t.Context(), "ops"))
		w.post(firing("b"))
		w.pass(time.Minute)

		ops.mend()
		w.pass(time.Hour)
		w.arrived(ops)
		w.arrived(other, "a", "b")

		if w.journal.now().Dead != 1 {
			t.Errorf("%d dead letters", w.journal.now().Dead)
		}
	})
}

func TestTooMuchBecomesADigest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		settings := relaying()
		settings.Limits.Pending, settings.Timing.Window = 3, 0
		ops := &provider{answer: refuse(channel.Transient)}
		w := newWorld(t, settings, receiverOf("ops", ops))

		for i := range 20 {
			w.post(firing(strconv.Itoa(i)))
		}

		w.post(over("3"))

		if pending := w.journal.now().Pending; pending > 4 {
			t.Errorf("%d tasks wait", pending)
		}

		ops.mend()
		w.pass(5 * time.Minute)

		var pods []string
		for _, text := range ops.got() {
			pods = append(pods, strings.Fields(text)...)
		}

		for i := range 20 {
			if !slices.Contains(pods, strconv.Itoa(i)) && !slices.Contains(pods, fmt.Sprint(i, "-")) {
				t.Errorf("%d is lost: %v", i, pods)
			}
		}

		if !slices.Contains(pods, "3-") {
			t.Error("3 is not told to be over")
		}

		w.clean()
	})
}

func TestAReceiverThatIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ops := &provider{}
		closed := receiverOf("ops", ops)
		opens := time.Now().Add(8 * time.Hour)
		closed.Open = func(at time.Time) (bool, time.Time) { return !at.Before(opens), opens }
		w := newWorld(t, relaying(), closed)

		w.post(firing("a"))
		w.pass(8*time.Hour - time.Second)
		w.arrived(ops)
		w.again(relaying(), closed)
		w.pass(time.Second)
		w.arrived(ops, "a")
	})
}

func TestAReceiverThatGivesUpEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ops := &provider{answer: refuse(channel.Transient)}
		hasty := receiverOf("ops", ops)
		limits := delivery.DefaultLimits()
		limits.MaxAge = time.Minute
		hasty.Retry = &limits
		w := newWorld(t, relaying(), hasty)

		w.post(firing("a"))
		w.pass(3 * time.Minute)

		if w.journal.now().Dead != 1 || w.journal.now().Pending != 0 {
			t.Errorf("%d dead letters, %d wait", w.journal.now().Dead, w.journal.now().Pending)
		}
	})
}

func TestHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ops, past := &provider{}, &provider{}
		refused := &provider{answer: refuse(channel.Permanent)}
		w := newWorld(t, relaying(), receiverOf("ops", ops), receiverOf("refused", refused))
		w.must(w.engine.PutHistory(t.Context(), receiverOf(History, past).Targets))

		w.post(firing("a"))
		w.pass(time.Second)
		w.arrived(past, "a", "a") // what failed, too
	})
}

func TestAStoreThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ops := &provider{}
		w := newWorld(t, relaying(), receiverOf("ops", ops))
		w.must(w.store.Close())

		for range 10 {
			err := w.engine.Ingest(t.Context(), []alert.Alert{firing("a")})
			if err == nil {
				t.Error("alerts are taken that are on no disk")
			}
		}

		synctest.Wait()

		if told := len(ops.got()); told > 1 {
			t.Errorf("what is refused is told %d times", told)
		}

		w.stop()

		if err := <-w.ended; err == nil {
			t.Error("it ends without a word")
		}

		w.stop = nil
	})
}

func TestTooMuchIsNotTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		settings := relaying()
		settings.Limits.Pending, settings.Timing.Window = 0, 0
		ops := &provider{answer: refuse(channel.Transient)}
		w := newWorld(t, settings, receiverOf("ops", ops))

		var err error
		for i := 0; err == nil && i < 2000; i++ {
			err = w.engine.Ingest(t.Context(), []alert.Alert{firing(strconv.Itoa(i))})
		}

		if !errors.Is(err, ErrBusy) {
			t.Errorf("%v, want %v", err, ErrBusy)
		}
	})
}

func TestStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, relaying())
		engine := w.engine
		w.end()

		if err := engine.Ingest(t.Context(), nil); !errors.Is(err, ErrStopped) {
			t.Errorf("%v, want %v", err, ErrStopped)
		}

		if err := engine.Configure(t.Context(), relaying()); !errors.Is(err, ErrStopped) {
			t.Errorf("%v, want %v", err, ErrStopped)
		}
	})
}
