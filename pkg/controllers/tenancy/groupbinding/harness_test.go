package groupbinding

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/user/traces"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

func TestGroupBindingKeepsThePromises(t *testing.T) {
	harness.Run(t, subject(t))
}

func subject(t *testing.T) harness.Subject {
	t.Helper()

	scheme := runtime.NewScheme()
	if err := iamv1beta1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}

	var made []harness.Index
	for _, index := range indexes() {
		made = append(made, harness.Index{Object: index.Object, Field: index.Field, Extract: index.Value})
	}

	return harness.Subject{
		Name:    Name,
		Scheme:  scheme,
		Primary: &iamv1beta1.GroupBinding{},
		Kinds: []client.ObjectList{
			&iamv1beta1.GroupBindingList{}, &iamv1beta1.GroupList{}, &iamv1beta1.UserList{},
		},
		StatusKinds: []client.Object{&iamv1beta1.GroupBinding{}, &iamv1beta1.Group{}},
		Indexes:     made,
		New: func(environment harness.Environment) reconcile.Reconciler {
			built, err := New(manager.Dependencies{
				Client: environment.Client, Live: harness.Established(environment.Client),
				Recorder: environment.Recorder, Clock: environment.PassiveClock(),
			})
			if err != nil {
				t.Fatal(err)
			}

			return waking{built.Reconciler.(*Reconciler)}
		},
		Worlds: worlds(),
		Drifts: []harness.Drift{
			{Name: "a group is taken off", World: "plain", Make: patchUser(`{"spec":{"groups":["by-hand"]}}`)},
			{Name: "the record goes", World: "plain", Make: patchUser(`{"metadata":{"annotations":{"iam.kubesphere.io/bound-groups":null}}}`)},
		},
		Seeds:    6,
		MaxReads: 100, MaxWrites: 12,
	}
}

// waking runs a user too when its binding is looked at and gone, as the watches have it.
type waking struct{ *Reconciler }

func (w waking) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	err := w.client.Get(ctx, request.NamespacedName, &iamv1beta1.GroupBinding{})
	if err == nil {
		return w.Reconciler.Reconcile(ctx, request)
	}

	for _, name := range []string{"alice", "bob"} {
		if result, err := w.Reconciler.Reconcile(ctx, memberRequest(name)); err != nil {
			return result, err
		}
	}

	return reconcile.Result{}, nil
}

func patchUser(content string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		return c.Patch(ctx, user("alice"), client.RawPatch("application/merge-patch+json", []byte(content)))
	}
}

func user(name string, groups ...string) *iamv1beta1.User {
	made := &iamv1beta1.User{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{"note": "kept"}}}
	made.Spec.Groups = groups

	return made
}

