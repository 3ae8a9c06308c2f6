package harness_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
)

// subject returns a Subject around a reconciler of widgets.
func subject(tb testing.TB, spoil func(*honest)) harness.Subject {
	tb.Helper()

	return harness.Subject{
		Name:    "widget",
		Scheme:  widgetScheme(tb),
		Primary: &widget{},
		Kinds: []client.ObjectList{
			&widgetList{}, &corev1.ConfigMapList{}, &corev1.SecretList{}, &rbacv1.ClusterRoleList{},
		},
		StatusKinds: []client.Object{&widget{}},
		New: func(environment harness.Environment) reconcile.Reconciler {
			r := newHonest(environment)
			spoil(r)

			return r
		},
		Worlds:    worlds(),
		Drifts:    drifts(),
		MaxReads:  5,
		MaxWrites: 4,
		Seeds:     8,
	}
}

func worlds() []harness.World {
	stalled := object("stalled")
	stalled.Spec.Size = -1

	paused := object("paused")
	paused.Annotations = map[string]string{kube.PausedAnnotation: "true"}

	restored := object("restored")
	restored.Finalizers = []string{finalizer}
	restored.Status.Conditions = []metav1.Condition{
		{Type: "Theirs", Status: metav1.ConditionTrue, Reason: "Theirs"},
		{Type: kube.ConditionReady, Status: metav1.ConditionTrue, Reason: "Old", ObservedGeneration: 7},
	}

	held := object("held")
	held.Finalizers = []string{finalizer, "somebody/else"}
	held.DeletionTimestamp = &metav1.Time{Time: metav1.Now().Time}

	lonely := object("lonely")
	lonely.Spec.Source = "nowhere"

	return []harness.World{
		{Name: "two of a kind", Objects: []client.Object{sourceMap(), object("a"), object("b")}},
		{Name: "nothing works", Objects: []client.Object{stalled, paused, lonely}},
		{Name: "restored and held", Objects: []client.Object{held, restored, sourceMap()}},
	}
}

func drifts() []harness.Drift {
	return []harness.Drift{{
		Name:  "rules",
		World: "two of a kind",
		Make: func(ctx context.Context, c client.Client) error {
			role := &rbacv1.ClusterRole{}
			if err := c.Get(ctx, client.ObjectKey{Name: "widget:default:a"}, role); err != nil {
				return err
			}

			role.Rules[0].Verbs = []string{"*"}

			return c.Update(ctx, role)
		},
	}}
}

func TestHonest(t *testing.T) {
	t.Parallel()

	harness.Run(t, subject(t, func(*honest) {}))
}

