package rulefiles

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"sigs.k8s.io/yaml"
)

// The marker: a file that no object can have, with a group for each kind of group that an evaluator loads by itself.
const (
	MarkerFile   = separator + "ks-rule-agent" + extension
	MarkerMetric = "ks_rule_agent_loaded"
	MarkerLabel  = "version"

	markerGroup = "ks-rule-agent"
)

// What Thanos Ruler does when it gets an answer from a part of its sources only.
const (
	strategyAbort = "abort"
	strategyWarn  = "warn"
)

// strategies are those for which an evaluator keeps its groups apart: Thanos Ruler may load the groups of one and
// refuse those of another. Prometheus has no name for its only one.
func (d Dialect) strategies() []string {
	if d == ThanosRuler {
		return []string{strategyAbort, strategyWarn}
	}

	return []string{""}
}

func markerName(strategy string) string {
	if strategy == "" {
		return markerGroup
	}

	return markerGroup + "-" + strategy
}

// MarkerGroups are the groups that have to show the version of a set that is loaded.
func (d Dialect) MarkerGroups() []string {
	var names []string
	for _, strategy := range d.strategies() {
		names = append(names, markerName(strategy))
	}

	return names
}

// Set is files that are loaded together, by their names. It never changes.
type Set struct {
	files   map[string]File
	version string
}

// NewSet returns the set of these files. Of two files of the same name the last counts.
func NewSet(files ...File) Set {
	set := Set{files: make(map[string]File, len(files))}
	for _, file := range files {
		set.files[file.FileName] = file
	}

	hash := sha256.New()
	for _, file := range set.Files() {
		_, _ = hash.Write([]byte(file.Digest))
	}

	const enough = 16

	set.version = hex.EncodeToString(hash.Sum(nil)[:enough])

	return set
}

// Version tells sets apart by what is in their files.
func (s Set) Version() string { return s.version }

// Files are its files, by name.
func (s Set) Files() []File {
	return slices.SortedFunc(maps.Values(s.files), func(a, b File) int { return cmp.Compare(a.FileName, b.FileName) })
}

// File returns the file of a name.
func (s Set) File(name string) (File, bool) {
	file, found := s.files[name]

	return file, found
}

// Len is how many files it has.
func (s Set) Len() int { return len(s.files) }

// Count returns how many groups and rules its files have.
func (s Set) Count() (groups, rules int) {
	for _, file := range s.files {
		groups += file.Groups
		rules += file.Rules
	}

	return groups, rules
}

// With returns the set with these files in the place of those of their names.
func (s Set) With(files ...File) Set {
	return NewSet(append(s.Files(), files...)...)
}

// Common returns the files that another set has too, and those that only this one has.
func (s Set) Common(other Set) (common, own []File) {
	for _, file := range s.Files() {
		if known, has := other.files[file.FileName]; has && known.Digest == file.Digest {
			common = append(common, file)
		} else {
			own = append(own, file)
		}
	}

	return common, own
}

// Marker is the file that shows the version of the set. It is written after the others: an evaluator that reads in
// between shows the version before.
func (s Set) Marker(dialect Dialect) File {
	var text fileText

	for _, strategy := range dialect.strategies() {
		text.Groups = append(text.Groups, groupText{
			Name: markerName(strategy), Strategy: strategy,
			Rules: []ruleText{{
				Record: MarkerMetric, Expr: "vector(1)", Labels: map[string]string{MarkerLabel: s.version},
			}},
		})
	}

	file, _ := File{FileName: MarkerFile}.with(text) // It is ours, and can be written.

	return file
}

// Read returns a file as it was found in a folder. Whose it is, and how much is in it, is not known.
func Read(name string, content []byte) File {
	return File{FileName: name, Content: content, Digest: digest(name, content)}
}

// Of returns a file that was read, as that of an object.
func (f File) Of(object Object) File {
	known := f
	known.Object, known.Groups, known.Rules = object, 0, 0

	var text fileText
	if yaml.Unmarshal(f.Content, &text) != nil {
		return known // It counts as nothing.
	}

	known.Groups = len(text.Groups)
	for _, group := range text.Groups {
		known.Rules += len(group.Rules)
	}

	return known
}
