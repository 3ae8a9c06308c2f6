package email

import (
	"crypto/sha256"
	"slices"
	"sync"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
)

// mostRemembered is how many messages that were sent to some recipients only are remembered.
const mostRemembered = 64

// memory is who has a message already, of messages that others are still to get: whoever has it is not sent it
// again when they are. It does not outlive the process; a message that was under way then may come twice.
type memory struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]map[string]bool
	order [][sha256.Size]byte
}

func newMemory() *memory {
	return &memory{known: make(map[[sha256.Size]byte]map[string]bool)}
}

func identity(of channel.Message) [sha256.Size]byte {
	return sha256.Sum256([]byte(of.Title + "\x00" + of.Text))
}

// has says who has a message.
func (m *memory) has(of channel.Message, address string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()

	return m.known[identity(of)][address]
}

// add remembers that some have a message.
func (m *memory) add(of channel.Message, addresses []string) {
	m.mu.Lock()
	defer m.mu.Unlock()

	key := identity(of)

	if m.known[key] == nil {
		if len(m.order) == mostRemembered {
			delete(m.known, m.order[0])
			m.order = slices.Delete(m.order, 0, 1)
		}

		m.known[key] = make(map[string]bool)
		m.order = append(m.order, key)
	}

	for _, address := range addresses {
		m.known[key][address] = true
	}
}

// forget forgets a message that all have, or of which nothing more will be tried.
func (m *memory) forget(of channel.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()

	key := identity(of)

	if _, ok := m.known[key]; ok {
		delete(m.known, key)
		m.order = slices.DeleteFunc(m.order, func(other [sha256.Size]byte) bool { return other == key })
	}
}
