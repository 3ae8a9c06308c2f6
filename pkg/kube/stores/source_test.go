package stores_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
)

type requestQueue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// recorder is a handler that notes its events.
type recorder struct {
	events chan string
	// panics names the object whose events it cannot digest.
	panics string
}

func newRecorder() *recorder { return &recorder{events: make(chan string, 1000)} }

func (r *recorder) note(what string, object client.Object) {
	if object.GetName() == r.panics {
		panic("indigestible") //nolint:forbidigo // the point of the test
	}

	r.events <- what + " " + object.GetName()
}

// Create implements handler.EventHandler.
func (r *recorder) Create(_ context.Context, created event.CreateEvent, _ requestQueue) {
	what := "create"
	if created.IsInInitialList {
		what = "initial"
	}

	r.note(what, created.Object)
}

// Update implements handler.EventHandler.
func (r *recorder) Update(_ context.Context, updated event.UpdateEvent, _ requestQueue) {
	what := "update"
	if updated.ObjectOld.GetResourceVersion() == updated.ObjectNew.GetResourceVersion() {
		what = "repeat"
	}

	r.note(what, updated.ObjectNew)
}

// Delete implements handler.EventHandler.
func (r *recorder) Delete(_ context.Context, deleted event.DeleteEvent, _ requestQueue) {
	r.note("delete", deleted.Object)
}

// Generic implements handler.EventHandler.
func (r *recorder) Generic(_ context.Context, generic event.GenericEvent, _ requestQueue) {
	r.note("generic", generic.Object)
}

// want waits for these events, in this order, and no other.
func (r *recorder) want(t *testing.T, want ...string) {
	t.Helper()

	got := make([]string, 0, len(want))

	for range want {
		select {
		case told := <-r.events:
			got = append(got, told)
		case <-time.After(timeout):
			t.Fatalf("events %v, want %v", got, want)
		}
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("events (-want +got):\n%s", diff)
	}
}

// objectOf is how a source is asked for at a depth.
func objectOf(depth stores.Depth) client.Object {
	if depth == stores.MetadataOnly || depth == stores.VersionOnly {
		return metadataOf(configMapKind())
	}

	return &corev1.ConfigMap{}
}

