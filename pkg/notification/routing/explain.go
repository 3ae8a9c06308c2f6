package routing

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

// Silenced names the silence that keeps an alert from the receivers of an owner, if one does.
type Silenced func(owner selector.Owner, set labels.Labels) (silence string, silenced bool)

// Explanation says who is told of an alert, and who is not, and why.
type Explanation struct {
	// Policy and Tenants are how it was decided, and which tenants the alert belongs to.
	Policy  Policy
	Tenants []string
	// NoTenants says why the alert belongs to none.
	NoTenants string
	// Routers are all routers, in the order they are asked.
	Routers []RouterVerdict
	// Receivers are those that one of the ways leads to, and those that were asked for, by name.
	Receivers []ReceiverVerdict
}

// RouterVerdict is about one router.
type RouterVerdict struct {
	Name string
	// Selected says that it chooses receivers for the alert; Why says why it does not.
	Selected bool
	Why      string
	// Receivers are those that it chooses, by name.
	Receivers []string
}

// ReceiverVerdict is about one receiver.
type ReceiverVerdict struct {
	Name  string
	Owner selector.Owner
	// Told says that one of its channels is to tell of the alert.
	Told bool
	// Via are the ways that lead to it, and Routers the routers that chose it.
	Via     Via
	Routers []string
	// Why says why no way leads to it.
	Why string
	// Channels are all of its channels, in their order.
	Channels []ChannelVerdict
}

// ChannelVerdict is about one channel of a receiver.
type ChannelVerdict struct {
	Type string
	// Told says that it is to tell of the alert; Why says why it is not.
	Told bool
	Why  string
}

// explaining is what one explanation is made of.
type explaining struct {
	table    *Table
	set      labels.Labels
	silenced Silenced
	result   *Explanation
	// chosen are the channels that routers chose, and by whom.
	chosen map[*receiver][]*router
	// others says why no other way than a router leads to anybody; empty where they do.
	others string
}

// Explain says why receivers are told of an alert, or not: those that a way leads to, and those named here. Other
// than Route it looks at everything there is. Without a Silenced nothing is taken to be silenced.
func (t *Table) Explain(set labels.Labels, silenced Silenced, names ...string) Explanation {
	result := Explanation{Policy: t.config.Policy}
	one := &explaining{
		table: t, set: set, silenced: silenced, result: &result, chosen: make(map[*receiver][]*router),
	}

	one.tenants()
	one.routers()

	for _, name := range slices.Sorted(maps.Keys(t.receivers)) {
		known := t.receivers[name]
		if len(one.chosen[known]) > 0 || one.way(known) == "" || slices.Contains(names, name) {
			result.Receivers = append(result.Receivers, one.receiver(known))
		}
	}

	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if t.receivers[name] == nil {
			result.Receivers = append(result.Receivers, ReceiverVerdict{Name: name, Why: "there is no such receiver"})
		}
	}

	slices.SortFunc(result.Receivers, func(a, b ReceiverVerdict) int { return strings.Compare(a.Name, b.Name) })

	return result
}

// tenants finds the tenants of the alert, or says why there are none.
func (e *explaining) tenants() {
	e.table.eachTenant(e.set, func(tenant string) { e.result.Tenants = append(e.result.Tenants, tenant) })

	slices.Sort(e.result.Tenants)
	e.result.Tenants = slices.Compact(e.result.Tenants)

	namespace := e.set.Get(alert.Namespace)

	switch {
	case len(e.result.Tenants) > 0:
	case namespace == "":
		e.result.NoTenants = "the alert has no label namespace"
	case e.table.config.Tenants == RuleLevel && e.set.Get(alert.RuleLevel) != levelNamespace:
		e.result.NoTenants = "tenants are told of alerts with rule_level=namespace, and the alert's is " +
			fmt.Sprintf("%q", e.set.Get(alert.RuleLevel))
	default:
		e.result.NoTenants = fmt.Sprintf("namespace %s has no tenants", namespace)
	}
}

