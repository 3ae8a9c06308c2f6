package manager

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
	"github.com/ks-core/ks-controller-manager/pkg/kube/migration"
)

const (
	// migrationSettle is how long a definition must have stayed as it is before its objects are rewritten: an API
	// server that has not seen it yet would store them in the old version again.
	migrationSettle = 2 * time.Minute

	// firstGeneration is that of a definition that has not changed since it was made: what is stored of it can only be
	// in its storage version, and there is no need to read it.
	firstGeneration = 1

	// migrateAgain is the pause after a migration that did not get to its end.
	migrateAgain = 5 * time.Minute
)

// MigrationRow is what the status page says of the storage version of a definition.
type MigrationRow struct {
	// Definition is the name of the custom resource definition.
	Definition string `json:"definition"`
	// StoredVersions are those in which objects may be stored, as last seen.
	StoredVersions []string `json:"storedVersions,omitempty"`
	// Rewritten is how many objects were written anew in the last run.
	Rewritten int `json:"rewritten,omitempty"`
	// Failed names objects that the API server did not let be rewritten, and why.
	Failed []string `json:"failed,omitempty"`
	// Message says what keeps the migration from its end.
	Message string `json:"message,omitempty"`
	// Done tells that all objects are stored in the version of the definition.
	Done bool `json:"done"`
}

// migrations brings the objects of our definitions to the version in which they are stored now, one definition at
// a time, in the process that leads the domain.
type migrations struct {
	kinds  []migrated
	known  func(definitions.Wanted) (definitions.Kind, bool)
	leads  func(Domain) (bool, string)
	do     func(ctx context.Context, definition string) (migration.Result, error)
	clock  clock.WithTicker
	settle time.Duration
	woken  chan struct{}

	mutex sync.Mutex
	state map[string]*migrationState
}

// migrated is a kind whose definition is ours.
type migrated struct {
	wanted definitions.Wanted
	domain Domain
}

// migrationState is where a definition stands.
type migrationState struct {
	generation int64     // that was last seen
	next       time.Time // when to migrate; not before
	row        MigrationRow
}

// migratedKinds lists the kinds whose definitions are ours, each once.
func (c Catalog) migratedKinds() []migrated {
	var kinds []migrated

	seen := map[definitions.Wanted]bool{}

	for _, descriptor := range c {
		for _, required := range descriptor.Requires {
			wanted := descriptor.wanted(required.GroupVersionKind)
			if required.Revision > 0 && !seen[wanted] {
				seen[wanted] = true
				kinds = append(kinds, migrated{wanted: wanted, domain: descriptor.Domain})
			}
		}
	}

	return kinds
}

func newMigrations(p *process) *migrations {
	settle := p.config.MigrationSettle
	if settle == 0 {
		settle = migrationSettle
	}

	return &migrations{
		kinds: p.enabled().migratedKinds(), known: p.definitions.Kind, leads: p.leads,
		do:    migration.New(p.live, migration.Options{Clock: p.clock}).Migrate,
		clock: p.clock, settle: settle, woken: make(chan struct{}, 1), state: map[string]*migrationState{},
	}
}

// wake has the definitions looked at again.
func (m *migrations) wake() {
	select {
	case m.woken <- struct{}{}:
	default: // it has been told already
	}
}

// run migrates what needs it until the context ends.
func (m *migrations) run(ctx context.Context) {
	for {
		timer := m.clock.NewTimer(m.step(ctx))

		select {
		case <-ctx.Done():
			timer.Stop()

			return
		case <-m.woken:
		case <-timer.C():
		}

		timer.Stop()
	}
}

// step migrates what is due, and returns when something will be.
func (m *migrations) step(ctx context.Context) time.Duration {
	again := time.Hour // an event wakes it before

	for _, kind := range m.kinds {
		if leads, _ := m.leads(kind.domain); !leads {
			continue
		}

		known, _ := m.known(kind.wanted)
		if known.Definition == nil || known.Definition.Terminating {
			continue
		}

		if wait, pending := m.due(known.Definition); pending && wait > 0 {
			again = min(again, wait)
		} else if pending {
			m.migrate(ctx, known.Definition)

			again = min(again, migrateAgain)
		}
	}

	return again
}

// due tells whether a definition has to be looked at, and how long to wait before.
func (m *migrations) due(definition *definitions.Definition) (time.Duration, bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	now := m.clock.Now()

	state, seen := m.state[definition.Name]
	if !seen || state.generation != definition.Generation {
		state = &migrationState{
			generation: definition.Generation, next: now.Add(m.settle),
			row: MigrationRow{Definition: definition.Name, Done: definition.Generation == firstGeneration},
		}
		m.state[definition.Name] = state
	}

	return state.next.Sub(now), !state.row.Done
}

func (m *migrations) migrate(ctx context.Context, definition *definitions.Definition) {
	result, err := m.do(ctx, definition.Name)
	if ctx.Err() != nil {
		return
	}

	logger := klog.FromContext(ctx).WithValues("definition", definition.Name)

	switch {
	case apierrors.IsConflict(err): // it has changed meanwhile, which is seen as a new generation
	case err != nil:
		logger.Info("Cannot migrate stored objects; trying again", "reason", err.Error())
	case result.Needed:
		logger.Info("Migrated stored objects", "rewritten", result.Rewritten, "skipped", result.Skipped,
			"storedVersions", result.StoredVersions)
	}

	m.mutex.Lock()
	defer m.mutex.Unlock()

	state := m.state[definition.Name]
	state.next = m.clock.Now().Add(migrateAgain)
	state.row = MigrationRow{
		Definition: definition.Name, StoredVersions: result.StoredVersions, Rewritten: result.Rewritten,
		Failed: result.Failed, Done: err == nil,
	}

	if err != nil {
		state.row.Message = err.Error()
	}
}

// rows returns what the status page says, in the order of the kinds.
func (m *migrations) rows() []MigrationRow {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	rows := []MigrationRow{}

	for _, kind := range m.kinds {
		if state, seen := m.state[kind.wanted.Name()]; seen {
			rows = append(rows, state.row)
		}
	}

	return rows
}
