package stores

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// liveSecrets is an API server that counts what it is asked for.
type liveSecrets struct {
	client.Reader

	mutex   sync.Mutex
	version map[client.ObjectKey]string
	reads   int
	err     error
	during  func() // is called while a read is on its way
}

func (l *liveSecrets) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if l.during != nil {
		l.during()
	}

	l.mutex.Lock()
	defer l.mutex.Unlock()

	l.reads++

	if l.err != nil {
		return l.err
	}

	version, exists := l.version[key]
	if !exists {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, key.Name)
	}

	secret := into.(*corev1.Secret)
	secret.Namespace, secret.Name, secret.ResourceVersion = key.Namespace, key.Name, version

	return nil
}

// following is a Follower with all it needs.
type following struct {
	*Follower[*corev1.Secret]

	known *Versions
	live  *liveSecrets
	clock *clocktesting.FakePassiveClock
}

func newFollowing() *following {
	f := &following{
		known: newVersions(metav1.Object.GetResourceVersion),
		live:  &liveSecrets{version: map[client.ObjectKey]string{}},
		clock: clocktesting.NewFakePassiveClock(time.Unix(0, 0)),
	}
	f.Follower = NewFollower(f.known, f.live, f.clock, schema.GroupResource{Resource: "secrets"},
		func() *corev1.Secret { return &corev1.Secret{} })

	return f
}

// set has the server and the store know of a version.
func (f *following) set(t *testing.T, name, version string) {
	t.Helper()

	f.live.version[keyOf("n", name)] = version
	f.see(t, name, version)
}

// see has the store alone know of a version.
func (f *following) see(t *testing.T, name, version string) {
	t.Helper()

	if err := f.known.Update(at("n", name, version)); err != nil {
		t.Fatal(err)
	}
}

// want reads an object and compares its version and the number of reads so far.
func (f *following) want(t *testing.T, name, version string, reads int) {
	t.Helper()

	got, err := f.Get(t.Context(), keyOf("n", name))
	if err != nil {
		t.Fatal(err)
	}

	if got.ResourceVersion != version || f.live.reads != reads {
		t.Errorf("%s: version %s after %d reads, want %s after %d",
			name, got.ResourceVersion, f.live.reads, version, reads)
	}
}

func TestFollowerReadsEachVersionOnce(t *testing.T) {
	t.Parallel()

	f := newFollowing()
	f.set(t, "a", "1")
	f.set(t, "b", "2")

	f.want(t, "a", "1", 1)
	f.want(t, "a", "1", 1)
	f.want(t, "b", "2", 2)
	f.set(t, "a", "3")
	f.want(t, "a", "3", 3)
	f.want(t, "a", "3", 3)
	f.want(t, "b", "2", 3)

	if f.Len() != 2 {
		t.Errorf("%d objects are kept", f.Len())
	}
}

// The store is behind: it gets to know what has been read already.
func TestFollowerDoesNotReadTwiceWhatWasNewer(t *testing.T) {
	t.Parallel()

	f := newFollowing()
	f.set(t, "a", "1")
	f.live.version[keyOf("n", "a")] = "2"
	f.want(t, "a", "2", 1)
	f.want(t, "a", "2", 1)
	f.see(t, "a", "2")
	f.want(t, "a", "2", 1)
}

func TestFollowerDoesNotAskForWhatIsNotThere(t *testing.T) {
	t.Parallel()

	f := newFollowing()
	f.live.version[keyOf("n", "unseen")] = "1"
	f.set(t, "removed", "1")
	f.want(t, "removed", "1", 1)

	if err := f.known.Delete(at("n", "removed", "1")); err != nil {
		t.Fatal(err)
	}

	for _, name := range []string{"unseen", "removed"} {
		secret, err := f.Get(t.Context(), keyOf("n", name))
		if !apierrors.IsNotFound(err) || secret != nil {
			t.Errorf("%s: %v, %v", name, secret, err)
		}
	}

	if f.live.reads != 1 || f.Len() != 0 {
		t.Errorf("%d reads, %d objects are kept", f.live.reads, f.Len())
	}

	// One of the same name is another object.
	f.set(t, "removed", "2")
	f.want(t, "removed", "2", 2)
}

