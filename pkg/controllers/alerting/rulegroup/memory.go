package rulegroup

import (
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/ruletest"
)

// memory is what a controller remembers of each group to spare work. Without it, as after a restart, everything is
// found out again.
type memory struct {
	mutex  sync.Mutex
	groups map[client.ObjectKey]remembered
}

type remembered struct {
	version  string // of the group that was tested
	failures []ruletest.Failure

	before, wanted string    // digests of the last write: what was there, and what was to be
	written        time.Time // when that was
	status         time.Time // when the status was written last
	over, said     string    // the version of the group that it was written over, and a digest of what it said
}

func newMemory() *memory { return &memory{groups: map[client.ObjectKey]remembered{}} }

func (m *memory) forget(key client.ObjectKey) {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	delete(m.groups, key)
}

func (m *memory) get(key client.ObjectKey) remembered {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	return m.groups[key]
}

func (m *memory) change(key client.ObjectKey, change func(*remembered)) {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	group := m.groups[key]
	change(&group)
	m.groups[key] = group
}

// tested returns the failures of a group's tests, which are run once for each version of it.
func (m *memory) tested(
	key client.ObjectKey, version string, run func() ([]ruletest.Failure, error),
) ([]ruletest.Failure, error) {
	if known := m.get(key); known.version == version {
		return known.failures, nil
	}

	failures, err := run()
	if err != nil {
		return nil, err
	}

	m.change(key, func(group *remembered) { group.version, group.failures = version, failures })

	return failures, nil
}

// wrote notes a write, and settled that what is there is what was to be.
func (m *memory) wrote(key client.ObjectKey, before, wanted string, now time.Time) {
	m.change(key, func(group *remembered) { group.before, group.wanted, group.written = before, wanted, now })
}

func (m *memory) settled(key client.ObjectKey) {
	if known := m.get(key); known.wanted != "" {
		m.wrote(key, "", "", time.Time{})
	}
}

// repeats tells whether the very write that would be made now has been made from the very state that is there now, and
// how long ago.
func (m *memory) repeats(key client.ObjectKey, current, wanted string, now time.Time) (time.Duration, bool) {
	known := m.get(key)

	return now.Sub(known.written), known.wanted == wanted && known.before == current
}

func (m *memory) reported(key client.ObjectKey, over, said string, now time.Time) {
	m.change(key, func(group *remembered) { group.status, group.over, group.said = now, over, said })
}

// repeatsReport tells whether the very status that would be written now was written over the very version that is there
// now: the store has not heard of it, and the API server would refuse it. What was made of a group wakes it that soon.
func (m *memory) repeatsReport(key client.ObjectKey, over, said string) bool {
	known := m.get(key)

	return known.over == over && known.said == said
}

// sinceReport is how long ago the status was written; long ago when nobody knows.
func (m *memory) sinceReport(key client.ObjectKey, now time.Time) time.Duration {
	known := m.get(key)
	if known.status.IsZero() {
		return lookPeriod
	}

	return now.Sub(known.status)
}
