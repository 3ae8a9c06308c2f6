package grouping

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/store"
)

// Memory is what a store has kept of groups, for the time of a start: groups are made of the alerts that hold, by
// the receivers of today, and take up what the groups of the same keys have told.
type Memory map[string]Kept

// Kept is what a store knows of a group.
type Kept struct {
	due  time.Time
	told told
}

// ReadMemory reads what was kept of groups. Rows that cannot be read are left out and counted: such a group tells
// once more what it has told.
func ReadMemory(from *store.Store) (Memory, int, error) {
	memory, unread := Memory{}, 0

	err := from.Each(store.Groups, func(key, value []byte) error {
		kept, err := readKept(value)
		if err != nil {
			unread++

			return nil //nolint:nilerr // counted
		}

		memory[string(key)] = kept

		return nil
	})

	return memory, unread, err
}

// Rejoin puts an alert that was kept back into the group of a receiver, which goes on where it was. Groups of a relay
// keep no alerts that they have told.
func (t *Table) Rejoin(now time.Time, receiver string, timing *Timing, kept *alert.Alert, memory Memory) {
	if timing.Mode == Relay {
		return
	}

	key, common := keyOf(receiver, timing, kept.Labels)

	group := t.groups[key]
	if group == nil {
		group = t.insert(receiver, key, common)
		t.resume(now, group, timing, memory)
	}

	group.admit(t.update(kept))
}

// resume gives a group its next turn: the one it would have had.
func (t *Table) resume(now time.Time, group *Group, timing *Timing, memory Memory) {
	group.timing = *timing

	before, known := memory[group.key]
	if !known {
		t.queue.set(group, now.Add(timing.Wait))
		t.changes.group(group)

		return
	}

	group.told = before.told
	t.queue.set(group, before.next(now, timing.Interval))
}

// next is the turn that a group would have had next: overdue ones are missed, except the first.
func (k *Kept) next(now time.Time, interval time.Duration) time.Time {
	if !k.told.flushed || k.due.After(now) || interval <= 0 {
		return later(now, k.due)
	}

	overdue := now.Sub(k.due)

	return k.due.Add(overdue.Truncate(interval) + interval)
}

// Sweep gives the rows of groups that were kept and are there no more.
func (t *Table) Sweep(memory Memory) []store.Change {
	var rows []store.Change

	for key := range memory {
		if t.groups[key] == nil {
			rows = append(rows, store.Change{Table: store.Groups, Key: []byte(key)})
		}
	}

	return rows
}

// Await puts an alert that a group of a relay had gathered back, in the group that it belongs to today; it is due at
// once.
func (t *Table) Await(
	now time.Time, key []byte, gathered *alert.Alert, timingOf func(receiver string) *Timing,
) error {
	one, err := readWaiting(key)
	if err != nil {
		return err
	}

	receiver := receiverOf(one.group)
	timing := *timingOf(receiver)
	timing.Mode = Relay // how it was gathered is how it is told

	t.changes.waiting[one] = struct{}{} // its row goes if it has another key now
	t.Add(now, receiver, &timing, gathered)

	return nil
}

// readKept decodes the row of a group.
func readKept(encoded []byte) (Kept, error) {
	var kept Kept

	if len(encoded) < 2 || encoded[0] != format {
		return kept, fmt.Errorf("a group: %w", alert.ErrFormat)
	}

	r := reader{rest: encoded[2:]}
	kept.told.flushed = encoded[1] == 1
	kept.due = r.time()
	kept.told.at = r.time()
	kept.told.firing = r.identities()
	kept.told.resolved = r.identities()

	if r.failed {
		return Kept{}, fmt.Errorf("a group: %w", alert.ErrFormat)
	}

	return kept, nil
}

// reader takes an encoded group apart.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) time() time.Time {
	nanoseconds, n := binary.Varint(r.rest)
	if n <= 0 {
		r.failed = true

		return time.Time{}
	}

	r.rest = r.rest[n:]

	if nanoseconds == 0 {
		return time.Time{}
	}

	return time.Unix(0, nanoseconds).UTC()
}

func (r *reader) identities() []alert.Fingerprint {
	const size = 8

	count, n := binary.Uvarint(r.rest)
	if n <= 0 || count > uint64(len(r.rest[n:]))/size {
		r.failed = true

		return nil
	}

	r.rest = r.rest[n:]
	ids := make([]alert.Fingerprint, 0, count)

	for range count {
		ids = append(ids, alert.Fingerprint(binary.BigEndian.Uint64(r.rest)))
		r.rest = r.rest[size:]
	}

	return ids
}

// receiverOf is the receiver in the key of a group.
func receiverOf(key string) string {
	receiver, _, _ := strings.Cut(key[1:], string([]byte{separator}))

	return receiver
}

// readWaiting takes the key of an alert that waits apart.
func readWaiting(key []byte) (waiting, error) {
	const size = 8

	if len(key) <= size {
		return waiting{}, fmt.Errorf("an alert that waits: %w", alert.ErrFormat)
	}

	end := len(key) - size

	return waiting{group: string(key[:end]), id: alert.Fingerprint(binary.BigEndian.Uint64(key[end:]))}, nil
}
