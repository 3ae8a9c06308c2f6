package definitions

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
)

// served is a discovery that lists some resources.
type served struct {
	mutex     sync.Mutex
	resources []string
	err       error
	asked     int
}

// ServerResourcesForGroupVersionWithContext implements Discovery.
func (s *served) ServerResourcesForGroupVersionWithContext(
	_ context.Context, groupVersion string,
) (*metav1.APIResourceList, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	s.asked++

	if s.err != nil {
		return nil, s.err
	}

	list := &metav1.APIResourceList{GroupVersion: groupVersion}
	for _, name := range s.resources {
		list.APIResources = append(list.APIResources, metav1.APIResource{Name: name})
	}

	if len(list.APIResources) == 0 {
		return nil, apierrors.NewNotFound(schema.GroupResource{}, groupVersion)
	}

	return list, nil
}

func (s *served) set(resources ...string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	s.resources = resources
}

func (s *served) questions() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	return s.asked
}

func groupVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: "example.com", Version: "v1"}
}

func thing() Wanted { return Wanted{Kind: groupVersion().WithKind("Thing"), Resource: "things"} }
func other() Wanted { return Wanted{Kind: groupVersion().WithKind("Other"), Resource: "others"} }

func definition(generation int64) *Definition {
	return &Definition{Name: thing().Name(), UID: "1", Generation: generation}
}

// watched is a Watcher of its own discovery that counts what it tells.
type watched struct {
	*Watcher

	discovery *served
	clock     *clocktesting.FakeClock
	told      chan struct{}
}

func newWatched(wanted ...Wanted) *watched {
	w := &watched{
		discovery: &served{}, clock: clocktesting.NewFakeClock(time.Unix(0, 0)), told: make(chan struct{}, 1000),
	}
	w.Watcher = New(Options{
		Wanted: wanted, Discovery: w.discovery, Clock: w.clock, Changed: func() { w.told <- struct{}{} },
	})

	return w
}

// changes returns how often it told of a change since it was asked last.
func (w *watched) changes() int {
	count := 0

	for {
		select {
		case <-w.told:
			count++
		default:
			return count
		}
	}
}

