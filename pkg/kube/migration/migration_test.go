package migration_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/ks-core/ks-controller-manager/pkg/kube/migration"
)

var (
	errOffline = errors.New("offline")
	errEnough  = errors.New("enough")
)

func TestNothingToDo(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		change func(*server)
		want   migration.Result
	}{
		"only the storage version is stored": {
			func(s *server) { s.set([]any{"v2"}, "status", "storedVersions") },
			migration.Result{StoredVersions: []string{"v2"}},
		},
		"on its way out": {
			func(s *server) { s.set("2030-01-01T00:00:00Z", "metadata", "deletionTimestamp") },
			migration.Result{StoredVersions: []string{"v1", "v2"}},
		},
		"gone": {
			func(s *server) { s.definition = nil },
			migration.Result{},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := newServer(t, "a", "b")
			tc.change(s)

			got, err := s.migrate(t.Context())
			if err != nil {
				t.Fatalf("Migrate = %v", err)
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}

			if diff := cmp.Diff([]string{"get " + relics}, s.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

// Every call that is made, in order: pages, empty patches, a second look at the
// definition, and its status under the version of that look.
func TestMigrate(t *testing.T) {
	t.Parallel()

	s := newServer(t, "a", "b", "c", "d", "e")
	s.objects[3].stored = "v2"

	got, err := s.migrate(t.Context())
	if err != nil {
		t.Fatalf("Migrate = %v", err)
	}

	want := migration.Result{Needed: true, Rewritten: 4, Skipped: 1, StoredVersions: []string{"v2"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}

	calls := []string{
		"get " + relics,
		"list v2 2 ", "patch a {}", "patch b {}",
		"list v2 2 c", "patch c {}", "patch d {}",
		"list v2 2 e", "patch e {}",
		"get " + relics,
		`status {"metadata":{"resourceVersion":"106"},"status":{"storedVersions":["v2"]}}`,
	}
	if diff := cmp.Diff(calls, s.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}

	if diff := cmp.Diff([]string{"v2"}, s.storedVersions()); diff != "" {
		t.Errorf("stored versions (-want +got):\n%s", diff)
	}

	s.writes = 0
	if got, err := s.migrate(t.Context()); err != nil || got.Needed || s.writes != 0 {
		t.Errorf("the second migration = %+v, %v after %d writes", got, err, s.writes)
	}
}

func TestObjectsThatVanishAreSkipped(t *testing.T) {
	t.Parallel()

	s := newServer(t, "a", "b", "c")
	s.answer = on("patch b", func() error {
		s.objects = slices.Delete(s.objects, 1, 2)

		return nil
	})

	got, err := s.migrate(t.Context())
	if err != nil {
		t.Fatalf("Migrate = %v", err)
	}

	want := migration.Result{Needed: true, Rewritten: 2, Skipped: 1, StoredVersions: []string{"v2"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

// What is refused keeps its old version among those stored, and the others are
// rewritten all the same. A conflict can only come from somebody's admission, and
// says nothing about what is stored.
func TestRefusals(t *testing.T) {
	t.Parallel()

	refusals := map[string]error{
		"invalid":        failure(http.StatusUnprocessableEntity, "spec is wrong"),
		"forbidden":      failure(http.StatusForbidden, "not today"),
		"too large":      failure(http.StatusRequestEntityTooLarge, "too large"),
		"conflict":       apierrors.NewConflict(schema.GroupResource{Resource: "relics"}, "b", errors.New("busy")),
		"webhook failed": failure(http.StatusInternalServerError, "failed calling webhook"),
	}

	for name, refusal := range refusals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := newServer(t, "a", "b", "c")
			s.answer = on("patch b", func() error { return refusal })

			got, err := s.migrate(t.Context())

			want := migration.Result{
				Needed: true, Rewritten: 2, Failed: []string{"ns/b: " + refusal.Error()},
				StoredVersions: []string{"v1", "v2"},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}

			message := "1 of the objects of " + relics + " cannot be written in version v2, so that v1 must stay " +
				"among the stored versions (ns/b: " + refusal.Error() + "): make these objects valid, or delete them, or " +
				"correct the admission that refuses them"
			if err == nil || err.Error() != message {
				t.Errorf("error: %v\nwant:  %s", err, message)
			}

			if diff := cmp.Diff([]string{"v1", "v2"}, s.storedVersions()); diff != "" {
				t.Errorf("stored versions (-want +got):\n%s", diff)
			}

			s.answer = nil
			if got, err := s.migrate(t.Context()); err != nil || got.Rewritten != 1 || got.Skipped != 2 {
				t.Errorf("once it is accepted = %+v, %v", got, err)
			}
		})
	}
}

func TestManyRefusalsEndIt(t *testing.T) {
	t.Parallel()

	s := newServer(t)
	for i := range 50 {
		s.objects = append(s.objects, &object{name: "relic-" + strconv.Itoa(100+i), stored: "v1"})
	}

	s.answer = on("patch", func() error { return failure(http.StatusForbidden, "no") })

	got, err := s.migrate(t.Context())
	if len(got.Failed) != 20 || got.Failed[19] != "relic-119: no" {
		t.Errorf("failed: %q", got.Failed)
	}

	if err == nil || !strings.HasPrefix(err.Error(), "at least 20 of the objects") ||
		!strings.Contains(err.Error(), "(relic-100: no; relic-101: no; relic-102: no)") {
		t.Errorf("error: %v", err)
	}
}

// An error that is not about an object ends the call at once.
func TestErrorsSayWhatWasBeingDone(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		on, want string
		err      error
	}{
		"reading":          {"get", "reading definition " + relics + ": offline", errOffline},
		"listing":          {"list v2 2 c", "listing the objects of " + relics + ": offline", errOffline},
		"rewriting":        {"patch b", "rewriting ns/b of " + relics + ": offline", errOffline},
		"not logged in":    {"patch b", "rewriting ns/b of " + relics + ": who?", failure(http.StatusUnauthorized, "who?")},
		"too many calls":   {"patch b", "rewriting ns/b of " + relics + ": later", failure(http.StatusTooManyRequests, "later")},
		"server goes down": {"patch b", "rewriting ns/b of " + relics + ": bye", failure(http.StatusServiceUnavailable, "bye")},
		"server is slow":   {"patch b", "rewriting ns/b of " + relics + ": slow", failure(http.StatusGatewayTimeout, "slow")},
		"writing":          {"status", "writing the stored versions of " + relics + ": offline", errOffline},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := newServer(t, "a", "b", "c")
			s.answer = on(tc.on, func() error { return tc.err })

			got, err := s.migrate(t.Context())
			if !errors.Is(err, tc.err) || err.Error() != tc.want {
				t.Errorf("Migrate = %v; want %s", err, tc.want)
			}

			if got.Failed != nil {
				t.Errorf("failed: %q", got.Failed)
			}

			if diff := cmp.Diff([]string{"v1", "v2"}, s.storedVersions()); diff != "" {
				t.Errorf("stored versions (-want +got):\n%s", diff)
			}

			if last := s.calls[len(s.calls)-1]; !strings.HasPrefix(last, tc.on) {
				t.Errorf("goes on with %s", last)
			}
		})
	}
}

// What happens to the definition while its objects are being rewritten.
func TestDefinitionChangesMeanwhile(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		on       string
		change   func(*server)
		conflict bool
		stored   []string
	}{
		"its spec": {
			on: "patch b", conflict: true, stored: []string{"v1", "v2"},
			change: func(s *server) { s.set(int64(3), "metadata", "generation") },
		},
		"made anew": {
			on: "patch b", conflict: true, stored: []string{"v1", "v2"},
			change: func(s *server) { s.set("2", "metadata", "uid") },
		},
		"its status": {
			on: "patch b", stored: []string{"v2"},
			change: func(s *server) { s.set("x", "status", "other") },
		},
		"at the last moment": {
			on: "status", conflict: true, stored: []string{"v1", "v2"},
			change: func(s *server) { s.set("x", "status", "other") },
		},
		"migrated by another": {
			on: "patch b", stored: []string{"v2"},
			change: func(s *server) { s.set([]any{"v2"}, "status", "storedVersions") },
		},
		"is being deleted": {
			on: "patch b", stored: []string{"v1", "v2"},
			change: func(s *server) { s.set("2030-01-01T00:00:00Z", "metadata", "deletionTimestamp") },
		},
		"is gone": {
			on:     "patch b",
			change: func(s *server) { s.definition = nil },
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := newServer(t, "a", "b", "c")
			s.answer = on(tc.on, func() error {
				tc.change(s)

				return nil
			})

			got, err := s.migrate(t.Context())
			if apierrors.IsConflict(err) != tc.conflict || (err != nil) != tc.conflict {
				t.Errorf("Migrate = %v; want a conflict: %v", err, tc.conflict)
			}

			if diff := cmp.Diff(tc.stored, got.StoredVersions); diff != "" {
				t.Errorf("stored versions of the result (-want +got):\n%s", diff)
			}

			if s.definition == nil {
				return
			}

			if diff := cmp.Diff(tc.stored, s.storedVersions()); diff != "" {
				t.Errorf("stored versions (-want +got):\n%s", diff)
			}

			s.answer = nil

			again, err := s.migrate(t.Context())
			if err != nil || again.Needed != tc.conflict || again.Rewritten != 0 {
				t.Errorf("called again = %+v, %v", again, err)
			}
		})
	}
}

