package follow

import (
	"sync"
	"time"
)

// item is something that has changed.
type item struct {
	kind Kind
	// namespace is that of a Secret or ConfigMap.
	namespace, name string
}

// Beside the kinds that are watched, these change.
const (
	kindSecret    Kind = "Secret"
	kindConfigMap Kind = "ConfigMap"
	kindCluster   Kind = "Cluster"
	kindSweep     Kind = "Sweep"
)

// dirty is what has changed and was not looked at yet, and since when. What changes twice is there once.
type dirty struct {
	clock func() time.Time

	mutex sync.Mutex
	items map[item]time.Time
	some  chan struct{}
}

func newDirty(clock func() time.Time) *dirty {
	return &dirty{clock: clock, items: map[item]time.Time{}, some: make(chan struct{}, 1)}
}

// add notes a change.
func (d *dirty) add(one item) {
	now := d.clock()

	d.mutex.Lock()
	if _, again := d.items[one]; !again {
		d.items[one] = now
	}
	d.mutex.Unlock()

	select {
	case d.some <- struct{}{}:
	default:
	}
}

// take gives all changes and forgets them.
func (d *dirty) take() map[item]time.Time {
	d.mutex.Lock()
	defer d.mutex.Unlock()

	taken := d.items
	d.items = map[item]time.Time{}

	return taken
}
