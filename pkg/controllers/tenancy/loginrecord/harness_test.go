package loginrecord

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/user/traces"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

func TestLoginRecordKeepsThePromises(t *testing.T) {
	harness.Run(t, subject(t))
}

// few keeps four records of a user.
func few() accounts.Settings { return accounts.Settings{MaximumEntries: 4} }

// subject is tried by user, which is what requests name.
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
		Primary: &iamv1beta1.User{},
		Kinds:   []client.ObjectList{&iamv1beta1.UserList{}, &iamv1beta1.LoginRecordList{}},
		Indexes: made,
		New: func(environment harness.Environment) reconcile.Reconciler {
			return build(t, few(), manager.Dependencies{
				Client: environment.Client, Live: harness.Established(environment.Client),
				Clock: environment.PassiveClock(),
			})
		},
		Worlds:   worlds(),
		Seeds:    6,
		MaxReads: 3, MaxWrites: 10,
		NoConditions: true,
	}
}

func build(t *testing.T, settings accounts.Settings, dependencies manager.Dependencies) reconcile.Reconciler {
	t.Helper()

	built, err := New(dependencies, settings)
	if err != nil {
		t.Fatal(err)
	}

	return built.Reconciler
}

func user(name string) *iamv1beta1.User {
	return &iamv1beta1.User{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func recordsOf(user string, number int) []client.Object {
	var records []client.Object

	for i := range number {
		record := &iamv1beta1.LoginRecord{ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("%s-%d", user, i), Labels: map[string]string{iamv1beta1.UserLabel: user},
		}}
		if user == "" {
			record.Name, record.Labels = fmt.Sprint("nobody-", i), nil
		}

		records = append(records, record)
	}

	return records
}

// worlds have no more records than are kept where it depends on the order which are the newest.
func worlds() []harness.World {
	with := func(user client.Object, records []client.Object) []client.Object {
		return append([]client.Object{user}, records...)
	}

	gone := user("gone")
	gone.DeletionTimestamp = &metav1.Time{Time: time.Unix(0, 0)}

	going := user("going")
	going.Finalizers = []string{"example.com/hold"}
	going.DeletionTimestamp = gone.DeletionTimestamp

	paused := user("paused")
	paused.Annotations = map[string]string{kube.PausedAnnotation: "true"}

	return []harness.World{
		{Name: "few", Objects: with(user("few"), recordsOf("few", 4))},
		{Name: "none", Objects: []client.Object{user("none")}},
		{Name: "of one that is gone", Objects: with(gone, recordsOf("gone", 3))},
		{Name: "of one that is going", Objects: with(going, recordsOf("going", 6))},
		{Name: "of one on hold", Objects: with(paused, recordsOf("paused", 6))},
	}
}

// world is a server in memory with the controller before it.
type world struct {
	client.WithWatch

	reconciler reconcile.Reconciler
	clock      *clocktesting.FakePassiveClock
}

func newWorld(
	t *testing.T, settings accounts.Settings, live func(client.Reader) client.Reader, objects ...client.Object,
) *world {
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

	// The server's clock begins there, and moves on by a second with each object.
	clock := clocktesting.NewFakePassiveClock(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))

	return &world{WithWatch: server, clock: clock, reconciler: build(t, settings, manager.Dependencies{
		Client: server, Live: live(server), Clock: clock,
	})}
}

func (w *world) run(t *testing.T, name string) reconcile.Result {
	t.Helper()

	result, err := w.reconciler.Reconcile(t.Context(), traces.Request(name))
	if err != nil {
		t.Fatal(err)
	}

	return result
}

func (w *world) left(t *testing.T) []string {
	t.Helper()

	records := &iamv1beta1.LoginRecordList{}
	if err := w.List(t.Context(), records); err != nil {
		t.Fatal(err)
	}

	var names []string
	for i := range records.Items {
		names = append(names, records.Items[i].Name)
	}

	return names
}

func (w *world) want(t *testing.T, names ...string) {
	t.Helper()

	if diff := cmp.Diff(names, w.left(t)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestNewestRecordsAreKept(t *testing.T) {
	w := newWorld(t, few(), harness.Established, append(recordsOf("alice", 6), user("alice"))...)
	w.run(t, "alice")
	w.want(t, "alice-2", "alice-3", "alice-4", "alice-5")
}

func TestOldRecordsGoByTheClock(t *testing.T) {
	settings := accounts.Settings{RetentionPeriod: time.Hour}
	w := newWorld(t, settings, harness.Established, append(recordsOf("alice", 2), user("alice"))...)

	// The records are of one and of two seconds past.
	if result := w.run(t, "alice"); result.RequeueAfter != time.Hour+time.Second {
		t.Errorf("again after %s", result.RequeueAfter)
	}

	w.clock.SetTime(w.clock.Now().Add(time.Hour + time.Second))

	if result := w.run(t, "alice"); result.RequeueAfter != time.Second {
		t.Errorf("again after %s", result.RequeueAfter)
	}

	w.want(t, "alice-1")
	w.clock.SetTime(w.clock.Now().Add(time.Second))

	if result := w.run(t, "alice"); result.RequeueAfter != 0 {
		t.Errorf("again after %s", result.RequeueAfter)
	}

	w.want(t)
}

func TestThousandsGoInBatches(t *testing.T) {
	w := newWorld(t, few(), harness.Established, append(recordsOf("alice", 450), user("alice"))...)

	for _, left := range []int{250, 50, 4} {
		result := w.run(t, "alice")
		if got := len(w.left(t)); got != left || (result.RequeueAfter > 0) != (left > 4) {
			t.Errorf("%d are left, want %d; %v", got, left, result)
		}
	}
}

func TestRecordsOfNobodyGo(t *testing.T) {
	w := newWorld(t, few(), harness.Established, append(recordsOf("", 2), recordsOf("bob", 1)...)...)
	w.run(t, "")
	w.want(t, "bob-0")
	w.run(t, "bob")
	w.want(t)
}

// reader answers reads of users.
type reader struct {
	client.Reader

	err error
}

func (r reader) Get(_ context.Context, _ client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return r.err
}

func TestRecordsStayWhereItIsNotSureThatTheUserIsGone(t *testing.T) {
	live := map[string]func(client.Reader) client.Reader{
		"the cache is behind":      func(r client.Reader) client.Reader { return harness.Established(reader{Reader: r}) },
		"the definition is going":  func(r client.Reader) client.Reader { return r },
		"the API server is silent": func(r client.Reader) client.Reader { return reader{Reader: r, err: errors.New("x")} },
	}

	for name, of := range live {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, few(), of, recordsOf("alice", 1)...)

			_, err := w.reconciler.Reconcile(t.Context(), traces.Request("alice"))
			if (err != nil) != (name == "the API server is silent") {
				t.Errorf("error %v", err)
			}

			w.want(t, "alice-0")
		})
	}
}
