package message

import (
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
)

// hiddenLabel is the label that tells machines which rule made an alert, and people nothing.
const hiddenLabel = "rule_id"

// hidden says whether DefaultFilter leaves a name out: what no reader needs, and what a message shows in another
// place.
func hidden(name string) bool {
	switch name {
	case hiddenLabel, "runbook_url", AnnotationMessage, AnnotationSummary, AnnotationSummaryCN, "summary_cn":
		return true
	default:
		return false
	}
}

// KV are names with values: labels, annotations.
type KV map[string]string

// keyValues makes a KV of packed labels, with room for some more. Empty values are as good as none.
func keyValues(from labels.Labels, more int) KV {
	values := make(KV, from.Len()+more)

	from.Range(func(label labels.Label) {
		if label.Value != "" {
			values[label.Name] = label.Value
		}
	})

	return values
}

// clone is a copy without the empty values; it is never nil, so that it is an object in JSON.
func (k KV) clone() KV {
	made := make(KV, len(k))

	for name, value := range k {
		if value != "" {
			made[name] = value
		}
	}

	return made
}

// SortedPairs are the names with their values in the order of names, the alert's name first, the hidden label left
// out.
func (k KV) SortedPairs() Pairs {
	pairs := make(Pairs, 0, len(k))

	for name, value := range k {
		if name != hiddenLabel {
			pairs = append(pairs, Pair{Name: name, Value: value})
		}
	}

	slices.SortFunc(pairs, byName)

	return pairs
}

func byName(a, b Pair) int {
	switch {
	case a.Name == b.Name:
		return 0
	case a.Name == alert.Name:
		return -1
	case b.Name == alert.Name:
		return 1
	default:
		return strings.Compare(a.Name, b.Name)
	}
}

// Remove is a copy without some names.
func (k KV) Remove(names []string) KV {
	rest := maps.Clone(k)
	if rest == nil {
		rest = KV{}
	}

	for _, name := range names {
		delete(rest, name)
	}

	return rest
}

// Names are the names, sorted like SortedPairs.
func (k KV) Names() []string {
	return k.SortedPairs().Names()
}

// Values are the values, in the order of the names.
func (k KV) Values() []string {
	return k.SortedPairs().Values()
}

// Pair is a name with its value.
type Pair struct {
	// Name is the name of a label or annotation.
	Name string
	// Value is its value.
	Value string
}

// Pairs are names with their values in an order.
type Pairs []Pair

// DefaultFilter are the pairs without those that a message does not show: the hidden label, and the annotations
// that are shown as the message itself.
func (p Pairs) DefaultFilter() Pairs {
	return p.without(hidden)
}

// Filter are the pairs without those of some names.
func (p Pairs) Filter(names ...string) Pairs {
	return p.without(func(name string) bool { return slices.Contains(names, name) })
}

func (p Pairs) without(unwanted func(name string) bool) Pairs {
	rest := make(Pairs, 0, len(p))

	for _, pair := range p {
		if !unwanted(pair.Name) {
			rest = append(rest, pair)
		}
	}

	return rest
}

// Names are the names of the pairs.
func (p Pairs) Names() []string {
	names := make([]string, 0, len(p))
	for _, pair := range p {
		names = append(names, pair.Name)
	}

	return names
}

// Values are their values.
func (p Pairs) Values() []string {
	values := make([]string, 0, len(p))
	for _, pair := range p {
		values = append(values, pair.Value)
	}

	return values
}
