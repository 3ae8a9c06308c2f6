package stores_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
)

func depths() []stores.Depth {
	return []stores.Depth{stores.Full, stores.Slim, stores.MetadataOnly, stores.VersionOnly}
}

// read returns nil when a view knows of an object, however much of it.
func (w *world) read(ctx context.Context, view *stores.View, depth stores.Depth, name string) error {
	switch depth {
	case stores.MetadataOnly:
		return view.Get(ctx, w.key(name), metadataOf(configMapKind()))
	case stores.VersionOnly:
		versions, err := view.Versions(configMapKind())
		if err != nil {
			return err
		}

		if version, exists := versions.Version(w.key(name)); !exists || version == "" {
			return fmt.Errorf("%s has no version", name)
		}

		return nil
	default:
		return view.Get(ctx, w.key(name), &corev1.ConfigMap{})
	}
}

func TestUsersShareAStoreAndTheLastOneEndsIt(t *testing.T) {
	for _, depth := range depths() {
		t.Run(string(depth), func(t *testing.T) {
			w := newWorld(t)
			w.configMap(t, "one", nil)

			first := w.filled(t, stores.User{Name: "first"}, w.configMaps(depth))
			asked := w.requests.seen()
			second := w.filled(t, stores.User{Name: "second"}, w.configMaps(depth))

			if diff := cmp.Diff(asked, w.requests.seen()); diff != "" {
				t.Errorf("the second user made requests (-before +after):\n%s", diff)
			}

			report := w.Report()
			want := []stores.Report{{
				Resource: "configmaps", Version: "v1", Depth: depth, Trim: w.configMaps(depth).Trim.Name,
				Namespace: w.namespace, Objects: 1, Synced: true, Users: []string{"first", "second"},
			}}

			if diff := cmp.Diff(want, report); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}

			first.Release()
			first.Release() // once too often does no harm

			// The store lives on for the other.
			w.configMap(t, "two", nil)
			eventually(t, "the other user sees a new object", func() error {
				return w.read(t.Context(), second, depth, "two")
			})

			var notKept *stores.NotKeptError
			if err := w.read(t.Context(), first, depth, "two"); !errors.As(err, &notKept) {
				t.Errorf("a read after the release: %v", err)
			}

			if users := w.Report()[0].Users; !slices.Equal(users, []string{"second"}) {
				t.Errorf("users: %v", users)
			}

			// The last one out.
			if len(goroutines()) == 0 || w.requests.openOnes() == 0 {
				t.Error("this test cannot see what it looks for")
			}

			second.Release()

			if report := w.Report(); len(report) != 0 {
				t.Errorf("stores without users: %+v", report)
			}

			eventually(t, "the watch ends", func() error {
				if open := w.requests.openOnes(); open > 0 {
					return fmt.Errorf("%d requests are open", open)
				}

				return none(goroutines())
			})

			if diff := cmp.Diff(asked, w.requests.seen()); diff != "" {
				t.Errorf("requests after the first (-want +got):\n%s", diff)
			}
		})
	}
}

// A watch of metadata that ends while its store does used to leave a goroutine behind.
func TestStoresThatComeAndGoLeaveNothingBehind(t *testing.T) {
	w := newWorld(t)
	before := runtime.NumGoroutine()

	for i := range 20 {
		views := make([]*stores.View, 0, len(depths()))
		for _, depth := range depths() {
			views = append(views, w.filled(t, stores.User{Name: "user"}, w.configMaps(depth)))
		}

		w.configMap(t, fmt.Sprintf("news-%d", i), nil) // on its way while the stores end

		for _, view := range views {
			view.Release()
		}
	}

	eventually(t, "the goroutines end", func() error {
		if err := none(goroutines()); err != nil {
			return err
		}

		w.http.CloseIdleConnections()

		const slack = 5 // of the client that makes the objects

		if left := runtime.NumGoroutine(); left > before+slack {
			return fmt.Errorf("%d goroutines, %d before", left, before)
		}

		return nil
	})
}

