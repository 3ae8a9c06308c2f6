package user

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/user/traces"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

const secret = `P@ss"w0rd<`

// world is a server in memory with the controller before it, and all that it says.
type world struct {
	client.Client

	reconciler *Reconciler
	clock      *clocktesting.FakePassiveClock
	events     *events.FakeRecorder
	logged     *strings.Builder
	fail       func(client.Object) error // what a patch is answered with
	writes     int
}

func newWorld(t *testing.T, live func(client.Reader) client.Reader, objects ...client.Object) *world {
	t.Helper()

	server, err := harness.Fake().Open(t.Context(), subject(t))
	if err != nil {
		t.Fatal(err)
	}

	w := &world{
		clock:  clocktesting.NewFakePassiveClock(time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)),
		events: events.NewFakeRecorder(100), logged: &strings.Builder{},
	}
	w.Client = interceptor.NewClient(server, interceptor.Funcs{
		Patch: func(
			ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch,
			options ...client.PatchOption,
		) error {
			w.writes++

			if w.fail != nil {
				if err := w.fail(object); err != nil {
					return err
				}
			}

			return c.Patch(ctx, object, patch, options...)
		},
		Delete: func(
			ctx context.Context, c client.WithWatch, object client.Object, options ...client.DeleteOption,
		) error {
			w.writes++

			return c.Delete(ctx, object, options...)
		},
	})

	for _, object := range objects {
		if err := server.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}

	w.reconciler = quick(t, manager.Dependencies{
		Client: w.Client, Live: live(server), Recorder: w.events, Clock: w.clock,
	}).Reconciler.(*Reconciler)

	return w
}

// run reconciles the user alice with a logger that writes down everything.
func (w *world) run(t *testing.T) (reconcile.Result, error) {
	t.Helper()

	write := func(prefix, args string) { fmt.Fprintln(w.logged, prefix, args) }
	logger := funcr.New(write, funcr.Options{Verbosity: 10})

	w.writes = 0

	return w.reconciler.Reconcile(log.IntoContext(t.Context(), logger), traces.Request("alice"))
}

func (w *world) user(t *testing.T) *iamv1beta1.User {
	t.Helper()

	user := &iamv1beta1.User{}
	if err := w.Get(t.Context(), client.ObjectKey{Name: "alice"}, user); err != nil {
		t.Fatal(err)
	}

	return user
}

// told returns the events so far.
func (w *world) told() []string {
	var told []string

	for {
		select {
		case event := <-w.events.Events:
			told = append(told, event)
		default:
			return told
		}
	}
}

func TestPasswordIsHashedInOneWriteAndToldNobody(t *testing.T) {
	subject := user("alice", secret)
	subject.Annotations = map[string]string{
		corev1.LastAppliedConfigAnnotation: `{"spec":{"password":"P@ss\"w0rd\u003c"}}`, "note": "kept",
	}
	w := newWorld(t, harness.Established, subject)

	if _, err := w.run(t); err != nil || w.writes != 1 {
		t.Fatalf("%d writes, %v", w.writes, err)
	}

	got := w.user(t)
	if err := bcrypt.CompareHashAndPassword([]byte(got.Spec.Password), []byte(secret)); err != nil {
		t.Errorf("the hash is not that of the password: %v", err)
	}

	want := map[string]string{"note": "kept", iamv1beta1.LastPasswordChangeAnnotation: "2030-01-01T12:00:00Z"}
	if diff := cmp.Diff(want, got.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}

	if _, err := w.run(t); err != nil || w.writes != 0 {
		t.Errorf("the second run: %d writes, %v", w.writes, err)
	}

	told := fmt.Sprint(w.told())
	if told != "[Normal Active The user may log in.]" {
		t.Errorf("events %s", told)
	}

	all := w.logged.String() + told + fmt.Sprint(got.Status)
	if strings.Contains(all, "w0rd") || strings.Contains(all, "$2") {
		t.Errorf("the password is told: %s", all)
	}

	if kept := len(w.reconciler.hashes.kept); kept != 0 {
		t.Errorf("%d hashes are kept in memory", kept)
	}
}

