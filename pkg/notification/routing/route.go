package routing

import (
	"cmp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// Via says by which ways a receiver was found; there may be several.
type Via uint8

// The ways.
const (
	// ViaGlobal is that it is a global receiver.
	ViaGlobal Via = 1 << iota
	// ViaTenant is that it is a receiver of a tenant of the alert's namespace.
	ViaTenant
	// ViaRouter is that a router chose it.
	ViaRouter
)

// String names the ways.
func (v Via) String() string {
	var names []string

	for _, one := range []struct {
		via  Via
		name string
	}{{ViaGlobal, "global"}, {ViaTenant, "tenant"}, {ViaRouter, "router"}} {
		if v&one.via != 0 {
			names = append(names, one.name)
		}
	}

	return strings.Join(names, "+")
}

// Match is a receiver that is to be told, and by which of its channels.
type Match struct {
	Receiver *Receiver
	Channels ChannelSet
	Via      Via
	// Router is the first router that chose it, where one did.
	Router string

	key nameKey
}

// Result is an answer. It is used again and again, so that an answer costs no allocation.
type Result struct {
	// Matches are the receivers to tell, each once, by name.
	Matches []Match
	// routers are those that select the alert, in their order.
	routers []*router
}

// Route finds the receivers that are to be told of an alert. What was in the result before is overwritten.
func (t *Table) Route(set labels.Labels, result *Result) {
	result.Matches = result.Matches[:0]

	chosen := t.byRouters(set, result)

	if t.config.Policy == All || t.config.Policy == RouterFirst && !chosen {
		t.global.Each(set, func(one target) { result.add(one, ViaGlobal, "") })
		t.eachTenant(set, func(tenant string) {
			if owned := t.tenants[tenant]; owned != nil {
				owned.Each(set, func(one target) { result.add(one, ViaTenant, "") })
			}
		})
	}

	result.merge()
}

// byRouters adds what routers choose. It tells whether they chose anybody at all, be it somebody whose own selector
// does not want the alert.
func (t *Table) byRouters(set labels.Labels, result *Result) bool {
	t.selecting(set, result)

	chosen := false

	for _, one := range result.routers {
		chosen = chosen || one.targets.Len() > 0
		one.targets.Each(set, func(found target) { result.add(found, ViaRouter, one.Name) })
	}

	return chosen
}

// selecting finds the routers that select an alert, in their order, up to the first that has none come after it.
func (t *Table) selecting(set labels.Labels, result *Result) {
	result.routers = result.routers[:0]

	if t.byAlert.Len() == 0 {
		return
	}

	t.byAlert.Each(set, func(one *router) { result.routers = append(result.routers, one) })
	slices.SortFunc(result.routers, inOrder)

	if last := slices.IndexFunc(result.routers, func(one *router) bool { return one.last }); last >= 0 {
		result.routers = result.routers[:last+1]
	}
}

// inOrder compares routers by their order, and by name where that is the same.
func inOrder(a, b *router) int {
	return cmp.Or(cmp.Compare(a.order, b.order), strings.Compare(a.Name, b.Name))
}

func (r *Result) add(one target, via Via, router string) {
	r.Matches = append(r.Matches, Match{
		Receiver: one.receiver,
		Channels: 1 << uint(one.channel),
		Via:      via,
		Router:   router,
		key:      one.key,
	})
}

// byName compares matches by the name of the receiver. Most names differ in their first bytes, and then the receiver
// itself is not fetched from memory.
func byName(a, b Match) int {
	if a.key != b.key {
		return cmp.Compare(a.key, b.key)
	}

	return strings.Compare(a.Receiver.Name, b.Receiver.Name)
}

// merge sorts the matches and makes one of all that are of the same receiver.
func (r *Result) merge() {
	if len(r.Matches) == 0 {
		return
	}

	slices.SortStableFunc(r.Matches, byName)

	last := 0

	for _, match := range r.Matches[1:] {
		kept := &r.Matches[last]

		if kept.Receiver != match.Receiver {
			last++
			r.Matches[last] = match

			continue
		}

		kept.Channels |= match.Channels
		kept.Via |= match.Via

		if kept.Router == "" {
			kept.Router = match.Router
		}
	}

	r.Matches = r.Matches[:last+1]
}
