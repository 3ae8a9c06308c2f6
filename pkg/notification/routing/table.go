// Package routing says who is told of an alert.
//
// There are three ways to a receiver. A global receiver is told of every alert. A tenant's receiver is told of the
// alerts of the tenant's namespaces: those that have the label namespace, and are of a namespace the tenant is
// found for. And a router names receivers, of anybody, for the alerts that it selects. The route policy says how
// they go together: All of them, RouterFirst (the first two only where no router chose anybody), or RouterOnly.
// Whatever the way, each channel of a receiver is only told of what its own alertSelector selects.
//
// Silences are not known here: they are asked before (the platform's) and after (the tenant's).
package routing

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

// Policy says how routers go together with the other ways to a receiver.
type Policy uint8

const (
	// All tells global receivers, the tenants' receivers, and those that routers choose.
	All Policy = iota
	// RouterFirst tells those that routers choose, and the others where they choose none.
	RouterFirst
	// RouterOnly tells those that routers choose.
	RouterOnly
)

// String is the word of the API.
func (p Policy) String() string {
	switch p {
	case RouterFirst:
		return "RouterFirst"
	case RouterOnly:
		return "RouterOnly"
	case All:
		return "All"
	default:
		return "Unknown"
	}
}

// TenantMatch says which alerts are tenants'.
type TenantMatch uint8

const (
	// NamespaceLabel are those with the label namespace.
	NamespaceLabel TenantMatch = iota
	// RuleLevel are those with the labels namespace and rule_level=namespace.
	RuleLevel
)

// String is the word of the API.
func (m TenantMatch) String() string {
	switch m {
	case RuleLevel:
		return "RuleLevel"
	case NamespaceLabel:
		return "NamespaceLabel"
	default:
		return "Unknown"
	}
}

// levelNamespace is the value of the label rule_level of a tenant's rule.
const levelNamespace = "namespace"

// TenantResolver gives the tenants of a namespace. Without one the name of the namespace is the tenant's, and with
// one it is not: a user may be called as another's namespace is. What it returns is only read.
type TenantResolver func(cluster, namespace string) []string

// Config is what a NotificationManager says of routing.
type Config struct {
	Policy  Policy
	Tenants TenantMatch
	Resolve TenantResolver
}

// Table keeps receivers and routers. To put or delete one costs what it alone is about: nothing is built anew. To
// route an alert costs what its answer is long, not what the Table holds: receivers are found by tenant, routers
// and alertSelectors by the equalities they ask for.
//
// A Table belongs to one goroutine. Any number may route, each with its own Result, while none changes it.
type Table struct {
	config Config

	receivers map[string]*receiver
	routers   map[string]*router

	// global and tenants are the channels of receivers by whose they are.
	global  pool
	tenants map[string]*pool

	// byAlert are the enabled routers by what they select.
	byAlert selector.Index[*router]

	// The following are the enabled routers by how they choose a receiver.
	byName    map[string]routerSet
	byTenant  map[string]routerSet
	byPattern routerSet
	byLabels  selector.Index[*router]
}

// target is one channel of one receiver.
type target struct {
	receiver *Receiver
	channel  int
	key      nameKey
}

// nameKey is the beginning of a name as a number: names compare as their keys do, where those differ.
type nameKey uint64

func keyOf(name string) nameKey {
	var start [8]byte

	copy(start[:], name)

	return nameKey(binary.BigEndian.Uint64(start[:]))
}

// pool are channels by the alerts that they tell of.
type pool = selector.Index[target]

// place is where a channel stands in a pool.
type place = *selector.Entry[target]

type routerSet map[*router]struct{}

// receiver is a Receiver in a Table.
type receiver struct {
	*Receiver

	// owned are the places in the pool of its owner.
	owned []place
	// chosen are the places in the pools of routers.
	chosen map[*router][]place
}