// A list that takes long outlives the state it began in.
func TestExpiredList(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		answers []error // to the second page, one after the other
		calls   []string
		want    migration.Result
		fails   bool
	}{
		"goes on": {
			answers: []error{expired("c")},
			calls:   []string{"list v2 2 ", "list v2 2 c", "list v2 2 c"},
			want:    migration.Result{Needed: true, Rewritten: 3, StoredVersions: []string{"v2"}},
		},
		"starts over": {
			answers: []error{expired("")},
			calls:   []string{"list v2 2 ", "list v2 2 c", "list v2 2 ", "list v2 2 c"},
			want:    migration.Result{Needed: true, Rewritten: 3, Skipped: 2, StoredVersions: []string{"v2"}},
		},
		"cannot go on and starts over": {
			answers: []error{expired("c"), expired("c")},
			calls:   []string{"list v2 2 ", "list v2 2 c", "list v2 2 c", "list v2 2 ", "list v2 2 c"},
			want:    migration.Result{Needed: true, Rewritten: 3, Skipped: 2, StoredVersions: []string{"v2"}},
		},
		"never ends": {
			answers: slices.Repeat([]error{expired("")}, 6),
			calls:   slices.Repeat([]string{"list v2 2 ", "list v2 2 c"}, 6),
			want:    migration.Result{Needed: true, Rewritten: 2, StoredVersions: []string{"v1", "v2"}},
			fails:   true,
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := newServer(t, "a", "b", "c")
			s.answer = on("list v2 2 c", func() error {
				if len(tc.answers) == 0 {
					return nil
				}

				answer := tc.answers[0]
				tc.answers = tc.answers[1:]

				return answer
			})

			got, err := s.migrate(t.Context())
			if apierrors.IsResourceExpired(err) != tc.fails || (err != nil) != tc.fails {
				t.Errorf("Migrate = %v; want an error: %v", err, tc.fails)
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}

			lists := slices.DeleteFunc(s.calls, func(call string) bool { return !strings.HasPrefix(call, "list") })
			if diff := cmp.Diff(tc.calls, lists); diff != "" {
				t.Errorf("lists (-want +got):\n%s", diff)
			}
		})
	}
}