// want compares what is known of the thing.
func (w *watched) want(t *testing.T, want Kind, isKnown bool) {
	t.Helper()

	got, known := w.Kind(thing())
	if diff := cmp.Diff(want, got); diff != "" || known != isKnown {
		t.Errorf("known: %t, want %t (-want +got):\n%s", known, isKnown, diff)
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()

	start := time.Unix(0, 0)

	var got []time.Duration

	planned, more := plan{}, true
	for tries := 0; more && tries < 100; tries++ {
		next, goesOn := planned.next(start, true)
		if goesOn {
			got = append(got, next.at.Sub(start))
		}

		planned, more = next, goesOn
	}

	if diff := cmp.Diff(pauses(), got); diff != "" {
		t.Errorf("pauses of what has settled (-want +got):\n%s", diff)
	}

	// What has not is asked for until it has, and no slower than every few seconds.
	planned = plan{}
	for range 100 {
		planned, more = planned.next(start, false)
		if pause := planned.at.Sub(start); !more || pause <= 0 || pause > 5*time.Second {
			t.Fatalf("the next question: %v, in %s", more, pause)
		}
	}

	if _, more := planned.next(start, true); more {
		t.Error("it is asked for although it has settled")
	}
}

func TestDueAndUntilNext(t *testing.T) {
	t.Parallel()

	w := newWatched()
	in := func(group string, pause time.Duration) map[schema.GroupVersion]plan {
		return map[schema.GroupVersion]plan{{Group: group, Version: "v1"}: {at: w.clock.Now().Add(pause)}}
	}
	all := func(plans ...map[schema.GroupVersion]plan) map[schema.GroupVersion]plan {
		pending := map[schema.GroupVersion]plan{}
		for _, planned := range plans {
			maps.Copy(pending, planned)
		}

		return pending
	}

	tests := map[string]struct {
		pending map[schema.GroupVersion]plan
		due     []string
		until   time.Duration
	}{
		"nothing":       {nil, nil, idle},
		"now":           {in("a", 0), []string{"a"}, 0},
		"overdue":       {in("a", -time.Second), []string{"a"}, 0},
		"later":         {in("a", time.Second), nil, time.Second},
		"the first one": {all(in("a", time.Minute), in("b", time.Second)), nil, time.Second},
		"in order":      {all(in("c", time.Second), in("b", 0), in("a", 0)), []string{"a", "b"}, 0},
		"a fresh one":   {map[schema.GroupVersion]plan{{Group: "a", Version: "v1"}: {}}, []string{"a"}, 0},
	}

	for name, test := range tests {
		var due []string
		for _, groupVersion := range w.due(test.pending) {
			due = append(due, groupVersion.Group)
		}

		if diff := cmp.Diff(test.due, due); diff != "" || w.untilNext(test.pending) != test.until {
			t.Errorf("%s: until %s, want %s; due (-want +got):\n%s", name, w.untilNext(test.pending), test.until, diff)
		}
	}
}

func TestKindThatArrivesLate(t *testing.T) {
	t.Parallel()

	w := newWatched(thing())
	w.want(t, Kind{}, false)

	if !w.ask(t.Context(), groupVersion()) || !w.settled(groupVersion()) {
		t.Error("a kind that nobody has defined is waited for")
	}

	w.want(t, Kind{}, true)

	if changes := w.changes(); changes != 1 {
		t.Errorf("the first answer told %d changes", changes)
	}

	w.noteDefinition(thing().Name(), definition(1))
	w.want(t, Kind{Definition: definition(1)}, true)

	pending := map[schema.GroupVersion]plan{}
	w.takeDirty(pending)

	want := map[schema.GroupVersion]plan{groupVersion(): {}}
	if diff := cmp.Diff(want, pending, cmp.AllowUnexported(plan{})); diff != "" {
		t.Errorf("pending (-want +got):\n%s", diff)
	}

	// Discovery lags behind.
	if !w.ask(t.Context(), groupVersion()) || w.settled(groupVersion()) {
		t.Error("it has settled before it is served")
	}

	w.discovery.set("things", "things/status")

	if !w.ask(t.Context(), groupVersion()) || !w.settled(groupVersion()) {
		t.Error("it is served and has not settled")
	}

	w.want(t, Kind{Served: true, HasStatus: true, Definition: definition(1)}, true)

	if changes := w.changes(); changes != 2 {
		t.Errorf("%d changes were told, want one of the definition and one of discovery", changes)
	}

	pending = map[schema.GroupVersion]plan{}
	w.takeDirty(pending)

	if len(pending) != 0 {
		t.Errorf("taken twice: %v", pending)
	}
}

func TestRemovalIsKnownAtOnce(t *testing.T) {
	t.Parallel()

	w := newWatched(thing())
	w.discovery.set("things")
	w.noteDefinition(thing().Name(), definition(1))
	w.ask(t.Context(), groupVersion())
	w.changes()

	asked := w.discovery.questions()
	w.noteDefinition(thing().Name(), nil)

	// Discovery, which lists it for a while, is not believed, and not even asked.
	w.want(t, Kind{}, true)

	if !w.ask(t.Context(), groupVersion()) || !w.settled(groupVersion()) || w.discovery.questions() != asked {
		t.Errorf("%d questions about a kind that was removed", w.discovery.questions()-asked)
	}

	w.learn(groupVersion(), []metav1.APIResource{{Name: "things"}}) // was on its way
	w.want(t, Kind{}, true)

	if changes := w.changes(); changes != 1 {
		t.Errorf("%d changes were told", changes)
	}

	// It comes back as another one.
	again := definition(1)
	again.UID = "2"
	w.noteDefinition(thing().Name(), again)
	w.ask(t.Context(), groupVersion())
	w.want(t, Kind{Served: true, Definition: again}, true)
}

// A kind that comes and goes before anybody could ask is known not to be there.
func TestRemovalBeforeTheFirstQuestion(t *testing.T) {
	t.Parallel()

	w := newWatched(thing())
	w.noteDefinition(thing().Name(), definition(1))
	w.noteDefinition(thing().Name(), nil)
	w.changes()

	if !w.ask(t.Context(), groupVersion()) {
		t.Error("no answer")
	}

	w.want(t, Kind{}, true)

	if changes := w.changes(); changes != 1 {
		t.Errorf("%d changes were told", changes)
	}
}

// What is left of a group and version is asked for although another kind of it was removed.
func TestRemovalOfOneOfTwo(t *testing.T) {
	t.Parallel()

	w := newWatched(thing(), other())
	w.discovery.set("things", "others")

	for _, wanted := range []Wanted{thing(), other()} {
		w.noteDefinition(wanted.Name(), &Definition{Name: wanted.Name()})
	}

	w.ask(t.Context(), groupVersion())
	w.noteDefinition(other().Name(), nil)
	w.discovery.set("things", "others", "things/status")
	w.ask(t.Context(), groupVersion())
	w.want(t, Kind{Served: true, HasStatus: true, Definition: &Definition{Name: thing().Name()}}, true)

	if kind, _ := w.Kind(other()); kind != (Kind{}) {
		t.Errorf("the one that was removed: %+v", kind)
	}
}

// What was removed while nobody may watch is found missing afterwards.
func TestRemovalThatNobodySaw(t *testing.T) {
	t.Parallel()

	w := newWatched(thing(), other())
	w.discovery.set("things", "others")

	for _, wanted := range []Wanted{thing(), other()} {
		w.noteDefinition(wanted.Name(), &Definition{Name: wanted.Name()})
	}

	w.ask(t.Context(), groupVersion())

	unreachable := errors.New("unreachable")
	if err := w.noteRemoved(t.Context(), oneDefinition{err: unreachable}); !errors.Is(err, unreachable) {
		t.Errorf("error %v", err)
	}

	w.changes()

	for range 2 {
		if err := w.noteRemoved(t.Context(), oneDefinition{object: Reference(other().Name())}); err != nil {
			t.Fatal(err)
		}
	}

	w.want(t, Kind{}, true)

	if kind, _ := w.Kind(other()); !kind.Served || kind.Definition == nil || w.changes() != 1 {
		t.Errorf("the one that is left: %+v", kind)
	}
}

func TestKindWithoutADefinition(t *testing.T) {
	t.Parallel()

	w := newWatched(thing())
	w.discovery.set("things", "things/status", "others")
	w.ask(t.Context(), groupVersion())
	w.want(t, Kind{Served: true, HasStatus: true}, true)

	if !w.settled(groupVersion()) || w.isGone(groupVersion()) {
		t.Error("a kind of an aggregated API server is waited for, or taken for gone")
	}

	w.discovery.err = errors.New("the aggregated API server is away")

	if w.ask(t.Context(), groupVersion()) {
		t.Error("an error was taken for an answer")
	}

	w.want(t, Kind{Served: true, HasStatus: true}, true)

	w.discovery.err = nil
	w.discovery.set()
	w.ask(t.Context(), groupVersion())
	w.want(t, Kind{}, true)
}

func TestChangesAreToldOnce(t *testing.T) {
	t.Parallel()

	change := func(of func(*Definition)) *Definition {
		changed := definition(1)
		of(changed)

		return changed
	}

	tests := map[string]struct {
		after *Definition
		want  int
	}{
		"no change":   {definition(1), 0},
		"generation":  {definition(2), 1},
		"revision":    {change(func(d *Definition) { d.Revision = 2 }), 1},
		"uid":         {change(func(d *Definition) { d.UID = "2" }), 1},
		"terminating": {change(func(d *Definition) { d.Terminating = true }), 1},
		"removed":     {nil, 1},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			w := newWatched(thing())
			w.discovery.set("things")
			w.noteDefinition(thing().Name(), definition(1))
			w.ask(t.Context(), groupVersion())
			w.changes()

			for range 3 {
				w.noteDefinition(thing().Name(), test.after)
				w.ask(t.Context(), groupVersion())
			}

			if changes := w.changes(); changes != test.want {
				t.Errorf("%d changes were told, want %d", changes, test.want)
			}
		})
	}
}

