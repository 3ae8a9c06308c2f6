package manager

import (
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/ks-core/ks-controller-manager/pkg/kube/guard"
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
	// Degraded controllers reconcile, and something of it does not work.
	Degraded State = "Degraded"
	// Failed controllers could not be started, or ended, and are tried again with back-off.
	Failed State = "Failed"
)

// States lists all states.
func States() []State {
	return []State{Disabled, Waiting, Starting, Standby, Running, Degraded, Failed}
}

// Settled tells whether the state is one that lasts by itself.
func (s State) Settled() bool { return s != Starting }

// well tells whether nobody needs to do anything.
func (s State) well() bool { return s == Disabled || s == Standby || s == Running }

// Reasons of a state, in one CamelCase word.
const (
	ReasonNotSelected     = "NotSelected"
	ReasonGateDisabled    = "GateDisabled"
	ReasonDiscovering     = "Discovering"
	ReasonCRDMissing      = "CRDMissing"
	ReasonCRDOutdated     = "CRDOutdated"
	ReasonCRDTerminating  = "CRDTerminating"
	ReasonOriginalRunning = "OriginalRunning"
	ReasonForbidden       = "Forbidden"
	ReasonUnreachable     = "APIServerUnreachable"
	ReasonCachesSyncing   = "CachesSyncing"
	ReasonNotLeader       = "NotLeader"
	ReasonRunning         = "Running"
	ReasonPanicking       = "Panicking"
	ReasonHanging         = "Hanging"
	ReasonHotLoop         = "HotLoop"
	ReasonBackOff         = "BackOff"
)

// Reason describes a reason for the reference pages.
type Reason struct {
	State  State
	Reason string
	Advice string
}

// Reasons lists what a controller may say of its state, and what to do about it.
func Reasons() []Reason {
	return []Reason{
		{Disabled, ReasonNotSelected, "nothing, or ask for it with `--controllers`"},
		{Disabled, ReasonGateDisabled, "nothing, or switch it on with `--feature-gates`"},
		{
			Waiting, ReasonCRDMissing,
			"install the definitions that the message names; it starts by itself within seconds",
		},
		{Waiting, ReasonCRDOutdated, "apply `config/crd` of this release; it starts by itself within seconds"},
		{Waiting, ReasonOriginalRunning, "scale KubeSphere's own manager down, with the command in the message"},
		{Waiting, ReasonForbidden, "bind the role that the message names; it is looked at every 10 s"},
		{Waiting, ReasonUnreachable, "see why the API server does not answer"},
		{Starting, ReasonDiscovering, "wait; if it lasts, the message says what fails"},
		{Starting, ReasonCachesSyncing, "wait; if it lasts, the message says which list fails"},
		{Standby, ReasonNotLeader, "nothing: another replica holds the Lease"},
		{Running, ReasonRunning, "nothing"},
		{Running, ReasonCRDTerminating, "nothing, or remove what keeps the last objects: it stays until they are gone"},
		{Degraded, ReasonForbidden, "grant the write that the message names; it is looked at every 10 s"},
		{Degraded, ReasonPanicking, "report the panic of the message; only the object it names is held back"},
		{Degraded, ReasonHanging, "report the object of the message; others go on"},
		{
			Degraded, ReasonHotLoop,
			"see who writes to the object of the message all the time; it is limited to one run a second",
		},
		{Failed, ReasonBackOff, "see the message; it is tried again with growing pauses of at most 5 min"},
	}
}

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
	// Since is when it came to this state for this reason.
	Since time.Time `json:"since"`
	// Definitions are the custom resource definitions it needs or uses and that are there, each with the
	// generation seen.
	Definitions map[string]int64 `json:"definitions,omitempty"`
	// Optional lists the optional definitions among them that it is using now.
	Optional []string `json:"optional,omitempty"`
	// Starts is how often it was started.
	Starts int `json:"starts"`
	// Restarts is how many of the starts followed a panic or another failure.
	Restarts int `json:"restarts"`
	// LastFailure is what the last of these was.
	LastFailure string `json:"lastFailure,omitempty"`
	// Runs counts its reconciles.
	Runs guard.Counts `json:"runs"`
	// Troubles name a few objects that do not fare well.
	Troubles []guard.Trouble `json:"troubles,omitempty"`
}

// sameStory tells whether two rows say the same of a controller to somebody who looks at them now and then.
func (r Row) sameStory(other Row) bool {
	return r.State == other.State && r.Reason == other.Reason && r.Message == other.Message
}

// board keeps the state of every controller of the process.
type board struct {
	clock clock.PassiveClock

	mutex sync.Mutex
	rows  []Row
}

func newBoard(clock clock.PassiveClock) *board { return &board{clock: clock} }

// put adds or replaces the row of a controller, and returns it with the one before.
func (b *board) put(row Row) (before, after Row) {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	row.Since = b.clock.Now()

	index := slices.IndexFunc(b.rows, func(other Row) bool { return other.Name == row.Name })
	if index < 0 {
		b.rows = append(b.rows, row)

		return Row{}, row
	}

	before = b.rows[index]
	if before.State == row.State && before.Reason == row.Reason {
		row.Since = before.Since
	}

	b.rows[index] = row

	return before, row
}

// snapshot returns all rows in the order in which they were first put.
func (b *board) snapshot() []Row {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	return slices.Clone(b.rows)
}