func TestRefusedPasswordIsNotQuotedAndHashedOnce(t *testing.T) {
	w := newWorld(t, harness.Established, user("alice", secret))
	kind := traces.Kind("User").GroupKind()
	w.fail = func(client.Object) error {
		return apierrors.NewInvalid(kind, "alice", field.ErrorList{
			field.Invalid(field.NewPath("spec", "password"), secret, "is "+secret),
		})
	}

	_, err := w.run(t)
	if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "withheld") {
		t.Errorf("error: %v", err)
	}

	first := w.reconciler.hashes.kept["alice"].hash

	// A conflict is no failure, and the same password is not hashed again.
	users := iamv1beta1.SchemeGroupVersion.WithResource("users").GroupResource()
	w.fail = func(client.Object) error { return apierrors.NewConflict(users, "alice", errors.New("x")) }

	result, err := w.run(t)
	if err != nil || result.RequeueAfter == 0 {
		t.Errorf("a conflict: %v, %v", result, err)
	}

	w.fail = nil

	if _, err := w.run(t); err != nil {
		t.Fatal(err)
	}

	if got := w.user(t).Spec.Password; first == "" || got != first {
		t.Errorf("hash %q, the first was %q", got, first)
	}
}

func TestLockEndsByTheClock(t *testing.T) {
	objects := []client.Object{user("alice", hashed)}
	w := newWorld(t, harness.Established, objects...)

	// The server's clock begins in 2030 as well.
	w.clock.SetTime(time.Date(2029, 12, 31, 23, 0, 0, 0, time.UTC))

	if _, err := w.run(t); err != nil {
		t.Fatal(err)
	}

	for i := range 10 {
		if err := w.Create(t.Context(), record(strconv.Itoa(i), "alice", false)); err != nil {
			t.Fatal(err)
		}
	}

	w.clock.SetTime(time.Date(2030, 1, 1, 0, 0, 30, 0, time.UTC))

	result, err := w.run(t)
	if state := *w.user(t).Status.State; err != nil || result.RequeueAfter != 10*time.Minute ||
		state != iamv1beta1.UserAuthLimitExceeded {
		t.Fatalf("%s, %v, %v", state, result, err)
	}

	w.clock.SetTime(w.clock.Now().Add(10*time.Minute - time.Second))

	result, err = w.run(t)
	if err != nil || result.RequeueAfter != time.Second || w.writes != 0 {
		t.Errorf("a second before: %v, %v, %d writes", result, err, w.writes)
	}

	w.clock.SetTime(w.clock.Now().Add(time.Second))

	result, err = w.run(t)

	state := *w.user(t).Status.State
	if err != nil || result.RequeueAfter != 0 || state != iamv1beta1.UserActive {
		t.Errorf("%s, %v, %v", state, result, err)
	}

	const locked = "Warning AuthLimitExceeded TooManyFailedLogins: 10"
	if told := w.told(); len(told) != 3 || !strings.HasPrefix(told[1], locked) {
		t.Errorf("events %q", told)
	}
}

func TestDeletionLeavesNothingThatNamesTheUser(t *testing.T) {
	w := newWorld(t, harness.Established, append([]client.Object{user("alice", hashed)}, namings("alice")...)...)
	w.settle(t)

	left := map[string]bool{}

	for _, kind := range subject(t).Kinds {
		list := kind.DeepCopyObject().(client.ObjectList)
		if err := w.List(t.Context(), list); err != nil {
			t.Fatal(err)
		}

		for _, object := range itemsOf(t, list) {
			left[fmt.Sprintf("%T %s", object, object.GetName())] = true

			for _, key := range holderKeysOf(object) {
				if key == "User/alice" {
					t.Errorf("%T %s still names the user", object, object.GetName())
				}
			}
		}
	}

	want := map[string]bool{
		"*v1.RoleBinding foreign": true, "*v1beta1.GroupBinding shared": true,
		"*v1beta1.RoleBinding shared": true, "*v1beta1.WorkspaceRoleBinding shared": true,
	}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
}

