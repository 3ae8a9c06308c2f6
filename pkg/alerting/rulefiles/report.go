package rulefiles

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"sigs.k8s.io/yaml"
)

// Report is what an agent says of itself in its ConfigMap.
type Report struct {
	// Wanted is the version that the objects make, and Loaded what the evaluator has shown last. They are the same
	// when all is well.
	Wanted, Loaded string

	// Objects, Groups and Rules are how many are loaded.
	Objects, Groups, Rules int

	// Problem is what keeps the agent from loading what is wanted, for another reason than refused objects.
	Problem string

	// Refused are the objects that are left out, or of which the version before stays loaded.
	Refused []Refusal

	// Omitted is how many more there are.
	Omitted int
}

// maxRefused is how many refused objects a report names: a ConfigMap has room for many messages, not for all.
const maxRefused = 500

// The keys of the ConfigMap.
const (
	keyWanted  = "wanted"
	keyLoaded  = "loaded"
	keyObjects = "objects"
	keyGroups  = "groups"
	keyRules   = "rules"
	keyProblem = "problem"
	keyRefused = "refused"
	keyOmitted = "omitted"
)

// Data writes a report. The same report is always the same text.
func (r Report) Data() (map[string]string, error) {
	refused := slices.SortedFunc(slices.Values(r.Refused), func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	omitted := r.Omitted

	if len(refused) > maxRefused {
		omitted += len(refused) - maxRefused
		refused = refused[:maxRefused]
	}

	data := map[string]string{
		keyWanted: r.Wanted, keyLoaded: r.Loaded, keyObjects: strconv.Itoa(r.Objects),
		keyGroups: strconv.Itoa(r.Groups), keyRules: strconv.Itoa(r.Rules),
	}

	if r.Problem != "" {
		data[keyProblem] = shorten(r.Problem)
	}

	if len(refused) > 0 {
		text, err := yaml.Marshal(refused)
		if err != nil {
			return nil, fmt.Errorf("write the refused objects: %w", err)
		}

		data[keyRefused] = string(text)
	}

	if omitted > 0 {
		data[keyOmitted] = strconv.Itoa(omitted)
	}

	return data, nil
}

// ParseReport reads the ConfigMap of an agent.
func ParseReport(data map[string]string) (Report, error) {
	report := Report{Wanted: data[keyWanted], Loaded: data[keyLoaded], Problem: data[keyProblem]}

	for key, number := range map[string]*int{
		keyObjects: &report.Objects, keyGroups: &report.Groups, keyRules: &report.Rules, keyOmitted: &report.Omitted,
	} {
		if data[key] == "" {
			continue
		}

		parsed, err := strconv.Atoi(data[key])
		if err != nil {
			return Report{}, fmt.Errorf("%s: %q is no number", key, data[key])
		}

		*number = parsed
	}

	if err := yaml.Unmarshal([]byte(data[keyRefused]), &report.Refused); err != nil {
		return Report{}, fmt.Errorf("%s: %w", keyRefused, err)
	}

	return report, nil
}
