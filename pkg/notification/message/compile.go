package message

import (
	"maps"
	"slices"
	"time"
)

// Options are what a Set is compiled with, besides its sources.
type Options struct {
	// Language is the language of the reader, by the name of its language pack; empty is English.
	Language string
	// Packs are the language packs.
	Packs []Source
	// TimeZone is the zone in which dates are written, by its name; empty is UTC.
	TimeZone string
	// Previous is the Set that was in force; a template that is broken now stays as it was there.
	Previous *Set
	// Budget is what each rendering may take; what it leaves out is the default.
	Budget Budget
	// Clock is needed to bound the time of a rendering; without it only its steps and bytes are bounded.
	Clock func() time.Time
	// OnFailure is told when a template fails while it runs and its spare is used in its place.
	OnFailure func(template string, err error)
}

// Set is all templates of one version of the configuration. It never changes: an edit is a new Set.
type Set struct {
	defined   map[string]*definition
	builtin   map[string]*definition
	tools     *tools
	budget    Budget
	clock     func() time.Time
	onFailure func(template string, err error)
}

// Compile makes a Set of templates. It always makes one: what cannot be used is a finding, and in its place stays
// what the Set before it had, or what comes with the program. Of two templates of one name the later is used.
func Compile(sources []Source, options Options) (*Set, []Finding) {
	if options.Language == "" {
		options.Language = English
	}

	words, findings := newDictionary(options.Language, options.Packs)
	zone, zoneFindings := loadZone(options.TimeZone)
	findings = append(findings, zoneFindings...)
	builtin := builtins()

	set := &Set{
		builtin: builtin,
		tools: &tools{
			language: options.Language, words: words, zone: zone, patterns: newPatterns(), zones: newZones(),
		},
		budget:    options.Budget.orDefault(),
		clock:     options.Clock,
		onFailure: options.OnFailure,
	}

	var before map[string]*definition
	if options.Previous != nil {
		before = options.Previous.defined
	}

	defined, more := assemble(sources, before, builtin)
	set.defined = defined

	return set, append(findings, more...)
}

// Overlay is the Set with templates of one receiver over those of all: what it defines counts for that receiver,
// also where a template of all calls it. The Set itself stays as it is.
func (s *Set) Overlay(sources ...Source) (*Set, []Finding) {
	over := *s

	defined, findings := assemble(sources, nil, s.defined)
	over.defined = defined

	return &over, findings
}

// Names are the names of all templates, sorted.
func (s *Set) Names() []string {
	return slices.Sorted(maps.Keys(s.defined))
}

func loadZone(name string) (*time.Location, []Finding) {
	if name == "" {
		return time.UTC, nil
	}

	zone, err := newZones().get(name)
	if err != nil {
		return time.UTC, []Finding{{Reason: BadTimeZone, Message: err.Error() + "; dates are written in UTC"}}
	}

	return zone, nil
}