// settle runs the user alice until it has a finalizer, deletes it, and runs it until it is gone.
func (w *world) settle(t *testing.T) int {
	t.Helper()

	if _, err := w.run(t); err != nil {
		t.Fatal(err)
	}

	if err := w.Delete(t.Context(), user("alice", "")); err != nil {
		t.Fatal(err)
	}

	for runs := 1; runs < 100; runs++ {
		if _, err := w.run(t); err != nil {
			t.Fatal(err)
		}

		if w.writes > traces.Batch+1 {
			t.Errorf("%d writes in one run", w.writes)
		}

		err := w.Get(t.Context(), client.ObjectKey{Name: "alice"}, &iamv1beta1.User{})
		if apierrors.IsNotFound(err) {
			return runs
		}
	}

	t.Fatal("the user does not go")

	return 0
}

func itemsOf(t *testing.T, list client.ObjectList) []client.Object {
	t.Helper()

	var items []client.Object

	if err := eachItem(list, func(item runtime.Object) error {
		items = append(items, item.(client.Object))

		return nil
	}); err != nil {
		t.Fatal(err)
	}

	return items
}

func TestThousandsOfBindings(t *testing.T) {
	const number = 3000

	objects := []client.Object{user("alice", hashed)}
	for i := range number {
		objects = append(objects, &iamv1beta1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: fmt.Sprint("n", i), Name: "alice-admin",
				Labels: map[string]string{iamv1beta1.UserLabel: "alice"},
			},
			BindingContent: iamv1beta1.BindingContent{Subjects: []rbacv1.Subject{{Kind: "User", Name: "alice"}}},
		})
	}

	w := newWorld(t, harness.Established, objects...)

	if _, err := w.run(t); err != nil {
		t.Fatal(err)
	}

	if err := w.Delete(t.Context(), user("alice", "")); err != nil {
		t.Fatal(err)
	}

	result, err := w.run(t)
	if err != nil || result.RequeueAfter == 0 || w.writes != traces.Batch+1 {
		t.Fatalf("the first run: %v, %v, %d writes", result, err, w.writes)
	}

	const reason = "Deleting: waiting for these to go: RoleBinding n0/alice-admin, RoleBinding n1/alice-admin, " +
		"RoleBinding n10/alice-admin and 2997 more"
	if got := w.user(t).Status.Reason; got != reason {
		t.Errorf("reason %q", got)
	}

	if runs := w.settle(t); runs > number/traces.Batch+1 {
		t.Errorf("%d runs", runs)
	}
}

// Where the definition of users goes, or is gone already, nobody means to take rights away.
func TestNothingCascadesWithTheDefinition(t *testing.T) {
	binding := &iamv1beta1.GlobalRoleBinding{
		ObjectMeta:     metav1.ObjectMeta{Name: "b", Labels: map[string]string{iamv1beta1.UserLabel: "alice"}},
		BindingContent: iamv1beta1.BindingContent{Subjects: []rbacv1.Subject{{Kind: "User", Name: "alice"}}},
	}
	gone := func(reader client.Reader) client.Reader { return reader } // which has no definitions
	w := newWorld(t, gone, user("alice", hashed), binding)

	if runs := w.settle(t); runs != 1 {
		t.Errorf("%d runs", runs)
	}

	if err := w.Get(t.Context(), client.ObjectKey{Name: "b"}, &iamv1beta1.GlobalRoleBinding{}); err != nil {
		t.Errorf("the binding: %v", err)
	}
}

func TestNamesakesLearnOfEachOther(t *testing.T) {
	other := user("bob", hashed)
	other.Spec.Email = " Alice@Example.com"
	w := newWorld(t, harness.Established, user("alice", hashed), other)

	if _, err := w.run(t); err != nil {
		t.Fatal(err)
	}

	got := w.user(t).Status
	if !strings.HasPrefix(got.Reason, "DuplicateEmail: spec.email is also that of bob;") ||
		*got.State != iamv1beta1.UserActive {
		t.Errorf("status %v", got)
	}

	other.Spec.Email = "bob@example.com"
	if err := w.Update(t.Context(), other); err != nil {
		t.Fatal(err)
	}

	if _, err := w.run(t); err != nil || w.user(t).Status.Reason != "" {
		t.Errorf("status %v, %v", w.user(t).Status, err)
	}
}
