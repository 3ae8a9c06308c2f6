package evaluation

import (
	"fmt"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// Label names with a meaning of their own.
const (
	NameLabel      = model.MetricNameLabel
	AlertNameLabel = labels.AlertName
)

// Labels is a set of labels that never changes.
type Labels struct{ set labels.Labels }

// Label is one label.
type Label struct{ Name, Value string }

// LabelsOf returns a map as labels. Empty values stay.
func LabelsOf(values map[string]string) Labels { return Labels{set: labels.FromMap(values)} }

// ParseLabels reads labels as an expression writes them: `up{job="a"}`.
func ParseLabels(text string) (Labels, error) {
	set, err := newParser(false).ParseMetric(text)
	if err != nil {
		return Labels{}, fmt.Errorf("cannot read the labels: %w", err)
	}

	return Labels{set: set}, nil
}

// Key tells label sets apart.
func (l Labels) Key() string { return string(l.set.Bytes(nil)) }

// Map returns the labels as a map.
func (l Labels) Map() map[string]string { return l.set.Map() }

// String returns the labels as an expression writes them.
func (l Labels) String() string { return l.set.String() }

// Without returns the labels without one of them.
func (l Labels) Without(name string) Labels {
	return Labels{set: labels.NewBuilder(l.set).Del(name).Labels()}
}

// With returns the labels with others set on top. An empty value takes a label away.
func (l Labels) With(others ...Label) Labels {
	builder := labels.NewBuilder(l.set)
	for _, other := range others {
		builder.Set(other.Name, other.Value)
	}

	return Labels{set: builder.Labels()}
}

// Under returns the labels with all of another set on top.
func (l Labels) Under(top Labels) Labels {
	builder := labels.NewBuilder(l.set)
	top.set.Range(func(label labels.Label) { builder.Set(label.Name, label.Value) })

	return Labels{set: builder.Labels()}
}