func TestFollowerDoesNotRememberErrors(t *testing.T) {
	t.Parallel()

	f := newFollowing()
	f.set(t, "a", "1")
	f.live.err = apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "a", errors.New("no"))

	if _, err := f.Get(t.Context(), keyOf("n", "a")); !apierrors.IsForbidden(err) {
		t.Errorf("error %v", err)
	}

	f.live.err = nil
	f.want(t, "a", "1", 2)

	// Nor does an error cost what was read before it.
	f.set(t, "a", "2")
	f.live.err = errors.New("unreachable")

	if _, err := f.Get(t.Context(), keyOf("n", "a")); !errors.Is(err, f.live.err) {
		t.Errorf("error %v", err)
	}

	f.live.err = nil
	f.want(t, "a", "2", 4)

	// Gone on the server, and the store has not heard of it yet.
	f.see(t, "a", "3")
	delete(f.live.version, keyOf("n", "a"))

	if _, err := f.Get(t.Context(), keyOf("n", "a")); !apierrors.IsNotFound(err) {
		t.Errorf("error %v", err)
	}
}

func TestFollowerSharesAReadBetweenCallers(t *testing.T) {
	t.Parallel()

	const callers = 10

	f := newFollowing()
	f.set(t, "a", "1")
	f.set(t, "b", "1")

	reading, answer := make(chan struct{}, callers), make(chan struct{})
	f.live.during = func() {
		reading <- struct{}{}

		<-answer
	}

	var group sync.WaitGroup

	errs := make(chan error, 2*callers)

	for _, name := range []string{"a", "b"} {
		for range callers {
			group.Go(func() {
				got, err := f.Get(t.Context(), keyOf("n", name))
				if err == nil && got.Name != name {
					err = fmt.Errorf("%s is %s", name, got.Name)
				}

				errs <- err
			})
		}
	}

	// The two are read side by side: neither waits for the other.
	<-reading
	<-reading
	close(answer)
	group.Wait()
	close(errs)

	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}

	if f.live.reads != 2 {
		t.Errorf("%d reads", f.live.reads)
	}
}

func TestFollowerForgetsWhatNobodyAsksFor(t *testing.T) {
	t.Parallel()

	period := func(periods float64) time.Time {
		return time.Unix(0, 0).Add(time.Duration(periods * float64(forgetAfter)))
	}

	// Each step asks for objects at a time; those not among the kept are gone.
	tests := map[string][]struct {
		at   float64
		asks []string
		kept int
	}{
		"asked for again": {{0, []string{"a", "b"}, 2}, {0.9, []string{"a", "b"}, 2}, {1.8, []string{"a", "b"}, 2}, {2.7, []string{"a", "b"}, 2}},
		"one is not":      {{0, []string{"a", "b"}, 2}, {1, []string{"a"}, 2}, {2, []string{"a"}, 1}},
		"late":            {{0, []string{"a"}, 1}, {0.9, []string{"b"}, 2}, {1.1, []string{"c"}, 3}, {2.2, []string{"c"}, 1}},
		"after a silence": {{0, []string{"a", "b"}, 2}, {2, []string{"c"}, 1}, {2.5, []string{"c"}, 1}},
	}

	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			f := newFollowing()
			for _, object := range []string{"a", "b", "c"} {
				f.set(t, object, "1")
			}

			for i, step := range steps {
				f.clock.SetTime(period(step.at))

				for _, object := range step.asks {
					if _, err := f.Get(t.Context(), keyOf("n", object)); err != nil {
						t.Fatal(err)
					}
				}

				if f.Len() != step.kept {
					t.Errorf("step %d: %d objects are kept, want %d", i, f.Len(), step.kept)
				}
			}
		})
	}

	// What was forgotten is read again.
	f := newFollowing()
	f.set(t, "a", "1")
	f.set(t, "b", "1")
	f.want(t, "a", "1", 1)
	f.clock.SetTime(period(1))
	f.want(t, "b", "1", 2)
	f.want(t, "a", "1", 2)
	f.clock.SetTime(period(2))
	f.want(t, "b", "1", 2)
	f.clock.SetTime(period(3))
	f.want(t, "b", "1", 2)
	f.want(t, "a", "1", 3)
}

func TestFollowedObjectIsWhatWasRead(t *testing.T) {
	t.Parallel()

	f := newFollowing()
	f.set(t, "a", "1")

	got, err := f.Get(t.Context(), keyOf("n", "a"))
	if err != nil {
		t.Fatal(err)
	}

	want := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "a", ResourceVersion: "1"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}
