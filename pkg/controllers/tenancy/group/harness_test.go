package group

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
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

func TestGroupKeepsThePromises(t *testing.T) {
	harness.Run(t, subject(t))
}

func subject(t *testing.T) harness.Subject {
	t.Helper()

	scheme := runtime.NewScheme()
	for _, add := range Descriptor().AddToScheme {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}

	var made []harness.Index
	for _, index := range indexes() {
		made = append(made, harness.Index{Object: index.Object, Field: index.Field, Extract: index.Value})
	}

	return harness.Subject{
		Name:    Name,
		Scheme:  scheme,
		Primary: &iamv1beta1.Group{},
		Kinds: []client.ObjectList{
			&iamv1beta1.GroupList{}, &iamv1beta1.UserList{}, &iamv1beta1.GroupBindingList{},
			&iamv1beta1.GlobalRoleBindingList{}, &iamv1beta1.WorkspaceRoleBindingList{},
			&iamv1beta1.ClusterRoleBindingList{}, &iamv1beta1.RoleBindingList{},
			&rbacv1.ClusterRoleBindingList{}, &rbacv1.RoleBindingList{},
		},
		StatusKinds: []client.Object{
			&iamv1beta1.Group{}, &iamv1beta1.GroupBinding{}, &iamv1beta1.GlobalRoleBinding{},
			&iamv1beta1.WorkspaceRoleBinding{}, &iamv1beta1.ClusterRoleBinding{}, &iamv1beta1.RoleBinding{},
		},
		Indexes: made,
		New: func(environment harness.Environment) reconcile.Reconciler {
			built, err := New(manager.Dependencies{
				Client: environment.Client, Live: harness.Established(environment.Client),
				Recorder: environment.Recorder, Clock: environment.PassiveClock(),
			})
			if err != nil {
				t.Fatal(err)
			}

			return built.Reconciler
		},
		Worlds: worlds(),
		Drifts: []harness.Drift{
			{Name: "the finalizer goes", World: "plain", Make: func(ctx context.Context, c client.Client) error {
				return c.Patch(ctx, group("a", ""), client.RawPatch("application/merge-patch+json",
					[]byte(`{"metadata":{"finalizers":null}}`)))
			}},
		},
		Seeds:    6,
		MaxReads: 40, MaxWrites: 12,
	}
}

func group(name, parent string) *iamv1beta1.Group {
	made := &iamv1beta1.Group{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if parent != "" {
		made.Labels = map[string]string{iamv1beta1.GroupParentLabel: parent}
	}

	return made
}

func worlds() []harness.World {
	paused := group("paused", "missing")
	paused.Annotations = map[string]string{kube.PausedAnnotation: "true"}

	legacy := group("legacy", "")
	legacy.Finalizers = []string{iamv1beta1.LegacyGroupFinalizer}

	return []harness.World{
		{Name: "plain", Objects: []client.Object{group("a", ""), group("b", "a"), group("c", "b")}},
		{Name: "a missing parent", Objects: []client.Object{group("a", "missing"), group("b", "a")}},
		{Name: "a loop", Objects: []client.Object{group("a", "b"), group("b", "a"), group("c", "a")}},
		{Name: "paused", Objects: []client.Object{paused}},
		{Name: "left by KubeSphere", Objects: []client.Object{legacy}},
		{Name: "named everywhere", Objects: append([]client.Object{group("devs", "")}, namings("devs")...)},
	}
}

// namings are objects of all kinds that name a group, alone or with a user. No User: its groups are another
// controller's, without which the deletion would not end.
func namings(name string) []client.Object {
	labelled := func(namespace, object string) metav1.ObjectMeta {
		return metav1.ObjectMeta{
			Namespace: namespace, Name: object, Labels: map[string]string{iamv1beta1.GroupLabel: name},
		}
	}

	them := rbacv1.Subject{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: name}
	user := rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}
	alone := iamv1beta1.BindingContent{Subjects: []rbacv1.Subject{them}}
	shared := iamv1beta1.BindingContent{Subjects: []rbacv1.Subject{user, them}}

	return []client.Object{
		&iamv1beta1.GlobalRoleBinding{ObjectMeta: labelled("", "global"), BindingContent: alone},
		&iamv1beta1.WorkspaceRoleBinding{ObjectMeta: labelled("", "shared"), BindingContent: shared},
		&iamv1beta1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "unlabelled"}, BindingContent: alone},
		&iamv1beta1.RoleBinding{ObjectMeta: labelled("n", "project"), BindingContent: alone},
		&rbacv1.ClusterRoleBinding{ObjectMeta: labelled("", "native")},
		&rbacv1.RoleBinding{ObjectMeta: labelled("n", "native")},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "foreign"}, Subjects: []rbacv1.Subject{them},
		},
		&iamv1beta1.GroupBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "binding"}, GroupRef: iamv1beta1.GroupRef{Name: name},
			Users: []string{"alice"},
		},
		&iamv1beta1.GroupBinding{ObjectMeta: labelled("", "labelled")},
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