// saboteurs break one promise each.
func saboteurs() map[string]struct {
	broken string
	spoil  func(*honest)
} {
	return map[string]struct {
		broken string
		spoil  func(*honest)
	}{
		"writes what is there": {"SecondRunWritesNothing", func(r *honest) {
			r.after = func(ctx context.Context, w *widget) error {
				patch := client.RawPatch(types.MergePatchType, []byte("{}"))

				return r.Client.Patch(ctx, w.copy(), patch)
			}
		}},
		"looks at the data only": {"DriftIsRepaired", func(r *honest) {
			r.shown = func(child client.Object) bool {
				secret, isSecret := child.(*corev1.Secret)

				return isSecret && len(secret.Data) > 0
			}
		}},
		"never asks again": {"AnyOrderEndsTheSame", func(r *honest) {
			answers := map[types.NamespacedName]bool{}
			r.found = func(w *widget, found bool) bool {
				key := client.ObjectKeyFromObject(w)
				if _, known := answers[key]; !known {
					answers[key] = found
				}

				return found && answers[key]
			}
		}},
		"counts on a second write": {"SurvivesBeingKilled", func(r *honest) {
			r.finalized = func(ctx context.Context, w *widget) error {
				patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"initialized":"yes"}}}`))

				return r.Client.Patch(ctx, w, patch)
			}
		}},
		"panics": {"CopesWithAnything", func(r *honest) {
			r.before = func(_ context.Context, w *widget) error {
				_ = w.Spec.Verbs[0]

				return nil
			}
		}},
		"tells every run": {"NoEventWithoutAChange", func(r *honest) {
			r.after = func(_ context.Context, w *widget) error {
				r.Recorder.Eventf(w, nil, corev1.EventTypeNormal, "Reconciled", "Reconcile", "again")

				return nil
			}
		}},
		"reads in a loop": {"BoundedCalls", func(r *honest) {
			r.before = func(ctx context.Context, w *widget) error {
				for range 10 {
					if err := r.Client.Get(ctx, client.ObjectKeyFromObject(w), &widget{}); err != nil {
						return err
					}
				}

				return nil
			}
		}},
		"forgets the generation": {"ConditionsTellOneStory", func(r *honest) {
			r.observed = func(*widget) int64 { return 0 }
		}},
		"keeps its finalizer": {"DeletionFinishes", func(r *honest) { r.keepFinalizer = true }},
		"leaves its role":     {"DeletionFinishes", func(r *honest) { r.keepRole = true }},
	}
}

func TestSaboteurs(t *testing.T) {
	t.Parallel()

	for name, tc := range saboteurs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var broken []string

			s := subject(t, tc.spoil)
			s.Seeds = 3

			for _, promise := range harness.Promises() {
				if err := promise.Check(t.Context(), harness.Fake(), s); err != nil {
					broken = append(broken, promise.Name)
					t.Logf("%s: %v", promise.Name, err)
				}
			}

			if diff := cmp.Diff([]string{tc.broken}, broken); diff != "" {
				t.Errorf("broken promises (-want +got):\n%s", diff)
			}
		})
	}
}

// TestEveryPromiseIsBroken holds the table of saboteurs complete.
func TestEveryPromiseIsBroken(t *testing.T) {
	t.Parallel()

	for _, promise := range harness.Promises() {
		broken := false
		for _, saboteur := range saboteurs() {
			broken = broken || saboteur.broken == promise.Name
		}

		if !broken {
			t.Errorf("nobody breaks %s", promise.Name)
		}
	}
}

func TestIncompleteSubjects(t *testing.T) {
	t.Parallel()

	cases := map[string]func(*harness.Subject){
		"scheme":  func(s *harness.Subject) { s.Scheme = nil },
		"primary": func(s *harness.Subject) { s.Primary = nil },
		"kinds":   func(s *harness.Subject) { s.Kinds = nil },
		"new":     func(s *harness.Subject) { s.New = nil },
		"worlds":  func(s *harness.Subject) { s.Worlds = nil },
		"bounds":  func(s *harness.Subject) { s.MaxReads = 0 },
	}

	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := subject(t, func(*honest) {})
			spoil(&s)

			for _, promise := range harness.Promises() {
				if promise.Check(t.Context(), harness.Fake(), s) == nil {
					t.Errorf("%s holds for nothing at all", promise.Name)
				}
			}
		})
	}
}

// TestLive runs the promises one after another on a single server that has other
// objects too, as on a live one.
func TestLive(t *testing.T) {
	t.Parallel()

	s := subject(t, func(*honest) {})
	s.Seeds = 2

	server, err := harness.Fake().Open(t.Context(), s)
	if err != nil {
		t.Fatalf("starting a server: %v", err)
	}

	theirs := sourceMap()
	theirs.Name = "theirs"
	theirs.Finalizers = []string{"somebody/else"}

	if err := server.Create(t.Context(), theirs); err != nil {
		t.Fatalf("creating somebody else's: %v", err)
	}

	harness.RunOn(t, harness.Live(server), s)

	if diff := cmp.Diff([]string{"theirs"}, left(t, server, s)); diff != "" {
		t.Errorf("left on the server (-want +got):\n%s", diff)
	}
}

// left returns the names of all objects there are.
func left(t *testing.T, c client.Client, s harness.Subject) []string {
	t.Helper()

	var names []string

	for _, kind := range s.Kinds {
		list := &metav1.PartialObjectMetadataList{}

		gvk, err := c.GroupVersionKindFor(kind)
		if err != nil {
			t.Fatalf("finding the kind: %v", err)
		}

		list.SetGroupVersionKind(gvk)

		if err := c.List(t.Context(), list); err != nil {
			t.Fatalf("listing: %v", err)
		}

		for _, item := range list.Items {
			names = append(names, item.Name)
		}
	}

	slices.Sort(names)

	return names
}

func BenchmarkHonest(b *testing.B) {
	for b.Loop() {
		for _, promise := range harness.Promises() {
			if err := promise.Check(b.Context(), harness.Fake(), subject(b, func(*honest) {})); err != nil {
				b.Fatal(fmt.Errorf("%s: %w", promise.Name, err))
			}
		}
	}
}
