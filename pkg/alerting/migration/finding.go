package migration

import "strings"

// Finding is something of a PrometheusRule that groups of rules do not say as it does.
type Finding struct {
	Group string // its name in the PrometheusRule; empty: all of it
	Rule  string // its alert or record; empty: the group
	Field string // in the PrometheusRule
	// Message says what is so, and what to do about it.
	Message string

	// Blocks tells that something would be lost if the PrometheusRule were taken away. Otherwise it is but different.
	Blocks bool

	// Dropped tells that the rule is in none of the groups.
	Dropped bool
}

// String names the place and says what is so.
func (f Finding) String() string {
	var place []string

	for _, part := range []struct{ kind, name string }{{"group", f.Group}, {"rule", f.Rule}, {"", f.Field}} {
		if part.name != "" {
			place = append(place, strings.TrimSpace(part.kind+" "+part.name))
		}
	}

	return strings.Join(place, ", ") + ": " + f.Message
}

// Blocking returns the findings for which a PrometheusRule has to stay.
func Blocking(findings []Finding) []Finding {
	var blocking []Finding

	for _, finding := range findings {
		if finding.Blocks {
			blocking = append(blocking, finding)
		}
	}

	return blocking
}
