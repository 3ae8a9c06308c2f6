package manager

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"
)

// authority answers questions about rights, and counts them.
type authority struct {
	mutex   sync.Mutex
	asked   map[string]int
	refuses func(right) bool
	fails   func(right) error
	arrived chan struct{} // told of each question; may be nil
	answers chan struct{} // each answer takes one of it; may be nil
}

// react answers a review.
func (a *authority) react(action clienttesting.Action) (bool, runtime.Object, error) {
	created := action.(clienttesting.CreateAction).GetObject()

	review := created.(*authorizationv1.SelfSubjectAccessReview)
	of := review.Spec.ResourceAttributes
	asked := right{
		verb: of.Verb, group: of.Group, resource: of.Resource, subresource: of.Subresource,
		namespace: of.Namespace, name: of.Name,
	}

	a.mutex.Lock()
	a.asked[asked.String()]++
	a.mutex.Unlock()

	if a.arrived != nil {
		a.arrived <- struct{}{}
	}

	if a.answers != nil {
		<-a.answers
	}

	if a.fails != nil {
		if err := a.fails(asked); err != nil {
			return true, nil, err
		}
	}

	review.Status.Allowed = a.refuses == nil || !a.refuses(asked)

	return true, review, nil
}

func (a *authority) questions() map[string]int {
	a.mutex.Lock()
	defer a.mutex.Unlock()

	return maps.Clone(a.asked)
}

// ask returns permissions that are asked of an authority, and their clock.
func askOf(authority *authority) (*permissions, *clocktesting.FakePassiveClock) {
	authority.asked = map[string]int{}
	clock := clocktesting.NewFakePassiveClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	clients := fake.NewClientset()
	clients.PrependReactor("create", "selfsubjectaccessreviews", authority.react)

	return newPermissions(clients, clock), clock
}

// someRights are more than are asked for at the same time.
func someRights() []right {
	var rights []right
	for i := range 3 * askConcurrency {
		rights = append(rights, right{verb: "list", group: "example.com", resource: fmt.Sprintf("things%02d", i)})
	}

	return rights
}

func TestDenied(t *testing.T) {
	t.Parallel()

	refusing := &authority{refuses: func(asked right) bool { return strings.HasSuffix(asked.resource, "3") }}
	permissions, _ := askOf(refusing)

	denied, err := permissions.denied(t.Context(), someRights())
	if err != nil {
		t.Fatal(err)
	}

	want := []string{"list things03.example.com", "list things13.example.com", "list things23.example.com"}
	if diff := cmp.Diff(want, denied); diff != "" {
		t.Errorf("what is denied, in the order of the rights (-want +got):\n%s", diff)
	}

	for asked, times := range refusing.questions() {
		if times != 1 {
			t.Errorf("%s was asked %d times", asked, times)
		}
	}
}

func TestDeniedNothing(t *testing.T) {
	t.Parallel()

	permissions, _ := askOf(&authority{})

	for _, rights := range [][]right{nil, someRights()} {
		if denied, err := permissions.denied(t.Context(), rights); err != nil || len(denied) != 0 {
			t.Errorf("denied(%v) = %v, %v", rights, denied, err)
		}
	}
}

// An API server that does not answer has not refused anything.
func TestDeniedUnknown(t *testing.T) {
	t.Parallel()

	failing := &authority{fails: func(asked right) error {
		if asked.resource == "things05" {
			return errors.New("no quorum")
		}

		return nil
	}}
	permissions, clock := askOf(failing)

	denied, err := permissions.denied(t.Context(), someRights())
	if want := "ask whether this process may list things05.example.com: no quorum"; denied != nil || err == nil ||
		err.Error() != want {
		t.Errorf("denied() = %v, %v, want the error %s", denied, err, want)
	}

	// It is asked again when the answer is old.
	failing.mutex.Lock()
	failing.fails = nil
	failing.mutex.Unlock()
	clock.SetTime(clock.Now().Add(answerAge + 1))

	if denied, err := permissions.denied(t.Context(), someRights()); err != nil || len(denied) != 0 {
		t.Errorf("denied() = %v, %v after it answers again", denied, err)
	}
}