// routers asks all routers.
func (e *explaining) routers() {
	sorted := slices.SortedFunc(maps.Values(e.table.routers), inOrder)

	stopped := ""
	some := false

	for _, one := range sorted {
		verdict := RouterVerdict{Name: one.Name, Receivers: e.table.Chosen(one.Name)}

		switch {
		case !one.enabled:
			verdict.Why = "it is switched off"
		case stopped != "":
			verdict.Why = fmt.Sprintf("router %s comes before it, selects the alert, and has continue: false", stopped)
		default:
			verdict.Why = one.alerts.Explain(e.set)
			verdict.Selected = verdict.Why == ""
		}

		if verdict.Selected {
			some = some || one.targets.Len() > 0

			for chosen := range one.chosen {
				e.chosen[chosen] = append(e.chosen[chosen], one)
			}
		}

		if verdict.Selected && one.last {
			stopped = one.Name
		}

		e.result.Routers = append(e.result.Routers, verdict)
	}

	switch {
	case e.table.config.Policy == RouterOnly:
		e.others = "no router chose it, and the route policy RouterOnly asks nobody else"
	case e.table.config.Policy == RouterFirst && some:
		e.others = "no router chose it, and the route policy RouterFirst asks nobody else when routers chose somebody"
	}
}

// way says why none but routers lead to a receiver; empty where its owner does.
func (e *explaining) way(known *receiver) string {
	switch {
	case known.Owner.Kind == selector.Ignored:
		return "its labels make it neither a global receiver nor a tenant's"
	case e.others != "":
		return e.others
	case known.Owner.Kind == selector.Global || slices.Contains(e.result.Tenants, known.Owner.Tenant):
		return ""
	case e.result.NoTenants != "":
		return e.result.NoTenants
	default:
		return fmt.Sprintf("its tenant %s is none of namespace %s: %s",
			known.Owner.Tenant, e.set.Get(alert.Namespace), strings.Join(e.result.Tenants, ", "))
	}
}

// receiver is the verdict about one receiver.
func (e *explaining) receiver(known *receiver) ReceiverVerdict {
	verdict := ReceiverVerdict{Name: known.Name, Owner: known.Owner, Why: e.way(known)}

	led := ChannelSet(0)

	if verdict.Why == "" {
		led = known.withTypes()
		verdict.Via = ViaTenant

		if known.Owner.Kind == selector.Global {
			verdict.Via = ViaGlobal
		}
	}

	for _, one := range e.chosen[known] {
		led |= one.chooses(known.Receiver)
		verdict.Via |= ViaRouter
		verdict.Routers = append(verdict.Routers, one.Name)
		verdict.Why = ""
	}

	for place := range known.Channels {
		channel := ChannelVerdict{Type: known.Channels[place].Type}
		channel.Why = e.channel(known, &known.Channels[place], led.Has(place), verdict.Why)
		channel.Told = channel.Why == ""
		verdict.Told = verdict.Told || channel.Told
		verdict.Channels = append(verdict.Channels, channel)
	}

	if len(known.Channels) == 0 && verdict.Why == "" {
		verdict.Why = "it has no channels"
	}

	return verdict
}

// channel says why a channel does not tell of the alert.
func (e *explaining) channel(known *receiver, channel *Channel, led bool, noWay string) string {
	switch {
	case channel.Broken != "":
		return "it is broken: " + channel.Broken
	case !channel.Enabled:
		return "it is switched off"
	case noWay != "":
		return noWay
	case !led:
		return "the routers that chose the receiver name other types of channels"
	}

	if why := channel.Alerts.Explain(e.set); why != "" {
		return "its alertSelector does not select the alert: " + why
	}

	if e.silenced != nil {
		if silence, silenced := e.silenced(known.Owner, e.set); silenced {
			return "silenced by " + silence
		}
	}

	return ""
}
