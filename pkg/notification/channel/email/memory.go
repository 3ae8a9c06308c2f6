package email

import (
	"crypto/sha256"
	"slices"
	"sync"
)

const (
	// mostOfOne is how many messages of one channel that were sent to some recipients only are remembered.
	mostOfOne = 64
	// mostOfAll is how many those of all channels may be.
	mostOfAll = 2048
)

// Memory is who has a message already, of messages that others are still to get: whoever has it is not sent it again
// when they are. It holds no more than so many messages, and forgets the oldest; and it does not outlive the process.
// Those of a message that is forgotten may get it twice. It is safe for use by several goroutines.
type Memory struct {
	mu    sync.Mutex
	known map[key]map[string]bool
	// order are the keys of known, the oldest first.
	order []key
}

// key is a message of a channel.
type key struct {
	scope string
	sum   [sha256.Size]byte
}

// NewMemory makes a memory of nothing.
func NewMemory() *Memory {
	return &Memory{known: make(map[key]map[string]bool)}
}

// has says who has a message.
func (m *Memory) has(of key, address string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()

	return m.known[of][address]
}

// add remembers that some have a message.
func (m *Memory) add(of key, addresses []string) {
	m.mu.Lock()
	defer m.mu.Unlock()

	if m.known[of] == nil {
		m.room(of.scope)

		m.known[of] = make(map[string]bool)
		m.order = append(m.order, of)
	}

	for _, address := range addresses {
		m.known[of][address] = true
	}
}

// room forgets the oldest message of a channel that has its share, or of all.
func (m *Memory) room(scope string) {
	count, oldest := 0, 0

	for i, one := range m.order {
		if one.scope != scope {
			continue
		}

		if count == 0 {
			oldest = i
		}

		count++
	}

	switch {
	case count >= mostOfOne:
		m.drop(oldest)
	case len(m.order) >= mostOfAll:
		m.drop(0)
	}
}

func (m *Memory) drop(index int) {
	delete(m.known, m.order[index])
	m.order = slices.Delete(m.order, index, index+1)
}

// forget forgets a message that all have, or of which nothing more will be tried.
func (m *Memory) forget(of key) {
	m.mu.Lock()
	defer m.mu.Unlock()

	if _, known := m.known[of]; known {
		m.drop(slices.Index(m.order, of))
	}
}
