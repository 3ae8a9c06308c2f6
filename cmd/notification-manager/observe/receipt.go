package observe

import (
	"strconv"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/engine"
)

// Outcome is what came of an attempt, in the word that users read.
type Outcome string

// The outcomes.
const (
	// Delivered is a message that arrived.
	Delivered Outcome = "delivered"
	// Retrying is one that is tried again.
	Retrying Outcome = "retrying"
	// Dead is one that was given up.
	Dead Outcome = "dead"
)

// Receipt is one attempt to deliver a message, as users read it. It holds no secret.
type Receipt struct {
	// ID is the number of the delivery as a text, for many readers of JSON lose the end of long numbers.
	ID       string `json:"id"`
	Receiver string `json:"receiver"`
	Tenant   string `json:"tenant,omitempty"`
	Channel  string `json:"channel,omitempty"`
	Target   string `json:"target"`
	// About is the receiver whose messages a history is told of.
	About   string            `json:"about,omitempty"`
	Group   map[string]string `json:"group,omitempty"`
	Alerts  int               `json:"alerts"`
	Outcome Outcome           `json:"outcome"`
	// Attempts is how often it was tried, this time included.
	Attempts int    `json:"attempts"`
	Reason   string `json:"reason,omitempty"`
	Code     int    `json:"code,omitempty"`
	Message  string `json:"message,omitempty"`
	// Created is when it was decided to tell, At when the attempt ended, and NotBefore when the next may begin.
	Created   time.Time `json:"created"`
	At        time.Time `json:"at"`
	NotBefore time.Time `json:"notBefore,omitzero"`
	// Seconds is how long the attempt took.
	Seconds float64 `json:"seconds"`
	// Digest is how many messages it stands for, of which there were too many.
	Digest int `json:"digest,omitempty"`
}

func outcomeOf(verdict delivery.Verdict) Outcome {
	switch verdict {
	case delivery.Delivered:
		return Delivered
	case delivery.Dead:
		return Dead
	case delivery.Again:
		return Retrying
	default:
		return Retrying
	}
}

func receiptOf(from *engine.Receipt) Receipt {
	made := Of(&from.Task)
	made.Tenant, made.Channel = from.Tenant, string(from.Type)
	made.Outcome, made.At, made.Seconds = outcomeOf(from.Verdict), from.At, from.Took.Seconds()

	if from.Verdict == delivery.Delivered { // what failed before is over
		made.Reason, made.Code, made.Message, made.NotBefore = "", 0, "", time.Time{}
	}

	return made
}

// Of is the receipt of a task that was given up.
func Of(task *delivery.Task) Receipt {
	const decimal = 10

	return Receipt{
		ID: strconv.FormatUint(task.ID, decimal), Receiver: task.Receiver, Target: task.Target, About: task.About,
		Group: task.Group, Alerts: task.Alerts, Outcome: Dead, Attempts: task.Attempts, Reason: task.Reason,
		Code: task.Code, Message: task.Message, Created: task.Created, NotBefore: task.NotBefore, Digest: task.Digest,
	}
}

// Filter says which receipts are asked for; what it leaves empty lets all pass.
type Filter struct {
	Receiver, Tenant string
	Outcome          Outcome
}

// Passes tells whether a receipt is asked for.
func (f Filter) Passes(one *Receipt) bool {
	return (f.Receiver == "" || f.Receiver == one.Receiver) && (f.Tenant == "" || f.Tenant == one.Tenant) &&
		(f.Outcome == "" || f.Outcome == one.Outcome)
}

// ring keeps the last receipts.
type ring struct {
	size     int
	next     int
	receipts []Receipt
}

func newRing(size int) ring {
	return ring{size: size}
}

func (r *ring) add(one Receipt) {
	switch {
	case r.size <= 0:
	case len(r.receipts) < r.size:
		r.receipts = append(r.receipts, one)
	default:
		r.receipts[r.next] = one
		r.next = (r.next + 1) % r.size
	}
}

func (r *ring) find(filter Filter, most int) []Receipt {
	found := []Receipt{}

	for back := range len(r.receipts) {
		if len(found) >= most {
			break
		}

		at := (r.next + len(r.receipts) - 1 - back) % len(r.receipts)
		if filter.Passes(&r.receipts[at]) {
			found = append(found, r.receipts[at])
		}
	}

	return found
}