// router is a Router in a Table.
type router struct {
	*Router

	asRouter *selector.Entry[*router]
	asLabels *selector.Entry[*router]

	// targets are the channels it chooses, of the receivers in chosen.
	targets pool
	chosen  map[*receiver]struct{}
}

// NewTable makes an empty Table.
func NewTable(config Config) *Table {
	return &Table{
		config:    config,
		receivers: make(map[string]*receiver),
		routers:   make(map[string]*router),
		tenants:   make(map[string]*pool),
		byName:    make(map[string]routerSet),
		byTenant:  make(map[string]routerSet),
		byPattern: make(routerSet),
	}
}

// Configure replaces what the NotificationManager says. It costs nothing.
func (t *Table) Configure(config Config) {
	t.config = config
}

// Receiver gives a receiver by its name.
func (t *Table) Receiver(name string) (*Receiver, bool) {
	known, present := t.receivers[name]
	if !present {
		return nil, false
	}

	return known.Receiver, true
}

// Receivers is how many receivers there are.
func (t *Table) Receivers() int {
	return len(t.receivers)
}

// PutReceiver adds a receiver, or replaces the one with its name. Channels beyond the 64th are left out.
func (t *Table) PutReceiver(added *Receiver) {
	t.DeleteReceiver(added.Name)

	if len(added.Channels) > maxChannels {
		cut := *added
		cut.Channels = added.Channels[:maxChannels]
		added = &cut
	}

	made := &receiver{Receiver: added}
	t.receivers[added.Name] = made

	if added.Owner.Kind == selector.Ignored {
		return
	}

	made.owned = made.enter(t.poolOf(added.Owner), made.withTypes())

	for choosing := range t.choosing(made) {
		choosing.take(made)
	}
}

// poolOf gives the pool of an owner, and makes it where the tenant has none yet.
func (t *Table) poolOf(owner selector.Owner) *pool {
	if owner.Kind == selector.Global {
		return &t.global
	}

	found := t.tenants[owner.Tenant]
	if found == nil {
		found = &pool{}
		t.tenants[owner.Tenant] = found
	}

	return found
}

// enter puts channels of a receiver into a pool.
func (r *receiver) enter(into *pool, channels ChannelSet) []place {
	var places []place

	for channel := range r.Channels {
		if channels.Has(channel) {
			one := target{receiver: r.Receiver, channel: channel, key: keyOf(r.Name)}
			places = append(places, into.Put(one, r.Channels[channel].Alerts))
		}
	}

	return places
}

// choosing are the routers that may choose a receiver.
func (t *Table) choosing(r *receiver) routerSet {
	found := make(routerSet)

	maps.Copy(found, t.byName[r.Name])
	maps.Copy(found, t.byPattern)

	if r.Owner.Kind == selector.Tenant {
		maps.Copy(found, t.byTenant[r.Owner.Tenant])
	}

	t.byLabels.Each(r.Labels, func(one *router) { found[one] = struct{}{} })

	return found
}

// DeleteReceiver takes a receiver out.
func (t *Table) DeleteReceiver(name string) {
	old := t.receivers[name]
	if old == nil {
		return
	}

	delete(t.receivers, name)

	for choosing := range old.chosen {
		choosing.drop(old)
	}

	if old.Owner.Kind == selector.Ignored {
		return
	}

	from := t.poolOf(old.Owner)
	leave(from, old.owned)

	if old.Owner.Kind == selector.Tenant && from.Len() == 0 {
		delete(t.tenants, old.Owner.Tenant)
	}
}

func leave(from *pool, places []place) {
	for _, one := range places {
		from.Remove(one)
	}
}

// PutRouter adds a router, or replaces the one with its name. It looks at the receivers that there are; those to
// come are looked at when they come.
func (t *Table) PutRouter(added *Router) {
	t.DeleteRouter(added.Name)

	made := &router{Router: added, chosen: make(map[*receiver]struct{})}
	t.routers[added.Name] = made

	if !added.enabled {
		return
	}

	made.asRouter = t.byAlert.Put(made, added.alerts)
	t.indexRouter(made)

	for _, one := range t.candidates(added) {
		made.take(one)
	}
}

