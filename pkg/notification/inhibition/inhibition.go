// Package inhibition leaves out alerts that another alert says already: while the database of a shop is down, nobody
// wants to hear of each page that cannot load.
//
// A rule names sources, targets, and labels. A firing source inhibits every target that has the same values in
// those labels; a label that is missing has the value "", so one that is missing on both sides is equal. An alert
// that is source and target of a rule is inhibited by that rule only where the source is not a target itself:
// otherwise two such alerts, or one alone, would silence themselves. This is what Alertmanager does.
package inhibition

import (
	"encoding/binary"
	"iter"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

// By says what inhibits an alert.
type By struct {
	// Rule is the name of the rule.
	Rule string
	// Source is the identity of one of the alerts that inhibit it, and Labels are that alert's.
	Source alert.Fingerprint
	Labels labels.Labels
}

// Set keeps rules and the firing alerts that are sources of one. It holds nothing of other alerts. What a question
// costs depends on the rules that name the alert as a target, neither on the number of sources nor on that of the
// other rules.
//
// The zero value is empty. It belongs to one goroutine; any number may ask while none changes it.
type Set struct {
	rules    map[string]*state
	bySource selector.Index[*state]
	byTarget selector.Index[*state]
}

// state is a rule with its sources.
type state struct {
	rule             *Rule
	asSource, target *selector.Entry[*state]

	sources map[alert.Fingerprint]*source
	// groups are the sources by their values of the rule's labels.
	groups map[string]*group
}

// source is a firing alert that is a source of a rule.
type source struct {
	id     alert.Fingerprint
	labels labels.Labels
	key    string
	// both says that it is a target of the rule too.
	both bool
	// at is where it stands in its list.
	at int
}

// group are sources with the same values.
type group struct {
	// plain are those that are no targets, both are those that are.
	plain, both []*source
}

func (g *group) list(both bool) *[]*source {
	if both {
		return &g.both
	}

	return &g.plain
}

// Put adds a rule, or replaces the one with its name. The alerts that fire now are needed to find its sources.
func (s *Set) Put(rule *Rule, firing iter.Seq2[alert.Fingerprint, labels.Labels]) {
	s.Delete(rule.name)

	if s.rules == nil {
		s.rules = make(map[string]*state)
	}

	made := &state{
		rule:    rule,
		sources: make(map[alert.Fingerprint]*source),
		groups:  make(map[string]*group),
	}
	made.asSource = s.bySource.Put(made, rule.source)
	made.target = s.byTarget.Put(made, rule.target)
	s.rules[rule.name] = made

	for id, set := range firing {
		if rule.source.Matches(set) {
			made.add(id, set)
		}
	}
}

// Delete takes a rule out.
func (s *Set) Delete(name string) {
	old := s.rules[name]
	if old == nil {
		return
	}

	s.bySource.Remove(old.asSource)
	s.byTarget.Remove(old.target)
	delete(s.rules, name)
}

// Add notes that an alert fires. To add it again changes nothing.
func (s *Set) Add(id alert.Fingerprint, set labels.Labels) {
	s.bySource.Each(set, func(of *state) { of.add(id, set) })
}

// Remove notes that an alert fires no more.
func (s *Set) Remove(id alert.Fingerprint, set labels.Labels) {
	s.bySource.Each(set, func(of *state) { of.remove(id) })
}

// Sources is how many alerts are sources of a rule.
func (s *Set) Sources(rule string) int {
	if of := s.rules[rule]; of != nil {
		return len(of.sources)
	}

	return 0
}

// Inhibited tells whether an alert is inhibited, and by what: of several rules it names the first by name.
func (s *Set) Inhibited(set labels.Labels) (By, bool) {
	var by By

	found := false

	s.byTarget.Each(set, func(of *state) {
		if found && by.Rule < of.rule.name {
			return
		}

		if one := of.inhibits(set); one != nil {
			by = By{Rule: of.rule.name, Source: one.id, Labels: one.labels}
			found = true
		}
	})

	return by, found
}

// inhibits gives a source that inhibits a target of the rule.
func (s *state) inhibits(set labels.Labels) *source {
	if len(s.sources) == 0 {
		return nil
	}

	const usual = 256

	key := s.rule.appendKey(make([]byte, 0, usual), set)

	among := s.groups[string(key)]
	if among == nil {
		return nil
	}

	if len(among.plain) > 0 {
		return among.plain[0]
	}

	if len(among.both) > 0 && !s.rule.source.Matches(set) {
		return among.both[0]
	}

	return nil
}

func (s *state) add(id alert.Fingerprint, set labels.Labels) {
	if s.sources[id] != nil {
		return
	}

	one := &source{
		id:     id,
		labels: set,
		key:    string(s.rule.appendKey(nil, set)),
		both:   s.rule.target.Matches(set),
	}

	among := s.groups[one.key]
	if among == nil {
		among = &group{}
		s.groups[one.key] = among
	}

	list := among.list(one.both)
	one.at = len(*list)
	*list = append(*list, one)
	s.sources[id] = one
}

func (s *state) remove(id alert.Fingerprint) {
	one := s.sources[id]
	if one == nil {
		return
	}

	among := s.groups[one.key]
	list := among.list(one.both)

	last := len(*list) - 1
	moved := (*list)[last]
	(*list)[one.at], (*list)[last] = moved, nil
	moved.at = one.at
	*list = (*list)[:last]

	delete(s.sources, id)

	if len(among.plain)+len(among.both) == 0 {
		delete(s.groups, one.key)
	}
}

// appendKey adds what labels have in common with others of the same values: each value behind its length, so that
// no two lists of values look the same.
func (r *Rule) appendKey(key []byte, set labels.Labels) []byte {
	for _, name := range r.equal {
		value := set.Get(name)
		key = binary.AppendUvarint(key, uint64(len(value)))
		key = append(key, value...)
	}

	return key
}
