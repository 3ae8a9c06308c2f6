package email

import (
	"crypto/sha256"
	"strconv"
	"testing"
)

// What is remembered has bounds: one channel's share is its own, and the oldest of all goes when there is no room.
func TestMemoryHasBounds(t *testing.T) {
	t.Parallel()

	m := NewMemory()
	message := func(scope string, number int) key {
		return key{scope: scope, sum: sha256.Sum256([]byte(strconv.Itoa(number)))}
	}

	m.add(message("quiet", 0), []string{"a"})

	for number := range mostOfOne + 1 {
		m.add(message("loud", number), []string{"a"})
	}

	if m.has(message("loud", 0), "a") || !m.has(message("loud", 1), "a") || !m.has(message("quiet", 0), "a") {
		t.Error("not the oldest message of the channel was forgotten that has its share")
	}

	for number := range mostOfAll - mostOfOne {
		m.add(message(strconv.Itoa(number), 0), []string{"a"})
	}

	if m.has(message("quiet", 0), "a") || !m.has(message("loud", 1), "a") {
		t.Error("not the oldest message of all was forgotten")
	}

	if len(m.known) != mostOfAll || len(m.order) != mostOfAll {
		t.Errorf("%d messages and %d keys, want %d", len(m.known), len(m.order), mostOfAll)
	}

	m.forget(message("loud", 1))
	m.forget(message("loud", 1))

	if m.has(message("loud", 1), "a") || len(m.order) != mostOfAll-1 {
		t.Error("a message is not forgotten, or another with it")
	}
}
