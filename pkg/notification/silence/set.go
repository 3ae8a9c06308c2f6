package silence

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

// Set keeps silences by whom they are of and by what they select. What a question costs depends on the silences that
// select the alert, not on how many there are. A silence that cannot be compiled is not in it, and disturbs none.
//
// The zero value is empty. It belongs to one goroutine; any number may ask while none changes it.
type Set struct {
	entries map[string]entry
	global  index
	tenants map[string]*index
}

type index = selector.Index[*Silence]

type entry struct {
	silence *Silence
	place   *selector.Entry[*Silence]
}

// Put adds a silence, or replaces the one with its name.
func (s *Set) Put(silence *Silence) {
	s.Delete(silence.name)

	if s.entries == nil {
		s.entries = make(map[string]entry)
		s.tenants = make(map[string]*index)
	}

	made := entry{silence: silence}

	if silence.enabled && silence.owner.Kind != selector.Ignored {
		made.place = s.indexOf(silence.owner).Put(silence, silence.matcher)
	}

	s.entries[silence.name] = made
}

// indexOf gives the index of an owner, and makes it where the tenant has none yet.
func (s *Set) indexOf(owner selector.Owner) *index {
	if owner.Kind == selector.Global {
		return &s.global
	}

	found := s.tenants[owner.Tenant]
	if found == nil {
		found = &index{}
		s.tenants[owner.Tenant] = found
	}

	return found
}

// Delete takes a silence out.
func (s *Set) Delete(name string) {
	old, present := s.entries[name]
	if !present {
		return
	}

	delete(s.entries, name)

	if old.place == nil {
		return
	}

	owner := old.silence.owner
	from := s.indexOf(owner)
	from.Remove(old.place)

	if owner.Kind == selector.Tenant && from.Len() == 0 {
		delete(s.tenants, owner.Tenant)
	}
}

// Get gives a silence by its name.
func (s *Set) Get(name string) (*Silence, bool) {
	found, present := s.entries[name]

	return found.silence, present
}

// Len is how many silences there are, whether they silence or not.
func (s *Set) Len() int {
	return len(s.entries)
}

// Global gives the silence of the platform that silences an alert for everybody; nil where none does. Of several it
// is the first by name.
func (s *Set) Global(set labels.Labels, at time.Time) *Silence {
	return silencing(&s.global, set, at)
}

// Tenant gives the silence of a tenant that silences an alert for the tenant's receivers; nil where none does. Of
// several it is the first by name.
func (s *Set) Tenant(tenant string, set labels.Labels, at time.Time) *Silence {
	among := s.tenants[tenant]
	if among == nil {
		return nil
	}

	return silencing(among, set, at)
}

// For gives the silence that keeps an alert from the receivers of an owner: one of the platform, or one of the
// tenant whose receivers they are; nil where none does.
func (s *Set) For(owner selector.Owner, set labels.Labels, at time.Time) *Silence {
	if found := s.Global(set, at); found != nil || owner.Kind != selector.Tenant {
		return found
	}

	return s.Tenant(owner.Tenant, set, at)
}

func silencing(among *index, set labels.Labels, at time.Time) *Silence {
	var found *Silence

	among.Each(set, func(one *Silence) {
		if (found == nil || one.name < found.name) && one.Active(at) {
			found = one
		}
	})

	return found
}