// A refusal that is met again after the list has started over counts once.
func TestRefusalsOfAListThatStartsOver(t *testing.T) {
	t.Parallel()

	s := newServer(t, "a", "b", "c")
	restart := expired("")
	s.answer = func(call string) error {
		switch {
		case strings.HasPrefix(call, "patch b"):
			return failure(http.StatusForbidden, "no")
		case call == "list v2 2 c" && restart != nil:
			answer := restart
			restart = nil

			return answer
		}

		return nil
	}

	got, err := s.migrate(t.Context())
	if diff := cmp.Diff([]string{"ns/b: no"}, got.Failed); diff != "" || err == nil {
		t.Errorf("Migrate = %v, failed (-want +got):\n%s", err, diff)
	}
}

// Killed after any single write, the next one ends in the same state, and in all
// each object is written once.
func TestKilledAfterAnyWrite(t *testing.T) {
	t.Parallel()

	names := []string{"a", "b", "c", "d", "e"}
	writes := len(names) + 1

	for life := 1; life <= writes; life++ {
		t.Run(strconv.Itoa(life), func(t *testing.T) {
			t.Parallel()

			s := newServer(t, names...)
			s.life = life

			if _, err := s.migrate(t.Context()); !errors.Is(err, errKilled) {
				t.Fatalf("Migrate = %v; want it killed", err)
			}

			if versions := s.storedVersions(); len(s.inOld()) > 0 && !slices.Contains(versions, "v1") {
				t.Errorf("stored versions are %v with %v in v1", versions, s.inOld())
			}

			s.life = 0

			got, err := s.migrate(t.Context())
			if err != nil || got.Needed != (life < writes) {
				t.Errorf("the next = %+v, %v", got, err)
			}

			if s.inOld() != nil || s.writes != writes {
				t.Errorf("%v left in v1 after %d writes, want %d", s.inOld(), s.writes, writes)
			}

			if diff := cmp.Diff([]string{"v2"}, s.storedVersions()); diff != "" {
				t.Errorf("stored versions (-want +got):\n%s", diff)
			}
		})
	}
}

