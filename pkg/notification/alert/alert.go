// Package alert holds what the engine of notification works on: one alert, its identity, and the two forms in
// which alerts are posted.
package alert

import (
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// Names of labels and annotations that the contract gives a meaning.
const (
	// Name is the label with the name of an alert.
	Name = labels.AlertName
	// Namespace is the label that says which tenants an alert belongs to.
	Namespace = "namespace"
	// Cluster is the label with the cluster's name; the engine adds it where it is missing.
	Cluster = "cluster"
	// Type is the label with the source of an alert: metric, event, auditing.
	Type = "alerttype"
	// Severity is the label with the urgency of an alert.
	Severity = "severity"
	// RuleLevel is the label in which KubeSphere 4.2 says whether a rule is a tenant's.
	RuleLevel = "rule_level"
)

// Status is whether an alert holds.
type Status uint8

const (
	// Firing is an alert that holds.
	Firing Status = iota
	// Resolved is an alert that holds no more.
	Resolved
)

// String is the word of the contract for a status.
func (s Status) String() string {
	if s == Resolved {
		return "resolved"
	}

	return "firing"
}

// Alert is one alert as it was posted last. It is a value: what is derived from it is a copy.
type Alert struct {
	// Labels are its identity: two alerts with the same labels are one.
	Labels labels.Labels
	// Annotations are what it says.
	Annotations labels.Labels
	// Status is whether it holds.
	Status Status
	// StartsAt is when it began to hold.
	StartsAt time.Time
	// EndsAt is when it ceased to hold, or until when it is taken to hold if nobody says so again. Zero is unknown.
	EndsAt time.Time
	// GeneratorURL leads to what found it; empty where the source gives none.
	GeneratorURL string
}

// Fingerprint is the identity of a set of labels, the same that Alertmanager computes.
type Fingerprint uint64

// String is the form in which fingerprints are shown and sent: sixteen hexadecimal digits.
func (f Fingerprint) String() string {
	const width = 16

	text := strconv.FormatUint(uint64(f), 16)
	for len(text) < width {
		text = "0" + text
	}

	return text
}

// Fingerprint is the identity of the alert.
func (a *Alert) Fingerprint() Fingerprint {
	return FingerprintOf(a.Labels)
}

// FingerprintOf is the identity of labels: FNV-1a over each name and value, in the order of names, each closed by
// a byte that no UTF-8 text holds.
func FingerprintOf(set labels.Labels) Fingerprint {
	sum := newFNV()

	set.Range(func(label labels.Label) {
		sum.add(label.Name)
		sum.add(label.Value)
	})

	return Fingerprint(sum)
}

// fnv is the sum of FNV-1a in 64 bits so far; hash/fnv would allocate one for each alert.
type fnv uint64

const (
	fnvOffset fnv  = 14695981039346656037
	fnvPrime  fnv  = 1099511628211
	separator byte = 255
)

func newFNV() fnv {
	return fnvOffset
}

func (f *fnv) add(text string) {
	for i := range len(text) {
		f.addByte(text[i])
	}

	f.addByte(separator)
}

func (f *fnv) addByte(b byte) {
	*f ^= fnv(b)
	*f *= fnvPrime
}