// run reconciles a group twice: the first adds the finalizer.
func (w *world) run(t *testing.T, name string) {
	t.Helper()

	for range 2 {
		if _, err := w.reconciler.Reconcile(t.Context(), traces.Request(name)); err != nil {
			t.Logf("run of %s: %v", name, err)
		}
	}
}

func (w *world) ready(t *testing.T, name string) metav1.Condition {
	t.Helper()

	found := &iamv1beta1.Group{}
	if err := w.Get(t.Context(), client.ObjectKey{Name: name}, found); err != nil {
		t.Fatal(err)
	}

	return *meta.FindStatusCondition(found.Status.Conditions, kube.ConditionReady)
}

func TestParents(t *testing.T) {
	w := newWorld(t, harness.Established, group("top", ""), group("child", "top"), group("lost", "missing"),
		group("a", "b"), group("b", "a"), group("c", "a"), group("self", "self"))

	for name, want := range map[string]string{
		"top": "True Ready", "child": "True Ready", "lost": "False ParentNotFound", "self": "False ParentLoop",
		"a": "False ParentLoop", "b": "False ParentLoop", "c": "False ParentLoop",
	} {
		w.run(t, name)

		if got := w.ready(t, name); string(got.Status)+" "+got.Reason != want {
			t.Errorf("%s: %s %s: %s, want %s", name, got.Status, got.Reason, got.Message, want)
		}
	}

	// What was missing comes.
	if err := w.Create(t.Context(), group("missing", "")); err != nil {
		t.Fatal(err)
	}

	w.run(t, "lost")

	if got := w.ready(t, "lost"); got.Status != metav1.ConditionTrue {
		t.Errorf("the parent has come: %v", got)
	}
}

func TestAllBelowAreWoken(t *testing.T) {
	w := newWorld(t, harness.Established,
		group("a", "c"), group("b", "a"), group("c", "b"), group("d", "b"), group("e", ""))

	var names []string
	for _, request := range w.reconciler.below(t.Context(), group("a", "c")) {
		names = append(names, request.Name)
	}

	slices.Sort(names)

	if diff := cmp.Diff([]string{"b", "c", "d"}, names); diff != "" {
		t.Errorf("woken (-want +got):\n%s", diff)
	}
}

func TestDeletionWaitsForMembers(t *testing.T) {
	member := &iamv1beta1.User{ObjectMeta: metav1.ObjectMeta{Name: "alice"}}
	member.Spec.Groups = []string{"devs", "ops"}

	w := newWorld(t, harness.Established, append([]client.Object{group("devs", ""), member}, namings("devs")...)...)
	w.run(t, "devs")

	if err := w.Delete(t.Context(), group("devs", "")); err != nil {
		t.Fatal(err)
	}

	w.run(t, "devs")

	const waits = "Waiting for these to go: the group in spec.groups of User alice, " +
		"which the controller \"group-binding\""
	if got := w.ready(t, "devs"); got.Reason != "Deleting" || !strings.HasPrefix(got.Message, waits) {
		t.Errorf("%s: %s", got.Reason, got.Message)
	}

	shared := &iamv1beta1.WorkspaceRoleBinding{}
	if err := w.Get(t.Context(), client.ObjectKey{Name: "shared"}, shared); err != nil ||
		len(shared.Subjects) != 1 || shared.Subjects[0].Kind != "User" || len(shared.Labels) != 0 {
		t.Errorf("what a user shares: %v, %v", shared, err)
	}

	member.Spec.Groups = []string{"ops"}
	if err := w.Update(t.Context(), member); err != nil {
		t.Fatal(err)
	}

	w.run(t, "devs")

	if err := w.Get(t.Context(), client.ObjectKey{Name: "devs"}, &iamv1beta1.Group{}); !apierrors.IsNotFound(err) {
		t.Errorf("the group: %v", err)
	}
}

// Where the definition of groups goes, or is gone already, nobody means to take rights away.
func TestNothingCascadesWithTheDefinition(t *testing.T) {
	gone := func(reader client.Reader) client.Reader { return reader } // which has no definitions
	w := newWorld(t, gone, append([]client.Object{group("devs", "")}, namings("devs")...)...)
	w.run(t, "devs")

	if err := w.Delete(t.Context(), group("devs", "")); err != nil {
		t.Fatal(err)
	}

	w.run(t, "devs")

	if err := w.Get(t.Context(), client.ObjectKey{Name: "devs"}, &iamv1beta1.Group{}); !apierrors.IsNotFound(err) {
		t.Errorf("the group: %v", err)
	}

	if err := w.Get(t.Context(), client.ObjectKey{Name: "global"}, &iamv1beta1.GlobalRoleBinding{}); err != nil {
		t.Errorf("the binding: %v", err)
	}
}