// Controllers that start at the same time ask much the same; the API server is asked once.
func TestAnswersAreShared(t *testing.T) {
	t.Parallel()

	slow := &authority{
		arrived: make(chan struct{}, 100), answers: make(chan struct{}),
		refuses: func(asked right) bool { return asked.verb == "watch" },
	}
	permissions, clock := askOf(slow)
	rights := []right{{verb: "list", resource: "things"}, {verb: "watch", resource: "things"}}

	const controllers = 20

	var group sync.WaitGroup

	for range controllers {
		group.Go(func() {
			denied, err := permissions.denied(t.Context(), rights)
			if diff := cmp.Diff([]string{"watch things"}, denied); diff != "" || err != nil {
				t.Errorf("denied(): %v (-want +got):\n%s", err, diff)
			}
		})
	}

	<-slow.arrived // the fake takes one question at a time
	close(slow.answers)
	group.Wait()

	once := map[string]int{"list things": 1, "watch things": 1}
	if diff := cmp.Diff(once, slow.questions()); diff != "" {
		t.Errorf("what was asked (-want +got):\n%s", diff)
	}

	clock.SetTime(clock.Now().Add(answerAge))
	askTwice(t, permissions, rights)

	if diff := cmp.Diff(once, slow.questions()); diff != "" {
		t.Errorf("what was asked while the answers were fresh (-want +got):\n%s", diff)
	}

	clock.SetTime(clock.Now().Add(1))
	askTwice(t, permissions, rights)

	if diff := cmp.Diff(map[string]int{"list things": 2, "watch things": 2}, slow.questions()); diff != "" {
		t.Errorf("what was asked when they were old (-want +got):\n%s", diff)
	}

	if kept := len(permissions.answers); kept != len(rights) {
		t.Errorf("%d answers are kept", kept)
	}
}

func askTwice(t *testing.T, permissions *permissions, rights []right) {
	t.Helper()

	for range 2 {
		if _, err := permissions.denied(t.Context(), rights); err != nil {
			t.Fatal(err)
		}
	}
}

// Who waits for the answer to another's question can leave.
func TestWaitingForAnAnswerEnds(t *testing.T) {
	t.Parallel()

	slow := &authority{arrived: make(chan struct{}, 1), answers: make(chan struct{})}
	permissions, _ := askOf(slow)
	rights := []right{{verb: "list", resource: "things"}}

	var group sync.WaitGroup

	group.Go(func() {
		if _, err := permissions.denied(t.Context(), rights); err != nil {
			t.Errorf("who asked gets %v", err)
		}
	})
	<-slow.arrived

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err := permissions.denied(ctx, rights)
	if want := "ask whether this process may list things"; !errors.Is(err, context.Canceled) ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("who waits gets %v", err)
	}

	close(slow.answers)
	group.Wait()
}

func TestRights(t *testing.T) {
	t.Parallel()

	secret := corev1.SchemeGroupVersion.WithKind("Secret")
	reads := readRights([]Cached{
		{Kind: kindOf("Thing"), Resource: "things", Depth: Full},
		{Kind: secret, Resource: "secrets", Depth: VersionOnly},
		{Kind: kindOf("Other"), Resource: "others", Depth: MetadataOnly, Namespace: "home", Name: "one"},
	})
	writes := writeRights([]rbacv1.PolicyRule{
		{APIGroups: []string{"example.com"}, Resources: []string{"things", "things/status"}, Verbs: []string{"patch", "delete"}},
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{"a", "b"}, Verbs: []string{"update"}},
	})

	tests := map[string]struct {
		rights []right
		want   []string
	}{
		"reading": {reads, []string{
			"list things.example.com", "watch things.example.com",
			"get secrets", "list secrets", "watch secrets",
			"list others.example.com one in home", "watch others.example.com one in home",
		}},
		"writing": {writes, []string{
			"patch things.example.com", "delete things.example.com",
			"patch things/status.example.com", "delete things/status.example.com",
			"update configmaps a", "update configmaps b",
		}},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var got []string
			for _, right := range test.rights {
				got = append(got, right.String())
			}

			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("the rights (-want +got):\n%s", diff)
			}
		})
	}
}
