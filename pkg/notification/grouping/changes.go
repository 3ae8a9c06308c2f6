package grouping

import (
	"encoding/binary"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/store"
)

// changes are what a store has not been told yet. A thing that changes twice is told once, as it is then.
type changes struct {
	alerts  map[alert.Fingerprint]struct{}
	groups  map[string]struct{}
	waiting map[waiting]struct{}
}

// waiting is an alert that a group of a relay has gathered.
type waiting struct {
	group string
	id    alert.Fingerprint
}

func newChanges() changes {
	return changes{
		alerts:  map[alert.Fingerprint]struct{}{},
		groups:  map[string]struct{}{},
		waiting: map[waiting]struct{}{},
	}
}

func (c *changes) alert(id alert.Fingerprint) { c.alerts[id] = struct{}{} }

func (c *changes) group(group *Group) { c.groups[group.key] = struct{}{} }

func (c *changes) wait(group *Group, id alert.Fingerprint) {
	c.waiting[waiting{group: group.key, id: id}] = struct{}{}
}

// Changes gives what has changed since the last call, as rows of a store.
func (t *Table) Changes() []store.Change {
	rows := make([]store.Change, 0, len(t.changes.alerts)+len(t.changes.groups)+len(t.changes.waiting))

	for id := range t.changes.alerts {
		rows = append(rows, t.alertRow(id))
	}

	for key := range t.changes.groups {
		rows = append(rows, t.groupRow(key))
	}

	for one := range t.changes.waiting {
		rows = append(rows, t.waitingRow(one))
	}

	clear(t.changes.alerts)
	clear(t.changes.groups)
	clear(t.changes.waiting)

	return rows
}

func (t *Table) alertRow(id alert.Fingerprint) store.Change {
	row := store.Change{Table: store.Alerts, Key: binary.BigEndian.AppendUint64(nil, uint64(id))}

	if entry := t.active[id]; entry != nil {
		row.Value = alert.Append(nil, &entry.Alert)
	}

	return row
}

func (t *Table) groupRow(key string) store.Change {
	row := store.Change{Table: store.Groups, Key: []byte(key)}

	if group := t.groups[key]; group != nil {
		row.Value = group.encode()
	}

	return row
}

func (t *Table) waitingRow(one waiting) store.Change {
	row := store.Change{Table: store.Pending, Key: one.encode()}

	if group := t.groups[one.group]; group != nil {
		if entry := group.members[one.id]; entry != nil {
			row.Value = alert.Append(nil, &entry.Alert)
		}
	}

	return row
}

// encode is the key of a row: the group's key, and the alert's fingerprint in eight bytes.
func (w waiting) encode() []byte {
	return binary.BigEndian.AppendUint64([]byte(w.group), uint64(w.id))
}

// format is the first byte of an encoded group.
const format = 1

// encode is what is kept of a group: when it is due, and what it has told.
func (g *Group) encode() []byte {
	buffer := []byte{format, 0}
	if g.told.flushed {
		buffer[1] = 1
	}

	buffer = binary.AppendVarint(buffer, nanoseconds(g.due))
	buffer = binary.AppendVarint(buffer, nanoseconds(g.told.at))
	buffer = appendIdentities(buffer, g.told.firing)

	return appendIdentities(buffer, g.told.resolved)
}

func nanoseconds(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}

	return at.UnixNano()
}

func appendIdentities(buffer []byte, ids []alert.Fingerprint) []byte {
	buffer = binary.AppendUvarint(buffer, uint64(len(ids)))
	for _, id := range ids {
		buffer = binary.BigEndian.AppendUint64(buffer, uint64(id))
	}

	return buffer
}
