// Package target is what a Receiver comes to once all that it refers to is known: the addresses it has, each with
// the channel that leads there. The engine delivers to targets and knows no object of the API.
package target

import (
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
)

// Receiver is a Receiver with its targets. Nothing changes one once it is made: an edit makes another.
type Receiver struct {
	// Route is the receiver as routing knows it, its name and its channels among the rest.
	Route *routing.Receiver
	// Tenant is whose it is; empty for a global one.
	Tenant string
	// Targets are its addresses, by channel in the order of Route.Channels.
	Targets []Target
	// OnlyFiring leaves out that alerts are resolved.
	OnlyFiring bool
	// Retry are the limits of its deliveries; nil for those of all.
	Retry *delivery.Limits
	// Open tells whether the receiver wants to hear at a time; nil is always. What comes meanwhile is kept until
	// Opens.
	Open func(at time.Time) (open bool, opens time.Time)
}

// Target is one address of a receiver. It is there even where it cannot be used: what is for it waits until somebody
// mends what is missing.
type Target struct {
	// Key tells it from the other targets of the receiver, and stays the same over edits of anything but the address:
	// the type of the channel and what the provider calls the address, without a secret in it.
	Key string
	// Type is the type of its channel.
	Type channel.Type
	// Channel leads there; nil where Broken says why not.
	Channel channel.Channel
	// Broken says what is missing, by field; nil where nothing is.
	Broken error
	// Where are the limits it shares with others, and its own.
	Where delivery.Where
	// Timeout is how long a message may take.
	Timeout time.Duration
}

// ByKey gives the target of a receiver with a key.
func (r *Receiver) ByKey(key string) (*Target, bool) {
	for i := range r.Targets {
		if r.Targets[i].Key == key {
			return &r.Targets[i], true
		}
	}

	return nil, false
}

// Of gives the targets of one type of channel.
func (r *Receiver) Of(kind channel.Type) []*Target {
	var targets []*Target

	for i := range r.Targets {
		if r.Targets[i].Type == kind {
			targets = append(targets, &r.Targets[i])
		}
	}

	return targets
}
