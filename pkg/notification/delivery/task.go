// Package delivery decides when each message is tried, and tried again. It is a queue that one goroutine owns: tasks
// go in, those whose turn it is come out, and what became of them goes in again. It sends nothing itself.
//
// Each target has a line of its own, so that a dead provider holds up nobody else; the targets of one credential
// share its limits and its circuit breaker. A failure that may pass puts a task back for longer each time; what can
// never succeed, and what is too old, is given up as a dead letter, which somebody can see and try again.
package delivery

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/store"
)

// Task is a notification to bring to one target.
type Task struct {
	// ID is its number, in the order in which tasks were made.
	ID uint64 `json:"id"`
	// Receiver is the name of the Receiver, and Target which of its targets it is for.
	Receiver string `json:"receiver"`
	Target   string `json:"target"`
	// About is the receiver whose alerts they are, where that is another: the history is told of all.
	About string `json:"about,omitempty"`
	// Group are the labels that its alerts have in common.
	Group map[string]string `json:"group,omitempty"`
	// Payload is the number of the notification with its alerts, which several tasks share.
	Payload uint64 `json:"payload"`
	// Alerts is how many alerts it tells of.
	Alerts int `json:"alerts"`
	// Created is when its group told it.
	Created time.Time `json:"created"`
	// Attempts is how often it was tried, and Parts how many of its messages have arrived.
	Attempts int `json:"attempts,omitempty"`
	Parts    int `json:"parts,omitempty"`
	// Parted is the number of messages it made when Parts was counted. Another number now means that what it is made
	// with has changed, and it begins anew.
	Parted int `json:"parted,omitempty"`
	// Held is when the receiver wants to hear of it at the earliest; NotBefore is not before that.
	Held time.Time `json:"held,omitzero"`
	// NotBefore is when it may be tried again.
	NotBefore time.Time `json:"notBefore,omitzero"`
	// Reason, Code and Message are those of the last failure.
	Reason  string `json:"reason,omitempty"`
	Code    int    `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	// Digest tells a task that stands for several, of which there were too many.
	Digest int `json:"digest,omitempty"`
}

// Key is the key of its row in a store.
func Key(id uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, id)
}

// Row is the row of a task in a table. Texts, numbers and times of our time can always be encoded.
func (t *Task) Row(table store.Table) store.Change {
	encoded, _ := json.Marshal(t) //nolint:errchkjson // See above.

	return store.Change{Table: table, Key: Key(t.ID), Value: encoded}
}

// ReadTask decodes the row of a task.
func ReadTask(encoded []byte) (*Task, error) {
	var task Task
	if err := json.Unmarshal(encoded, &task); err != nil {
		return nil, fmt.Errorf("decoding a task: %w", err)
	}

	return &task, nil
}