// What is handed out is a copy.
func TestKindIsACopy(t *testing.T) {
	t.Parallel()

	w := newWatched(thing())
	w.noteDefinition(thing().Name(), definition(1))

	kind, _ := w.Kind(thing())
	kind.Definition.Terminating = true

	w.want(t, Kind{Definition: definition(1)}, false)
}

func TestHandler(t *testing.T) {
	t.Parallel()

	w := newWatched(thing())
	handler := w.handler()
	mine := metadata(thing().Name(), "4")
	want := fromMetadata(mine)

	handler.OnAdd(metadata("strangers.example.com", ""), true)
	handler.OnAdd("text", true)

	if w.changes() != 0 {
		t.Error("somebody else's definition is a change")
	}

	handler.OnAdd(mine, true)
	w.want(t, Kind{Definition: want}, false)

	mine = mine.DeepCopy()
	mine.Generation++
	want = fromMetadata(mine)
	handler.OnUpdate(nil, mine)
	w.want(t, Kind{Definition: want}, false)

	handler.OnDelete(toolscache.DeletedFinalStateUnknown{Key: mine.Name, Obj: mine})
	w.want(t, Kind{}, false)

	if changes := w.changes(); changes != 3 {
		t.Errorf("%d changes were told", changes)
	}
}

func TestProblemIsToldOnce(t *testing.T) {
	t.Parallel()

	w := newWatched()

	for _, problem := range []string{"", "it may not", "it may not", ""} {
		w.setProblem(problem)

		if w.Problem() != problem {
			t.Errorf("problem %q, want %q", w.Problem(), problem)
		}
	}

	if changes := w.changes(); changes != 2 {
		t.Errorf("%d changes were told", changes)
	}
}