func group(name string) *iamv1beta1.Group {
	return &iamv1beta1.Group{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func binding(name, group string, users ...string) *iamv1beta1.GroupBinding {
	return &iamv1beta1.GroupBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Users: users,
		GroupRef: iamv1beta1.GroupRef{Kind: "Group", Name: group},
	}
}

func worlds() []harness.World {
	paused := binding("paused", "devs", "alice")
	paused.Annotations = map[string]string{kube.PausedAnnotation: "true"}

	held := user("held")
	held.Annotations[kube.PausedAnnotation] = "true"

	legacy := binding("legacy", "devs", "alice")
	legacy.Finalizers = []string{iamv1beta1.LegacyGroupBindingFinalizer}

	going := group("going")
	going.Finalizers = []string{iamv1beta1.LegacyGroupFinalizer}
	going.DeletionTimestamp = &metav1.Time{Time: time.Unix(0, 0)}

	return []harness.World{
		{Name: "plain", Objects: []client.Object{group("devs"), user("alice", "by-hand"), user("bob"), binding("b", "devs", "alice", "bob", "alice")}},
		{Name: "two of one group", Objects: []client.Object{group("devs"), user("alice"), binding("b", "devs", "alice"), binding("c", "devs", "alice")}},
		{Name: "two groups", Objects: []client.Object{group("devs"), group("ops"), user("alice"), binding("b", "devs", "alice"), binding("c", "ops", "alice")}},
		{Name: "a missing group", Objects: []client.Object{user("alice", "by-hand"), binding("b", "devs", "alice")}},
		{Name: "a missing user", Objects: []client.Object{group("devs"), user("alice"), binding("b", "devs", "alice", "nobody")}},
		{Name: "a group that goes", Objects: []client.Object{going, user("alice", "going"), binding("b", "going", "alice")}},
		{Name: "wrong", Objects: []client.Object{user("alice"), binding("b", "", "alice")}},
		{Name: "nobody", Objects: []client.Object{group("devs"), binding("b", "devs")}},
		{Name: "paused", Objects: []client.Object{group("devs"), user("alice"), paused}},
		{Name: "a user on hold", Objects: []client.Object{group("devs"), held, binding("b", "devs", "held")}},
		{Name: "left by KubeSphere", Objects: []client.Object{group("devs"), user("alice", "devs"), legacy}},
	}
}

// world is a server in memory with the controller before it.
type world struct {
	client.WithWatch

	reconciler *Reconciler
}

func newWorld(t *testing.T, live func(client.Reader) client.Reader, objects ...client.Object) *world {
	t.Helper()

	server, err := harness.Fake().Open(t.Context(), subject(t))
	if err != nil {
		t.Fatal(err)
	}

	for _, object := range objects {
		if err := server.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}

	built, err := New(manager.Dependencies{
		Client: server, Live: live(server), Recorder: events.NewFakeRecorder(100),
		Clock: clocktesting.NewFakePassiveClock(metav1.Now().Time),
	})
	if err != nil {
		t.Fatal(err)
	}

	return &world{WithWatch: server, reconciler: built.Reconciler.(*Reconciler)}
}

func (w *world) run(t *testing.T, requests ...reconcile.Request) reconcile.Result {
	t.Helper()

	var last reconcile.Result

	for _, request := range requests {
		var err error
		if last, err = w.reconciler.Reconcile(t.Context(), request); err != nil {
			t.Fatalf("%s: %v", request, err)
		}
	}

	return last
}

func (w *world) groups(t *testing.T, name string, want ...string) {
	t.Helper()

	got := user(name)
	if err := w.Get(t.Context(), client.ObjectKey{Name: name}, got); err != nil {
		t.Fatal(err)
	}

	if !slices.Equal(got.Spec.Groups, want) {
		t.Errorf("the groups of %s: %v, want %v", name, got.Spec.Groups, want)
	}
}

func (w *world) condition(t *testing.T, name, kind string) string {
	t.Helper()

	found := &iamv1beta1.GroupBinding{}
	if err := w.Get(t.Context(), client.ObjectKey{Name: name}, found); err != nil {
		t.Fatal(err)
	}

	condition := meta.FindStatusCondition(found.Status.Conditions, kind)

	return fmt.Sprintf("%s %s: %s", condition.Status, condition.Reason, condition.Message)
}

func TestUsersThatABindingNamesNoMore(t *testing.T) {
	b := binding("b", "devs", "alice", "bob")
	w := newWorld(t, harness.Established,
		group("devs"), user("alice", "x"), user("bob"), b, binding("c", "devs", "bob"))
	w.run(t, traces.Request("b"), traces.Request("c"))
	w.groups(t, "alice", "x", "devs")
	w.groups(t, "bob", "devs")

	if err := w.Get(t.Context(), client.ObjectKey{Name: "b"}, b); err != nil {
		t.Fatal(err)
	}

	before := b.DeepCopy()
	b.Users = nil

	if err := w.Update(t.Context(), b); err != nil {
		t.Fatal(err)
	}

	// What the watch makes of the event: it carries both.
	woken := append(usersOfBinding(t.Context(), before), usersOfBinding(t.Context(), b)...)
	w.run(t, append(woken, traces.Request("b"))...)
	w.groups(t, "alice", "x")
	w.groups(t, "bob", "devs")
}

// A binding of 3.x is deleted before it was ever looked at: its finalizer has waited for us.
func TestLegacyBindingThatIsBeingDeleted(t *testing.T) {
	b := binding("b", "devs", "alice", "nobody")
	b.Finalizers = []string{iamv1beta1.LegacyGroupBindingFinalizer}
	w := newWorld(t, harness.Established, group("devs"), user("alice", "devs", "ops"), b)

	if err := w.Delete(t.Context(), b); err != nil {
		t.Fatal(err)
	}

	w.run(t, traces.Request("b"))
	w.groups(t, "alice", "ops")

	if err := w.Get(t.Context(), client.ObjectKey{Name: "b"}, b); !apierrors.IsNotFound(err) {
		t.Errorf("the binding: %v", err)
	}
}

// A binding may go while nobody looks: every user is looked at when the controller starts.
func TestBindingThatWentUnseen(t *testing.T) {
	b := binding("b", "devs", "alice")
	w := newWorld(t, harness.Established, group("devs"), user("alice"), b)
	w.run(t, traces.Request("b"))

	if err := w.Delete(t.Context(), b); err != nil {
		t.Fatal(err)
	}

	w.run(t, w.reconciler.bindingsOfUser(t.Context(), user("alice"))...)
	w.groups(t, "alice")
}

func TestReferencesComeLate(t *testing.T) {
	w := newWorld(t, harness.Established, binding("b", "devs", "alice", "bob"), user("bob"))
	w.run(t, traces.Request("b"))
	w.groups(t, "bob")

	const want = "False GroupNotFound: users: there is no User alice; create it, or take the name off the list; " +
		"groupRef.name: there is no Group devs; create it, or delete the binding"
	if diff := cmp.Diff(want, w.condition(t, "b", kube.ConditionResolvedRefs)); diff != "" {
		t.Errorf("condition (-want +got):\n%s", diff)
	}

	if err := w.Create(t.Context(), group("devs")); err != nil {
		t.Fatal(err)
	}

	w.run(t, w.reconciler.bindingsOfGroup(t.Context(), group("devs"))...)
	w.groups(t, "bob", "devs")

	if err := w.Create(t.Context(), user("alice")); err != nil {
		t.Fatal(err)
	}

	w.run(t, w.reconciler.bindingsOfUser(t.Context(), user("alice"))...)
	w.groups(t, "alice", "devs")
	w.run(t, traces.Request("b"))

	if got := w.condition(t, "b", kube.ConditionReady); !strings.HasPrefix(got, "True") {
		t.Errorf("ready: %s", got)
	}
}

// The group goes from all who have it, also from those who have it by hand.
func TestGroupThatIsDeleted(t *testing.T) {
	devs := group("devs")
	devs.Finalizers = []string{iamv1beta1.LegacyGroupFinalizer}
	w := newWorld(t, harness.Established,
		devs, user("alice"), user("bob", "devs", "ops"), binding("b", "devs", "alice"))
	w.run(t, traces.Request("b"))
	w.groups(t, "alice", "devs")

	if err := w.Delete(t.Context(), devs); err != nil {
		t.Fatal(err)
	}

	if err := w.Get(t.Context(), client.ObjectKey{Name: "devs"}, devs); err != nil {
		t.Fatal(err)
	}

	w.run(t, w.reconciler.bindingsOfGroup(t.Context(), devs)...)
	w.groups(t, "alice")
	w.groups(t, "bob", "ops")
}

// Where a definition goes, all bindings go with it, and nobody means to take rights away.
func TestNothingIsTakenWithTheDefinition(t *testing.T) {
	b := binding("b", "devs", "alice")
	b.Finalizers = []string{iamv1beta1.LegacyGroupBindingFinalizer, "example.com/hold"}

	gone := func(reader client.Reader) client.Reader { return reader } // which has no definitions
	w := newWorld(t, gone, group("devs"), user("alice"), b)
	w.run(t, traces.Request("b"))
	w.groups(t, "alice", "devs")

	if err := w.Delete(t.Context(), b); err != nil {
		t.Fatal(err)
	}

	w.run(t, traces.Request("b"))
	w.groups(t, "alice", "devs")
}

func TestThousandsOfMembers(t *testing.T) {
	const number = 450

	objects := []client.Object{group("devs")}

	var names []string

	for i := range number {
		names = append(names, fmt.Sprint("u", i))
		objects = append(objects, user(names[i]))
	}

	w := newWorld(t, harness.Established, append(objects, binding("b", "devs", names...))...)

	for _, later := range []int{250, 50, 0} {
		result := w.run(t, traces.Request("b"))
		if (result.RequeueAfter > 0) != (later > 0) {
			t.Errorf("again after %s with %d to come", result.RequeueAfter, later)
		}

		want := "True Programmed: "
		if later > 0 {
			want = fmt.Sprintf("False Programming: %d users are yet to come", later)
		}

		if got := w.condition(t, "b", kube.ConditionProgrammed); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}

	for _, name := range names {
		w.groups(t, name, "devs")
	}
}