func TestOtherSpecsAreOtherStores(t *testing.T) {
	w := newWorld(t)
	w.configMap(t, "plain", nil)
	w.configMap(t, "labelled", map[string]string{"test": w.namespace})

	labelled := labels.SelectorFromSet(labels.Set{"test": w.namespace})
	other := stores.Trim{Name: "nothing", Do: func(client.Object) {}}

	base := w.configMaps(stores.Full)
	byLabels, byName, everywhere := base, base, base
	byLabels.Labels, byLabels.Namespace = labelled, ""
	byName.Name = "plain"
	everywhere.Namespace = ""
	slim, trimmed := w.configMaps(stores.Slim), w.configMaps(stores.Slim)
	trimmed.Trim = other
	metadata, trimmedMetadata := w.configMaps(stores.MetadataOnly), w.configMaps(stores.MetadataOnly)
	trimmedMetadata.Trim = other
	versions, versionsByName := w.configMaps(stores.VersionOnly), w.configMaps(stores.VersionOnly)
	versionsByLabels := versions
	versionsByLabels.Labels, versionsByLabels.Namespace = labelled, ""
	versionsByName.Name = "labelled"

	const whatever = -1

	tests := []struct {
		name    string
		spec    stores.Spec
		objects int
	}{
		{"base", base, 2},
		{"labels", byLabels, 1},
		{"name", byName, 1},
		{"all namespaces", everywhere, whatever},
		{"slim", slim, 2},
		{"another trim", trimmed, 2},
		{"metadata", metadata, 2},
		{"trimmed metadata", trimmedMetadata, 2},
		{"versions", versions, 2},
		{"versions by labels", versionsByLabels, 1},
		{"versions by name", versionsByName, 1},
	}

	for _, test := range tests {
		w.filled(t, stores.User{Name: test.name}, test.spec)
		w.filled(t, stores.User{Name: test.name}, test.spec)
	}

	report := w.Report()
	if len(report) != len(tests) {
		t.Errorf("%d stores, want %d", len(report), len(tests))
	}

	for _, test := range tests {
		i := slices.IndexFunc(report, func(r stores.Report) bool { return r.Users[0] == test.name })
		if i < 0 {
			t.Errorf("%s has no store", test.name)

			continue
		}

		if test.objects != whatever && report[i].Objects != test.objects {
			t.Errorf("%s: %d objects, want %d", test.name, report[i].Objects, test.objects)
		}

		if want := []string{test.name, test.name}; !slices.Equal(report[i].Users, want) {
			t.Errorf("%s: users %v", test.name, report[i].Users)
		}
	}
}

func TestDepthsKeepWhatTheySay(t *testing.T) {
	w := newWorld(t)
	made := w.configMap(t, "one", map[string]string{"a": "b"})
	made.Data = map[string]string{"k": "v"}

	if err := w.admin.Update(t.Context(), made, client.FieldOwner("somebody")); err != nil {
		t.Fatal(err)
	}

	slim := w.configMaps(stores.Slim)
	metadata := w.configMaps(stores.MetadataOnly)
	metadata.Trim = stores.Trim{Name: "labels", Do: func(object client.Object) { object.SetLabels(nil) }}

	full := w.filled(t, stores.User{Name: "full"}, w.configMaps(stores.Full), metadata)
	trimmed := w.filled(t, stores.User{Name: "slim"}, slim)

	var kept, keptSlim corev1.ConfigMap

	keptMetadata := metadataOf(configMapKind())

	if err := errors.Join(
		full.Get(t.Context(), w.key("one"), &kept),
		full.Get(t.Context(), w.key("one"), keptMetadata),
		trimmed.Get(t.Context(), w.key("one"), &keptSlim),
	); err != nil {
		t.Fatal(err)
	}

	if kept.Data["k"] != "v" || len(kept.Labels) != 1 || kept.ManagedFields != nil {
		t.Errorf("full: %+v", kept)
	}

	if keptSlim.Data != nil || len(keptSlim.Labels) != 1 || keptSlim.ManagedFields != nil {
		t.Errorf("slim: %+v", keptSlim)
	}

	if keptMetadata.Labels != nil || keptMetadata.UID != made.UID || keptMetadata.ManagedFields != nil {
		t.Errorf("metadata: %+v", keptMetadata)
	}
}