// indexRouter notes how a router chooses receivers.
func (t *Table) indexRouter(made *router) {
	for _, name := range made.names {
		enlist(t.byName, name, made)
	}

	for tenant := range made.tenants {
		enlist(t.byTenant, tenant, made)
	}

	if made.pattern != nil {
		t.byPattern[made] = struct{}{}
	}

	if made.labels != nil {
		made.asLabels = t.byLabels.Put(made, *made.labels)
	}
}

func enlist(sets map[string]routerSet, key string, made *router) {
	if sets[key] == nil {
		sets[key] = make(routerSet, 1)
	}

	sets[key][made] = struct{}{}
}

func strike(sets map[string]routerSet, key string, old *router) {
	delete(sets[key], old)

	if len(sets[key]) == 0 {
		delete(sets, key)
	}
}

// candidates are the receivers that a router may choose: the named ones, or all where names do not say which.
func (t *Table) candidates(added *Router) []*receiver {
	if added.pattern != nil || added.labels != nil || len(added.tenants) > 0 {
		return slices.Collect(maps.Values(t.receivers))
	}

	var found []*receiver

	for _, name := range added.names {
		if one := t.receivers[name]; one != nil {
			found = append(found, one)
		}
	}

	return found
}

// DeleteRouter takes a router out.
func (t *Table) DeleteRouter(name string) {
	old := t.routers[name]
	if old == nil {
		return
	}

	delete(t.routers, name)

	if !old.enabled {
		return
	}

	t.byAlert.Remove(old.asRouter)

	for _, name := range old.names {
		strike(t.byName, name, old)
	}

	for tenant := range old.tenants {
		strike(t.byTenant, tenant, old)
	}

	delete(t.byPattern, old)

	if old.asLabels != nil {
		t.byLabels.Remove(old.asLabels)
	}

	for one := range old.chosen {
		delete(one.chosen, old)
	}
}

// take lets a router choose a receiver, if it does.
func (r *router) take(one *receiver) {
	channels := r.chooses(one.Receiver)
	if channels == 0 {
		return
	}

	if one.chosen == nil {
		one.chosen = make(map[*router][]place, 1)
	}

	if _, already := one.chosen[r]; already {
		return
	}

	one.chosen[r] = one.enter(&r.targets, channels)
	r.chosen[one] = struct{}{}
}

// drop takes a receiver out of those that a router chooses.
func (r *router) drop(one *receiver) {
	leave(&r.targets, one.chosen[r])
	delete(r.chosen, one)
}

// Chosen are the names of the receivers that a router chooses, sorted.
func (t *Table) Chosen(name string) []string {
	found := t.routers[name]
	if found == nil {
		return nil
	}

	names := make([]string, 0, len(found.chosen))
	for one := range found.chosen {
		names = append(names, one.Name)
	}

	slices.Sort(names)

	return names
}

// Unknown are the names in a router's list of names that no receiver has, sorted.
func (t *Table) Unknown(name string) []string {
	found := t.routers[name]
	if found == nil {
		return nil
	}

	var unknown []string

	for _, name := range found.names {
		if t.receivers[name] == nil {
			unknown = append(unknown, name)
		}
	}

	return unknown
}

// eachTenant gives the tenants that an alert belongs to.
func (t *Table) eachTenant(set labels.Labels, visit func(tenant string)) {
	namespace := set.Get(alert.Namespace)
	if namespace == "" {
		return
	}

	if t.config.Tenants == RuleLevel && set.Get(alert.RuleLevel) != levelNamespace {
		return
	}

	if t.config.Resolve == nil {
		visit(namespace)

		return
	}

	for _, tenant := range t.config.Resolve(set.Get(alert.Cluster), namespace) {
		visit(tenant)
	}
}
