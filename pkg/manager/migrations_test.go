package manager

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
	"github.com/ks-core/ks-controller-manager/pkg/kube/migration"
)

// migrating is migrations of two kinds, in a world that the test changes.
type migrating struct {
	*migrations

	clock    *clocktesting.FakeClock
	defined  map[definitions.Wanted]*definitions.Definition
	leading  map[Domain]bool
	did      []string // the definitions that were migrated
	outcome  migration.Result
	err      error
	logLines []string
}

func firstMigrated() definitions.Wanted {
	return definitions.Wanted{Kind: needed(), Resource: resourceOf(needed())}
}

func secondMigrated() definitions.Wanted {
	return definitions.Wanted{Kind: needed2(), Resource: resourceOf(needed2())}
}

func newMigrating() *migrating {
	m := &migrating{
		clock:   clocktesting.NewFakeClock(time.Unix(0, 0)),
		defined: map[definitions.Wanted]*definitions.Definition{},
		leading: map[Domain]bool{Edge: true, Tenancy: true},
	}
	m.migrations = &migrations{
		kinds: []migrated{{wanted: firstMigrated(), domain: Edge}, {wanted: secondMigrated(), domain: Tenancy}},
		known: func(wanted definitions.Wanted) (definitions.Kind, bool) {
			return definitions.Kind{Definition: m.defined[wanted]}, true
		},
		leads: func(domain Domain) (bool, string) { return m.leading[domain], "" },
		do: func(_ context.Context, name string) (migration.Result, error) {
			m.did = append(m.did, name)

			return m.outcome, m.err
		},
		clock: m.clock, settle: time.Minute, woken: make(chan struct{}, 1), state: map[string]*migrationState{},
	}

	return m
}

// define has a kind defined in a generation.
func (m *migrating) define(wanted definitions.Wanted, generation int64) {
	m.defined[wanted] = &definitions.Definition{Name: wanted.Name(), Generation: 1 + generation}
}

// want looks at the definitions and compares what was migrated since the last time, and when to look again.
func (m *migrating) want(t *testing.T, again time.Duration, did ...string) {
	t.Helper()

	m.did = nil

	logger := funcr.New(func(_, line string) { m.logLines = append(m.logLines, line) }, funcr.Options{})
	got := m.step(klog.NewContext(t.Context(), logger))

	if diff := cmp.Diff(did, m.did); diff != "" || got != again {
		t.Errorf("look again in %s, want %s; migrated (-want +got):\n%s", got, again, diff)
	}
}

func TestMigrationsSettleFirst(t *testing.T) {
	t.Parallel()

	m := newMigrating()
	m.want(t, time.Hour) // nothing is defined

	m.define(firstMigrated(), 1)
	m.want(t, time.Minute)
	m.clock.Step(20 * time.Second)
	m.define(secondMigrated(), 1)
	m.want(t, 40*time.Second)

	// A change begins anew.
	m.define(firstMigrated(), 2)
	m.want(t, time.Minute)
	m.clock.Step(59 * time.Second)
	m.want(t, time.Second)
	m.clock.Step(time.Second)
	m.want(t, migrateAgain, firstMigrated().Name(), secondMigrated().Name())
}

func TestMigrationsHappenOncePerGeneration(t *testing.T) {
	t.Parallel()

	m := newMigrating()
	m.define(firstMigrated(), 1)
	m.want(t, time.Minute)
	m.clock.Step(time.Minute)
	m.want(t, migrateAgain, firstMigrated().Name())

	m.clock.Step(24 * time.Hour)
	m.want(t, time.Hour)

	m.define(firstMigrated(), 2)
	m.want(t, time.Minute)
	m.clock.Step(time.Minute)
	m.want(t, migrateAgain, firstMigrated().Name())
}

func TestMigrationsHappenWhereTheDomainIsLed(t *testing.T) {
	t.Parallel()

	m := newMigrating()
	m.define(firstMigrated(), 1)
	m.define(secondMigrated(), 1)
	m.leading[Edge] = false
	m.want(t, time.Minute)
	m.clock.Step(time.Minute)
	m.want(t, migrateAgain, secondMigrated().Name())

	// Whoever has just begun to lead lets it settle, too.
	m.leading[Edge] = true
	m.want(t, time.Minute)
	m.clock.Step(time.Minute)
	m.want(t, migrateAgain, firstMigrated().Name())
}

func TestMigrationsSpareWhatIsBeingDeleted(t *testing.T) {
	t.Parallel()

	m := newMigrating()
	m.define(firstMigrated(), 1)
	m.want(t, time.Minute)
	m.clock.Step(time.Minute)

	m.defined[firstMigrated()].Terminating = true
	m.want(t, time.Hour)
	delete(m.defined, firstMigrated())
	m.want(t, time.Hour)
}