// start starts a source that stops when the test ends, if not before.
func start(t *testing.T, source *stores.Source, queue requestQueue) {
	t.Helper()

	if err := source.Start(t.Context(), queue); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := source.Stop(); err != nil {
			t.Error(err)
		}
	})

	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()

	if err := source.WaitForSync(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestSourceTellsOfEveryChange(t *testing.T) {
	for _, depth := range depths() {
		t.Run(string(depth), func(t *testing.T) {
			w := newWorld(t)
			object := w.configMap(t, "old", nil)
			view := w.filled(t, stores.User{Name: "user"}, w.configMaps(depth))

			told := newRecorder()
			source := view.Source(objectOf(depth), told)
			start(t, source, nil)

			if name := source.String(); name != "/v1, Kind=ConfigMap" {
				t.Errorf("name %q", name)
			}

			told.want(t, "initial old")
			w.configMap(t, "new", nil)
			told.want(t, "create new")

			object.Labels = map[string]string{"changed": "true"}
			if err := w.admin.Update(t.Context(), object); err != nil {
				t.Fatal(err)
			}

			told.want(t, "update old")

			if err := w.admin.Delete(t.Context(), object); err != nil {
				t.Fatal(err)
			}

			told.want(t, "delete old")
		})
	}
}

// A store that is not filled yet tells of its first list as initial, too.
func TestSourceThatIsThereFirst(t *testing.T) {
	for _, depth := range depths() {
		t.Run(string(depth), func(t *testing.T) {
			w := newWorld(t)
			w.configMap(t, "old", nil)

			told := newRecorder()
			start(t, w.open(t, stores.User{Name: "user"}, w.configMaps(depth)).Source(objectOf(depth), told), nil)
			told.want(t, "initial old")
		})
	}
}

func TestInitialObjectsHaveLowPriority(t *testing.T) {
	for _, depth := range depths() {
		t.Run(string(depth), func(t *testing.T) {
			w := newWorld(t)
			w.configMap(t, "old", nil)

			queue := priorityqueue.New[reconcile.Request]("queue")
			t.Cleanup(queue.ShutDown)

			view := w.open(t, stores.User{Name: "user"}, w.configMaps(depth))
			start(t, view.Source(objectOf(depth), &handler.EnqueueRequestForObject{}), queue)

			for _, want := range []struct {
				name     string
				priority int
			}{{"old", handler.LowPriority}, {"new", 0}} {
				if want.name == "new" {
					w.configMap(t, "new", nil)
				}

				request, priority, _ := queue.GetWithPriority()
				if request.NamespacedName != w.key(want.name) || priority != want.priority {
					t.Errorf("%s with priority %d, want %s with %d", request, priority, want.name, want.priority)
				}

				queue.Done(request)
			}
		})
	}
}

func TestSourceHonoursPredicates(t *testing.T) {
	for _, depth := range depths() {
		t.Run(string(depth), func(t *testing.T) {
			w := newWorld(t)
			unwanted := w.configMap(t, "unwanted", nil)
			wanted := w.configMap(t, "wanted", nil)

			told := newRecorder()
			view := w.filled(t, stores.User{Name: "user"}, w.configMaps(depth))
			byName := predicate.NewPredicateFuncs(func(object client.Object) bool {
				return object.GetName() == "wanted"
			})
			anything := predicate.Funcs{}
			start(t, view.Source(objectOf(depth), told, anything, byName), nil)

			for _, object := range []*corev1.ConfigMap{unwanted, wanted} {
				object.Labels = map[string]string{"changed": "true"}
				if err := w.admin.Update(t.Context(), object); err != nil {
					t.Fatal(err)
				}

				if err := w.admin.Delete(t.Context(), object); err != nil {
					t.Fatal(err)
				}
			}

			told.want(t, "initial wanted", "update wanted", "delete wanted")
		})
	}
}

func TestHandlerThatPanics(t *testing.T) {
	for _, depth := range depths() {
		t.Run(string(depth), func(t *testing.T) {
			w := newWorld(t)
			panics := make(chan string, 100)
			view := w.filled(t, stores.User{Name: "user", OnPanic: func(where string, cause any) {
				panics <- fmt.Sprint(where, ": ", cause)
			}}, w.configMaps(depth))

			told := newRecorder()
			told.panics = "bad"
			start(t, view.Source(objectOf(depth), told), nil)

			w.configMap(t, "bad", nil)
			w.configMap(t, "good", nil)
			told.want(t, "create good")

			if said := <-panics; said != "event handler: indigestible" {
				t.Errorf("a panic in %q", said)
			}
		})
	}
}

func TestNothingIsToldAfterStop(t *testing.T) {
	for _, depth := range depths() {
		t.Run(string(depth), func(t *testing.T) {
			w := newWorld(t)
			view := w.filled(t, stores.User{Name: "user"}, w.configMaps(depth))

			stopped, going := newRecorder(), newRecorder()
			source := view.Source(objectOf(depth), stopped)
			start(t, source, nil)
			start(t, view.Source(objectOf(depth), going), nil)

			w.configMap(t, "before", nil)
			stopped.want(t, "create before")

			for range 2 {
				if err := source.Stop(); err != nil {
					t.Fatal(err)
				}
			}

			// What the other one is told has passed the first.
			w.configMap(t, "after", nil)
			w.configMap(t, "later", nil)
			going.want(t, "create before", "create after", "create later")

			select {
			case told := <-stopped.events:
				t.Errorf("told of %q", told)
			default:
			}
		})
	}
}

func TestSourceThatNeverStarted(t *testing.T) {
	w := newWorld(t)
	view := w.filled(t, stores.User{Name: "user"}, w.configMaps(stores.Full))

	if err := view.Source(&corev1.ConfigMap{}, newRecorder()).Stop(); err != nil {
		t.Error(err)
	}

	source := view.Source(&corev1.Secret{}, newRecorder())
	if err := source.Start(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "user does not keep") {
		t.Errorf("Start = %v", err)
	}

	if err := source.Stop(); err != nil {
		t.Error(err)
	}
}

func TestSourceWaitsForItsOwnStoreAlone(t *testing.T) {
	config := reader(t)

	for _, depth := range depths() {
		t.Run(string(depth), func(t *testing.T) {
			w := newWorldOf(t, config)
			w.configMap(t, "one", nil)

			view := w.open(t, stores.User{Name: "user"}, w.secrets(stores.Full), w.configMaps(depth))

			told := newRecorder()
			start(t, view.Source(objectOf(depth), told), nil)
			told.want(t, "initial one")

			never := view.Source(&corev1.Secret{}, told)
			if err := never.Start(t.Context(), nil); err != nil {
				t.Fatal(err)
			}

			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()

			if err := never.WaitForSync(ctx); err == nil || !strings.Contains(err.Error(), "Kind=Secret") {
				t.Errorf("a store that cannot be filled: %v", err)
			}

			synced := map[string]bool{}
			for _, report := range w.Report() {
				synced[report.Resource] = report.Synced
			}

			if diff := cmp.Diff(map[string]bool{"configmaps": true, "secrets": false}, synced); diff != "" {
				t.Errorf("synced (-want +got):\n%s", diff)
			}
		})
	}
}

// A deletion that the watch has missed is told with the last known state.
func TestSourceAfterAnInterruption(t *testing.T) {
	for _, depth := range depths() {
		t.Run(string(depth), func(t *testing.T) {
			w := newWorld(t)
			gone := w.configMap(t, "gone", nil)
			w.configMap(t, "stays", nil)

			view := w.filled(t, stores.User{Name: "user"}, w.configMaps(depth))
			told := newRecorder()
			start(t, view.Source(objectOf(depth), told), nil)

			initial := []string{<-told.events, <-told.events}
			slices.Sort(initial)

			if diff := cmp.Diff([]string{"initial gone", "initial stays"}, initial); diff != "" {
				t.Fatalf("initial (-want +got):\n%s", diff)
			}

			w.requests.interrupt(t, func() {
				if err := w.admin.Delete(t.Context(), gone); err != nil {
					t.Fatal(err)
				}

				w.configMap(t, "new", nil)
			})

			// An informer repeats what has not changed; versions are compared.
			want := map[string]bool{"create new": true, "delete gone": true, "repeat stays": true}
			if depth == stores.VersionOnly {
				delete(want, "repeat stays")
			}

			got := map[string]bool{}
			for range want {
				got[<-told.events] = true
			}

			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}
