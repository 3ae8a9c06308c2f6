package manager

import (
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// State is how a controller is.
type State string

const (
	// Disabled controllers were not asked for.
	Disabled State = "Disabled"
	// Waiting controllers lack something of the cluster.
	Waiting State = "Waiting"
	// Starting controllers are filling their caches.
	Starting State = "Starting"
	// Standby controllers are ready to take over from another replica.
	Standby State = "Standby"
	// Running controllers reconcile.
	Running State = "Running"
)

// States lists all states.
func States() []State {
	return []State{Disabled, Waiting, Starting, Standby, Running}
}

// Reasons of a state, in one CamelCase word.
const (
	ReasonNotSelected   = "NotSelected"
	ReasonGateDisabled  = "GateDisabled"
	ReasonCRDMissing    = "CRDMissing"
	ReasonCachesSyncing = "CachesSyncing"
	ReasonNotLeader     = "NotLeader"
	ReasonRunning       = "Running"
)

// Row is what the status page says of a controller.
type Row struct {
	// Name of the controller.
	Name string `json:"name"`
	// Domain of the controller.
	Domain Domain `json:"domain"`
	// State of the controller.
	State State `json:"state"`
	// Reason is why it is in this state, in one word.
	Reason string `json:"reason"`
	// Message is why it is in this state, in a sentence.
	Message string `json:"message,omitempty"`
	// Since is when it entered the state.
	Since time.Time `json:"since"`
}

// board keeps the state of every controller of the process.
type board struct {
	clock clock.PassiveClock

	mutex   sync.Mutex
	rows    []Row
	pending map[string]int // sources of a starting controller that have yet to sync
	elected bool
}

func newBoard(clock clock.PassiveClock) *board {
	return &board{clock: clock, pending: map[string]int{}}
}

// put adds or replaces the row of a controller.
func (b *board) put(row Row) {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	b.putLocked(row)
}

func (b *board) putLocked(row Row) {
	index := slices.IndexFunc(b.rows, func(other Row) bool { return other.Name == row.Name })
	if index < 0 {
		row.Since = b.clock.Now()
		b.rows = append(b.rows, row)

		return
	}

	row.Since = b.rows[index].Since
	if b.rows[index].State != row.State {
		row.Since = b.clock.Now()
	}

	b.rows[index] = row
}

// starting notes that a controller waits for that many sources.
func (b *board) starting(descriptor Descriptor, sources int) {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	b.pending[descriptor.Name] = sources
	b.putLocked(Row{Name: descriptor.Name, Domain: descriptor.Domain, State: Starting, Reason: ReasonCachesSyncing})
	b.advanceLocked()
}

// sourceSynced notes that one of a controller's sources has delivered all there was at the start.
func (b *board) sourceSynced(name string) {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	b.pending[name]--
	b.advanceLocked()
}

// becameLeader notes that the process may write.
func (b *board) becameLeader() {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	b.elected = true
	b.advanceLocked()
}

// advanceLocked moves the controllers that have all they need to Standby, or to Running on the leader.
func (b *board) advanceLocked() {
	for _, row := range slices.Clone(b.rows) {
		if pending, started := b.pending[row.Name]; !started || pending > 0 {
			continue
		}

		row.State, row.Reason = Standby, ReasonNotLeader
		if b.elected {
			row.State, row.Reason = Running, ReasonRunning
		}

		b.putLocked(row)
	}
}

// snapshot returns all rows in the catalogue's order.
func (b *board) snapshot() []Row {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	return slices.Clone(b.rows)
}
