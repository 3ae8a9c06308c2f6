package alertingpolicy

import (
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// counts remembers what each policy leaves out of each group, so that a change of one group is the work of one.
type counts struct {
	mutex    sync.Mutex
	policies map[string]groupCounts
}

// groupCounts is what one policy leaves out of each group.
type groupCounts map[client.ObjectKey]counted

type counted struct {
	version string
	rules   int
}

func newCounts() *counts { return &counts{policies: map[string]groupCounts{}} }

func (c *counts) forget(policy string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()

	delete(c.policies, policy)
}

func (c *counts) known(policy string) groupCounts {
	c.mutex.Lock()
	defer c.mutex.Unlock()

	return c.policies[policy]
}

// keep remembers what was counted, and nothing else: groups that are gone are forgotten.
func (c *counts) keep(policy string, counted groupCounts) {
	c.mutex.Lock()
	defer c.mutex.Unlock()

	c.policies[policy] = counted
}