// discovering runs discover until the test ends.
func (w *watched) discovering(t *testing.T) chan error {
	t.Helper()

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)

	go func() { ended <- w.discover(ctx) }()

	t.Cleanup(cancel)

	return ended
}

// waits returns when discover waits for the clock after a number of questions.
func (w *watched) waits(t *testing.T, questions int) {
	t.Helper()

	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(time.Millisecond)

	defer tick.Stop()

	for w.discovery.questions() < questions || !w.clock.HasWaiters() {
		select {
		case <-deadline:
			t.Fatalf("%d questions, want %d", w.discovery.questions(), questions)
		case <-tick.C:
		}
	}
}

// The clock drives the questions: each pause once, then none, and again after an event.
func TestDiscoverAsksAgain(t *testing.T) {
	t.Parallel()

	w := newWatched(thing())
	w.discovering(t)

	questions := 1
	for _, pause := range pauses() {
		w.waits(t, questions)
		w.clock.Step(pause)

		questions++
	}

	w.waits(t, questions)
	w.clock.Step(idle / 2) // nobody asks any more

	w.noteDefinition(thing().Name(), definition(1))

	// It is defined, but not served: it is asked for until it is.
	for range 3 * len(pauses()) {
		questions++
		w.waits(t, questions)
		w.clock.Step(pauses()[len(pauses())-1])
	}

	w.discovery.set("things")
	w.clock.Step(pauses()[len(pauses())-1])

	questions++
	w.waits(t, questions)
	w.want(t, Kind{Served: true, Definition: definition(1)}, true)
}

func TestDiscoverEndsWhenItMayNot(t *testing.T) {
	t.Parallel()

	w := newWatched(thing())
	ended := w.discovering(t)

	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: Resource}, "", errors.New("no"))
	for range 3 { // once is enough, and no more than once is kept
		w.onFailure(stores.Spec{}, forbidden)
		w.onFailure(stores.Spec{}, errors.New("unreachable"))
	}

	if err := <-ended; !apierrors.IsForbidden(err) {
		t.Errorf("it ended with %v", err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()

	if name := thing().Name(); name != "things.example.com" || !strings.HasPrefix(name, thing().Resource) {
		t.Errorf("name %q", name)
	}
}
