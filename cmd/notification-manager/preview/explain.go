// Package preview shows what would become of an alert: who would be told of it, and in which words. The server and
// the verbs of the command line show the same.
package preview

import (
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

// Explanation says who is told of an alert and who is not, and why.
type Explanation struct {
	Labels    map[string]string `json:"labels"`
	Policy    string            `json:"routePolicy"`
	Tenants   []string          `json:"tenants,omitempty"`
	NoTenants string            `json:"noTenants,omitempty"`
	Routers   []Router          `json:"routers,omitempty"`
	Receivers []Receiver        `json:"receivers"`
}

// Router is what a router does with the alert.
type Router struct {
	Name      string   `json:"name"`
	Selected  bool     `json:"selected"`
	Why       string   `json:"why,omitempty"`
	Receivers []string `json:"receivers,omitempty"`
}

// Receiver is whether a receiver is told of the alert.
type Receiver struct {
	Name string `json:"name"`
	// Owner is global, or the tenant.
	Owner    string    `json:"owner"`
	Told     bool      `json:"told"`
	Via      []string  `json:"via,omitempty"`
	Routers  []string  `json:"routers,omitempty"`
	Why      string    `json:"why,omitempty"`
	Channels []Channel `json:"channels,omitempty"`
}

// Channel is whether a channel of a receiver tells of the alert.
type Channel struct {
	Type string `json:"type"`
	Told bool   `json:"told"`
	Why  string `json:"why,omitempty"`
	// Targets are the addresses, without what is secret of them, and Waiting is why messages to them would wait.
	Targets []string `json:"targets,omitempty"`
	Waiting string   `json:"waiting,omitempty"`
}

// Results gives what a Receiver came to.
type Results func(name string) (resolve.Result, bool)

// Explain makes an explanation readable.
func Explain(set labels.Labels, from routing.Explanation, results Results) Explanation {
	made := Explanation{
		Labels: set.Map(), Policy: from.Policy.String(), Tenants: from.Tenants, NoTenants: from.NoTenants,
		Receivers: []Receiver{},
	}

	for _, one := range from.Routers {
		made.Routers = append(made.Routers, Router(one))
	}

	for i := range from.Receivers {
		made.Receivers = append(made.Receivers, receiver(&from.Receivers[i], results))
	}

	return made
}

func receiver(from *routing.ReceiverVerdict, results Results) Receiver {
	made := Receiver{
		Name: from.Name, Owner: ownerOf(from.Owner), Told: from.Told, Routers: from.Routers, Why: from.Why,
	}

	if from.Via != 0 {
		made.Via = strings.Split(from.Via.String(), "+")
	}

	result, known := results(from.Name)

	for _, one := range from.Channels {
		channel := Channel{Type: one.Type, Told: one.Told, Why: one.Why}
		if known {
			channel.reach(result)
		}

		made.Channels = append(made.Channels, channel)
	}

	return made
}

// reach adds the targets, and why they cannot be reached.
func (c *Channel) reach(result resolve.Result) {
	for i := range result.Receiver.Targets {
		to := &result.Receiver.Targets[i]
		if string(to.Type) != c.Type {
			continue
		}

		c.Targets = append(c.Targets, to.Key)

		if to.Broken != nil {
			c.Waiting = to.Broken.Error()
		}
	}
}

// ownerOf is how an owner is shown.
func ownerOf(owner selector.Owner) string {
	if owner.Kind == selector.Tenant {
		return "tenant " + owner.Tenant
	}

	return owner.Kind.String()
}
