package assignment

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

// Reasons why a selected namespace stays where it is.
const (
	// ReasonConflict tells of another assignment that claims the namespace for another workspace.
	ReasonConflict = "Conflict"

	// ReasonElsewhere tells of a namespace in a workspace that it must not be taken from.
	ReasonElsewhere = "InOtherWorkspace"
)

// Assignment is what an assignment asks for. Its selector is one that Parse returned.
type Assignment struct {
	Name      string
	Workspace string
	Selector  labels.Selector
	From      []string
	DryRun    bool
}

// Namespace is what counts of a namespace.
type Namespace struct {
	Name      string
	Labels    labels.Set
	Workspace string

	// Untouchable is set for namespaces that are never assigned, whatever their name: that of the manager itself.
	Untouchable bool

	// Terminating is set while it is being deleted.
	Terminating bool
}

// Change is what becomes of a namespace that is not in the workspace.
type Change struct {
	Namespace string

	// From is the workspace it is in, empty for none.
	From string

	// Reason why it stays there, and the same as a sentence with the remedy. Empty: it is moved.
	Reason, Message string
}

// Decision is what becomes of the namespaces that an assignment selects.
type Decision struct {
	// Assigned is how many are in the workspace.
	Assigned int

	// Moves and Refusals are the others, sorted by name.
	Moves, Refusals []Change

	// Rivals are the other assignments that claim any of the namespaces for another workspace, sorted; Disputed are
	// these namespaces, whether they are in the workspace or not.
	Rivals, Disputed []string
}

// Decide returns what one assignment does, given all of them. What two of them claim for different workspaces neither
// moves: which came first must not decide.
func Decide(assignment Assignment, all []Assignment, namespaces []Namespace) Decision {
	var (
		decision Decision
		rivals   = rivalsOf(assignment, all)
	)

	for _, namespace := range namespaces {
		if isAssignable(namespace) && assignment.Selector.Matches(namespace.Labels) {
			add(&decision, assignment, claims(rivals, namespace), namespace)
		}
	}

	byName := func(a, b Change) int { return strings.Compare(a.Namespace, b.Namespace) }
	slices.SortFunc(decision.Moves, byName)
	slices.SortFunc(decision.Refusals, byName)
	slices.Sort(decision.Disputed)
	slices.Sort(decision.Rivals)
	decision.Rivals = slices.Compact(decision.Rivals)

	return decision
}

// add decides on one namespace that the assignment selects.
func add(decision *Decision, assignment Assignment, rivals []string, namespace Namespace) {
	if len(rivals) > 0 {
		decision.Rivals = append(decision.Rivals, rivals...)
		decision.Disputed = append(decision.Disputed, namespace.Name)
	}

	if namespace.Workspace == assignment.Workspace {
		decision.Assigned++

		return
	}

	change := Change{Namespace: namespace.Name, From: namespace.Workspace}

	switch {
	case len(rivals) > 0:
		change.Reason, change.Message = ReasonConflict, fmt.Sprintf("claimed for another workspace by "+
			"NamespaceAssignment %s: let one selector leave it out", tenancy.Listed(rivals))
	case namespace.Workspace != "" && !slices.Contains(assignment.From, namespace.Workspace):
		change.Reason, change.Message = ReasonElsewhere, fmt.Sprintf("belongs to workspace %s: add that to spec.from "+
			"to take it, or narrow spec.selector", namespace.Workspace)
	}

	if change.Reason == "" {
		decision.Moves = append(decision.Moves, change)
	} else {
		decision.Refusals = append(decision.Refusals, change)
	}
}

// rivalsOf returns the assignments that are for another workspace. Those that only look claim nothing.
func rivalsOf(assignment Assignment, all []Assignment) []Assignment {
	return slices.DeleteFunc(slices.Clone(all), func(other Assignment) bool {
		return other.Name == assignment.Name || other.Workspace == assignment.Workspace || other.DryRun
	})
}

func claims(rivals []Assignment, namespace Namespace) []string {
	var names []string

	for _, rival := range rivals {
		if rival.Selector.Matches(namespace.Labels) {
			names = append(names, rival.Name)
		}
	}

	return names
}

// isAssignable tells whether a namespace can be selected at all.
func isAssignable(namespace Namespace) bool {
	return !namespace.Terminating && !namespace.Untouchable && !tenancy.IsSystemNamespace(namespace.Name)
}

// Changes returns the first moves and refusals, sorted by name, as many as there is room for.
func (d Decision) Changes(room int) []Change {
	changes := slices.Concat(d.Moves, d.Refusals)
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Compare(a.Namespace, b.Namespace) })

	return changes[:min(room, len(changes))]
}