func TestMigrationsThatFail(t *testing.T) {
	t.Parallel()

	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "needs"}, "x", errors.New("changed"))
	tests := map[string]struct {
		err  error
		logs int
	}{
		"an error":   {errors.New("unreachable"), 1},
		"a conflict": {conflict, 0},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			m := newMigrating()
			m.define(firstMigrated(), 1)
			m.want(t, time.Minute)
			m.clock.Step(time.Minute)

			m.err = test.err
			m.outcome = migration.Result{Needed: true, Rewritten: 3, StoredVersions: []string{"v1", "v2"}}
			m.want(t, migrateAgain, firstMigrated().Name())

			if len(m.logLines) != test.logs {
				t.Errorf("log: %v", m.logLines)
			}

			want := []MigrationRow{{
				Definition: firstMigrated().Name(), StoredVersions: []string{"v1", "v2"}, Rewritten: 3,
				Message: test.err.Error(),
			}}
			if diff := cmp.Diff(want, m.rows()); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}

			m.clock.Step(migrateAgain - time.Second)
			m.want(t, time.Second)

			m.clock.Step(time.Second)
			m.err, m.outcome = nil, migration.Result{Needed: true, Rewritten: 1, StoredVersions: []string{"v2"}}
			m.want(t, migrateAgain, firstMigrated().Name())

			want = []MigrationRow{{
				Definition: firstMigrated().Name(), StoredVersions: []string{"v2"}, Rewritten: 1, Done: true,
			}}
			if diff := cmp.Diff(want, m.rows()); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

// A migration that was told to stop says nothing about the objects.
func TestMigrationThatWasStopped(t *testing.T) {
	t.Parallel()

	m := newMigrating()
	m.define(firstMigrated(), 1)
	m.want(t, time.Minute)
	m.clock.Step(time.Minute)

	ctx, cancel := context.WithCancel(t.Context())
	m.do = func(ctx context.Context, _ string) (migration.Result, error) {
		cancel()

		return migration.Result{}, ctx.Err()
	}
	m.step(ctx)

	if diff := cmp.Diff([]MigrationRow{{Definition: firstMigrated().Name()}}, m.rows()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestMigrationRowsStandInTheOrderOfTheKinds(t *testing.T) {
	t.Parallel()

	m := newMigrating()

	if rows := m.rows(); rows == nil || len(rows) != 0 {
		t.Errorf("rows %v, want none and a list", rows)
	}

	m.define(secondMigrated(), 1)
	m.want(t, time.Minute)
	m.define(firstMigrated(), 1)
	m.want(t, time.Minute)

	want := []MigrationRow{{Definition: firstMigrated().Name()}, {Definition: secondMigrated().Name()}}
	if diff := cmp.Diff(want, m.rows()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// The loop looks again at the time that step names, or when it is woken.
func TestMigrationsRun(t *testing.T) {
	t.Parallel()

	m := newMigrating()
	did, looked := make(chan string, 1), make(chan struct{}, 100)
	m.do = func(_ context.Context, name string) (migration.Result, error) {
		did <- name

		return migration.Result{}, nil
	}
	m.leads = func(Domain) (bool, string) {
		looked <- struct{}{}

		return true, ""
	}
	m.kinds = m.kinds[:1]

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})

	go func() {
		defer close(ended)

		m.run(ctx)
	}()

	<-looked

	for range 3 { // twice at the most, and never a wait for the loop
		m.wake()
	}

	<-looked
	cancel()
	<-ended

	if len(did) != 0 {
		t.Errorf("migrated %s, which is not defined", <-did)
	}

	// With a definition the clock wakes it.
	m.define(firstMigrated(), 1)

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()

	go m.run(ctx)

	for {
		select {
		case name := <-did:
			if name != firstMigrated().Name() {
				t.Errorf("migrated %s", name)
			}

			return
		case <-time.After(time.Millisecond):
			if m.clock.HasWaiters() {
				m.clock.Step(time.Second)
			}
		}
	}
}

func TestMigratedKinds(t *testing.T) {
	t.Parallel()

	first, second := judged(), judged()
	second.Name, second.Domain = "second", Tenancy

	want := []definitions.Wanted{firstMigrated()}

	var got []definitions.Wanted

	for _, kind := range (Catalog{first, second}).migratedKinds() {
		got = append(got, kind.wanted)

		if kind.domain != first.Domain {
			t.Errorf("%s belongs to %s", kind.wanted.Name(), kind.domain)
		}
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kinds that are ours (-want +got):\n%s", diff)
	}
}

// A definition that never changed has nothing in another version, so a restart need not read it.
func TestMigrationsLeaveTheFirstGenerationAlone(t *testing.T) {
	t.Parallel()

	unchanged := &migrations{clock: clocktesting.NewFakeClock(time.Now()), state: map[string]*migrationState{}}
	for generation, want := range map[int64]bool{1: false, 2: true} {
		_, pending := unchanged.due(&definitions.Definition{Name: "kinds.example.com", Generation: generation})
		if pending != want {
			t.Errorf("generation %d: pending %t, want %t", generation, pending, want)
		}
	}
}
