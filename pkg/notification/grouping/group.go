// Package grouping decides which alerts are told together, and when. It is a table of groups that one goroutine
// owns: alerts go in, and at their time notifications come out.
//
// It knows two ways. Relay is for alerts that somebody upstream groups and repeats already (an Alertmanager): what
// is posted is told at once, and what follows within a window is told together at its end. Engine is for alerts as
// they come from where they are found (a Prometheus): a group waits for others of its kind, tells what is new at
// intervals, and repeats what goes on. Its decisions are those of Alertmanager, which a test holds them to.
package grouping

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
)

// Mode is one of the two ways.
type Mode uint8

const (
	// Relay tells what is posted.
	Relay Mode = iota
	// Engine tells what changes, and repeats what holds.
	Engine
)

// letter begins the keys of the groups that are told this way.
func (m Mode) letter() byte {
	if m == Engine {
		return 'e'
	}

	return 'r'
}

// Timing is how a receiver wants its groups told.
type Timing struct {
	Mode Mode
	// By are the names of the labels that the alerts of a group have in common; nil puts all in one group.
	By []string
	// Window is, for Relay, how long alerts that follow others are gathered; zero tells each post for itself.
	Window time.Duration
	// Most is, for Relay, how many alerts are gathered at most; zero is without a limit.
	Most int
	// Wait is, for Engine, how long the first alert of a group waits for others.
	Wait time.Duration
	// Interval is, for Engine, how long a group waits before it tells what has changed.
	Interval time.Duration
	// Repeat is, for Engine, after how long it tells again what still holds.
	Repeat time.Duration
	// OnlyFiring leaves out that alerts are resolved.
	OnlyFiring bool
}

// Entry is an alert that groups hold; all groups share it.
type Entry struct {
	Alert alert.Alert
	// ID is its fingerprint, computed once.
	ID alert.Fingerprint

	groups int32
}

// Group is the alerts of one receiver that have the labels of the group in common.
type Group struct {
	// Receiver is the name of whom it is for.
	Receiver string
	// Labels are the labels its alerts have in common.
	Labels labels.Labels

	key     string
	timing  Timing
	members map[alert.Fingerprint]*Entry
	due     time.Time
	told    told
	place   int // in the queue
}

// told is what a group has said last.
type told struct {
	// at is when; zero is never.
	at time.Time
	// flushed tells a group that has had its first turn, even if it had nothing to say.
	flushed bool
	// firing and resolved are the alerts that it said hold, and hold no more.
	firing, resolved []alert.Fingerprint
}

// Key is the identity of the group: what stores keep it by.
func (g *Group) Key() string { return g.key }

// Notification is what a group has to tell now.
type Notification struct {
	Group *Group
	// Alerts are what it tells of: first those that hold, then the others, each in the order of their labels.
	Alerts []*alert.Alert
	// Why is what made it tell.
	Why Why
}

// Why is what makes a group tell.
type Why string

// The reasons, in words of Alertmanager's where it has them.
const (
	Posted      Why = "posted"
	First       Why = "first notification"
	NewFiring   Why = "new alerts in group"
	AllResolved Why = "all alerts resolved"
	NewResolved Why = "new resolved alerts"
	Repeated    Why = "repeat interval elapsed"
)

// keyOf is the identity of the group of a receiver that an alert belongs to, and the labels it has in common. The
// two ways do not share groups.
func keyOf(receiver string, timing *Timing, set labels.Labels) (string, labels.Labels) {
	builder := labels.NewScratchBuilder(len(timing.By))

	for _, name := range timing.By {
		if value := set.Get(name); value != "" {
			builder.Add(name, value)
		}
	}

	builder.Sort()
	common := builder.Labels()

	key := make([]byte, 0, 128)
	key = append(key, timing.Mode.letter())
	key = append(key, receiver...)

	common.Range(func(label labels.Label) {
		key = append(key, separator)
		key = append(key, label.Name...)
		key = append(key, separator)
		key = append(key, label.Value...)
	})

	return shorten(key, receiver), common
}

// shorten keeps keys to what a store takes as one, whatever the labels of an alert are: a long one is made of the sum
// of what it was.
func shorten(key []byte, receiver string) string {
	const longest = 1024

	if len(key) <= longest {
		return string(key)
	}

	sum := sha256.Sum256(key)
	short := append([]byte{key[0]}, receiver...)
	short = append(short, separator)

	return string(append(short, hex.EncodeToString(sum[:])...))
}

// separator is a byte that is in no UTF-8 text.
const separator = 0xff