// An object that a Trim cannot handle is kept whole, and all users hear of it.
func TestTrimThatPanics(t *testing.T) {
	w := newWorld(t)
	w.configMap(t, "one", nil)

	spec := w.configMaps(stores.Slim)
	spec.Trim = stores.Trim{Name: "broken", Do: func(client.Object) {
		panic("broken") //nolint:forbidigo // the point of the test
	}}

	panics := make(chan string, 100)
	view := w.filled(t, stores.User{Name: "user", OnPanic: func(where string, _ any) { panics <- where }}, spec)

	if where := <-panics; where != "trim broken" {
		t.Errorf("a panic in %q", where)
	}

	if err := view.Get(t.Context(), w.key("one"), &corev1.ConfigMap{}); err != nil {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	w := newWorld(t)
	unknown := stores.Spec{
		Kind:     schema.GroupVersionKind{Group: "nowhere.example.com", Version: "v1", Kind: "Nothing"},
		Resource: "nothings", Depth: stores.MetadataOnly,
	}
	inScheme := unknown
	inScheme.Depth = stores.Full
	elsewhere := w.configMaps(stores.MetadataOnly)
	elsewhere.Namespace = metav1.NamespaceDefault

	tests := map[string]struct {
		specs []stores.Spec
		want  string
	}{
		"an invalid spec": {[]stores.Spec{w.configMaps(stores.Full), {}}, "names no kind"},
		"objects twice":   {[]stores.Spec{w.configMaps(stores.Full), w.configMaps(stores.Slim)}, "twice"},
		"metadata twice":  {[]stores.Spec{w.configMaps(stores.MetadataOnly), w.configMaps(stores.VersionOnly)}, "twice"},
		"two namespaces":  {[]stores.Spec{w.configMaps(stores.MetadataOnly), elsewhere}, "twice"},
		"an unknown kind": {[]stores.Spec{w.configMaps(stores.Full), unknown}, "nowhere.example.com"},
		"an unknown type": {[]stores.Spec{w.configMaps(stores.Full), inScheme}, "no kind \"Nothing\" is registered"},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := w.Open(t.Context(), stores.User{Name: "user"}, test.specs...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v does not say %q", err, test.want)
			}

			if report := w.Report(); len(report) != 0 {
				t.Errorf("stores of a view that was refused: %+v", report)
			}
		})
	}

	t.Run("after the end", func(t *testing.T) {
		view := w.filled(t, stores.User{Name: "user"}, w.configMaps(stores.Full))

		if err := w.Close(t.Context()); err != nil {
			t.Fatal(err)
		}

		if _, err := w.Open(t.Context(), stores.User{Name: "late"}, w.configMaps(stores.Full)); err == nil {
			t.Error("a store was opened")
		}

		view.Release()
	})
}

func TestCloseWaitsNoLongerThanItMay(t *testing.T) {
	w := newWorld(t)

	hold, entered, once := make(chan struct{}), make(chan struct{}), sync.Once{}
	spec := w.configMaps(stores.Slim)
	spec.Trim = stores.Trim{Name: "slow", Do: func(client.Object) {
		once.Do(func() { close(entered) })
		<-hold
	}}

	w.configMap(t, "one", nil)
	w.open(t, stores.User{Name: "user"}, spec)
	<-entered

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	if err := w.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close = %v", err)
	}

	close(hold)
}

func TestReadsOutsideOfTheView(t *testing.T) {
	w := newWorld(t)
	full := w.filled(t, stores.User{Name: "full"}, w.configMaps(stores.Full))
	versions := w.filled(t, stores.User{Name: "versions"}, w.configMaps(stores.VersionOnly))
	metadata := w.filled(t, stores.User{Name: "metadata"}, w.configMaps(stores.MetadataOnly))
	released := w.filled(t, stores.User{Name: "released"}, w.configMaps(stores.Full), w.configMaps(stores.VersionOnly))
	released.Release()

	key := w.key("one")
	listOf := &metav1.PartialObjectMetadataList{}
	listOf.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMapList"))

	of := func(object client.Object) []string { return []string{object.GetName()} }
	handle := func(view *stores.View, object client.Object) error {
		_, err := view.Handle(object, toolscache.ResourceEventHandlerFuncs{})

		return err
	}
	versionsOf := func(view *stores.View, kind schema.GroupVersionKind) error {
		_, err := view.Versions(kind)

		return err
	}

	asked, report := w.requests.seen(), w.Report()

	tests := map[string]func(context.Context) error{
		"get another kind":      func(ctx context.Context) error { return full.Get(ctx, key, &corev1.Secret{}) },
		"list another kind":     func(ctx context.Context) error { return full.List(ctx, &corev1.SecretList{}) },
		"index another kind":    func(ctx context.Context) error { return full.Index(ctx, &corev1.Secret{}, "f", of) },
		"watch another kind":    func(context.Context) error { return handle(full, &corev1.Secret{}) },
		"versions of another":   func(context.Context) error { return versionsOf(versions, secretKind()) },
		"versions of objects":   func(context.Context) error { return versionsOf(full, configMapKind()) },
		"metadata of objects":   func(ctx context.Context) error { return full.Get(ctx, key, metadataOf(configMapKind())) },
		"list their metadata":   func(ctx context.Context) error { return full.List(ctx, listOf) },
		"objects of metadata":   func(ctx context.Context) error { return metadata.Get(ctx, key, &corev1.ConfigMap{}) },
		"metadata of versions":  func(ctx context.Context) error { return versions.Get(ctx, key, metadataOf(configMapKind())) },
		"list of versions":      func(ctx context.Context) error { return versions.List(ctx, listOf) },
		"index of versions":     func(ctx context.Context) error { return versions.Index(ctx, metadataOf(configMapKind()), "f", of) },
		"get after release":     func(ctx context.Context) error { return released.Get(ctx, key, &corev1.ConfigMap{}) },
		"list after release":    func(ctx context.Context) error { return released.List(ctx, &corev1.ConfigMapList{}) },
		"index after release":   func(ctx context.Context) error { return released.Index(ctx, &corev1.ConfigMap{}, "f", of) },
		"watch after release":   func(context.Context) error { return handle(released, &corev1.ConfigMap{}) },
		"version after release": func(context.Context) error { return versionsOf(released, configMapKind()) },
		"source after release":  func(ctx context.Context) error { return released.Source(&corev1.ConfigMap{}, nil).Start(ctx, nil) },
		"source of versions after release": func(ctx context.Context) error {
			return released.Source(metadataOf(configMapKind()), nil).Start(ctx, nil)
		},
	}

	for name, read := range tests {
		t.Run(name, func(t *testing.T) {
			var notKept *stores.NotKeptError
			if err := read(t.Context()); !errors.As(err, &notKept) {
				t.Fatalf("error %v, want a NotKeptError", err)
			}

			says := " does not keep"
			if notKept.Released {
				says = " has been stopped and reads nothing any more"
			}

			if !strings.Contains(notKept.Error(), notKept.User+says) ||
				!strings.Contains(notKept.Error(), notKept.Kind.Kind) {
				t.Errorf("message %q", notKept)
			}
		})
	}

	if err := versionsOf(metadata, configMapKind()); err == nil || !strings.Contains(err.Error(), "by version") {
		t.Errorf("versions of what is kept as metadata: %v", err)
	}

	if diff := cmp.Diff(asked, w.requests.seen()); diff != "" {
		t.Errorf("a read made requests (-before +after):\n%s", diff)
	}

	if diff := cmp.Diff(report, w.Report()); diff != "" {
		t.Errorf("a read made a store (-before +after):\n%s", diff)
	}
}