// Objects are asked for in a version that is served; which one they are stored in
// is for the API server to know.
func TestServedVersions(t *testing.T) {
	t.Parallel()

	version := func(name string, served, storage bool) any {
		return map[string]any{"name": name, "served": served, "storage": storage}
	}
	cases := map[string]struct {
		versions []any
		list     string
		want     string
	}{
		"the storage version": {
			versions: []any{version("v1", true, false), version("v2", true, true), version("v3", true, false)},
			list:     "list v2 2 ",
		},
		"another": {
			versions: []any{version("v1", false, false), version("v2", false, true), version("v3", true, false)},
			list:     "list v3 2 ",
		},
		"none": {
			versions: []any{version("v1", false, false), version("v2", false, true)},
			want:     "definition " + relics + " serves no version, so that its objects cannot be rewritten: serve v2",
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := newServer(t, "a", "b")
			s.set(tc.versions, "spec", "versions")

			_, err := s.migrate(t.Context())
			if (err == nil) != (tc.want == "") || err != nil && err.Error() != tc.want {
				t.Errorf("Migrate = %v; want %q", err, tc.want)
			}

			if slices.Contains(s.calls, tc.list) != (tc.list != "") {
				t.Errorf("calls %q; want %q", s.calls, tc.list)
			}
		})
	}
}

func TestContextEnds(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithCancelCause(t.Context())
	s := newServer(t, "a", "b", "c")
	s.answer = on("patch b", func() error {
		cancel(errEnough)

		return nil
	})

	got, err := s.migrate(ctx)
	if !errors.Is(err, errEnough) || got.Rewritten != 2 {
		t.Errorf("Migrate = %+v, %v; want it to end with its context", got, err)
	}

	if diff := cmp.Diff([]string{"v1", "v2"}, s.storedVersions()); diff != "" {
		t.Errorf("stored versions (-want +got):\n%s", diff)
	}
}

// Nobody moves the clock here: only the end of the context ends the wait.
func TestContextEndsWhileWaiting(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithCancelCause(t.Context())
	clock := frozen{clocktesting.NewFakeClock(time.Unix(0, 0)), func() { cancel(errEnough) }}

	s := newServer(t, "a", "b", "c")

	_, err := migration.New(s, migration.Options{Clock: clock}).Migrate(ctx, relics)
	if !errors.Is(err, errEnough) || s.writes != 0 {
		t.Errorf("Migrate = %v after %d writes; want the end of its context", err, s.writes)
	}
}

func TestPace(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		options migration.Options
		call    time.Duration // how long a call takes
		want    time.Duration
	}{
		"by default":       {migration.Options{}, 0, 4 * 20 * time.Millisecond},
		"slower":           {migration.Options{Interval: time.Second}, 0, 4 * time.Second},
		"less what passed": {migration.Options{Interval: time.Second}, 100 * time.Millisecond, 4*time.Second + 100*time.Millisecond},
		"calls are slower": {migration.Options{Interval: time.Second}, 2 * time.Second, 5 * 2 * time.Second},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := newServer(t, "a", "b", "c", "d", "e")
			clock := newLeaper()
			begin := clock.Now()
			s.answer = on("patch", func() error {
				clock.Step(tc.call)

				return nil
			})

			tc.options.Clock = clock
			if _, err := migration.New(s, tc.options).Migrate(t.Context(), relics); err != nil {
				t.Fatalf("Migrate = %v", err)
			}

			if got := clock.Since(begin); got != tc.want {
				t.Errorf("took %s; want %s", got, tc.want)
			}

			if !slices.Contains(s.calls, "list v2 500 ") {
				t.Errorf("calls %q; want pages of 500", s.calls)
			}
		})
	}
}

func TestRules(t *testing.T) {
	t.Parallel()

	want := []rbacv1.PolicyRule{{
		APIGroups: []string{"apiextensions.k8s.io"}, Resources: []string{"customresourcedefinitions"},
		ResourceNames: []string{relics}, Verbs: []string{"get"},
	}, {
		APIGroups: []string{"apiextensions.k8s.io"}, Resources: []string{"customresourcedefinitions/status"},
		ResourceNames: []string{relics}, Verbs: []string{"patch"},
	}, {
		APIGroups: []string{"example.kubesphere.io"}, Resources: []string{"relics"}, Verbs: []string{"list", "patch"},
	}}

	if diff := cmp.Diff(want, migration.Rules("example.kubesphere.io", "relics")); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}