// A server that cannot stream the initial list is asked for a plain one.
func TestServerThatCannotStream(t *testing.T) {
	for _, depth := range depths() {
		t.Run(string(depth), func(t *testing.T) {
			w := newWorld(t)
			w.configMap(t, "one", nil)

			w.requests.answerWith(func(request *http.Request) *http.Response {
				if request.URL.Query().Get("sendInitialEvents") == "" {
					return nil
				}

				return refusal(metav1.StatusReasonInvalid, http.StatusUnprocessableEntity)
			})

			view := w.filled(t, stores.User{Name: "user"}, w.configMaps(depth))

			if err := w.read(t.Context(), view, depth, "one"); err != nil {
				t.Error(err)
			}

			isList := func(seen string) bool { return strings.HasPrefix(seen, "list ") }
			if !slices.ContainsFunc(w.requests.seen(), isList) {
				t.Errorf("no list: %v", w.requests.seen())
			}

			w.configMap(t, "two", nil)
			eventually(t, "a new object is seen", func() error { return w.read(t.Context(), view, depth, "two") })
		})
	}
}

func TestForbidden(t *testing.T) {
	config := reader(t)

	for _, depth := range []stores.Depth{stores.Full, stores.MetadataOnly, stores.VersionOnly} {
		t.Run(string(depth), func(t *testing.T) {
			w := newWorldOf(t, config)
			failures := make(chan error, 100)

			view := w.open(t, stores.User{Name: "user", OnFailure: func(spec stores.Spec, err error) {
				if spec.Resource != "secrets" {
					err = fmt.Errorf("%s: %w", spec.Resource, err)
				}

				failures <- err
			}}, w.configMaps(stores.Full), w.secrets(depth))

			if err := <-failures; !apierrors.IsForbidden(err) || strings.Contains(err.Error(), "configmaps") {
				t.Errorf("failure: %v", err)
			}

			eventually(t, "the other store fills", func() error {
				awaited := view.Awaited()
				if len(awaited) != 1 || !strings.HasPrefix(awaited[0], "secrets (") ||
					!strings.Contains(awaited[0], "forbidden") {
					return fmt.Errorf("awaited: %v", awaited)
				}

				return nil
			})

			ctx, cancel := context.WithCancel(t.Context())
			cancel()

			if err := view.WaitForSync(ctx); err == nil || !strings.Contains(err.Error(), "secrets") {
				t.Errorf("WaitForSync = %v", err)
			}
		})
	}
}
