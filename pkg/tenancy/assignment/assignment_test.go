package assignment_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/assignment"
)

func TestParse(t *testing.T) {
	t.Parallel()

	const name = "kubernetes.io/metadata.name"

	one := func(key string, operator metav1.LabelSelectorOperator, values ...string) metav1.LabelSelector {
		return metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: key, Operator: operator, Values: values},
		}}
	}

	tests := map[string]struct {
		selector metav1.LabelSelector
		want     string
	}{
		"a label":                      {metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}, ""},
		"empty":                        {metav1.LabelSelector{}, assignment.ReasonMatchesEverything},
		"empty lists":                  {metav1.LabelSelector{MatchLabels: map[string]string{}}, assignment.ReasonMatchesEverything},
		"any name":                     {one(name, metav1.LabelSelectorOpExists), assignment.ReasonMatchesEverything},
		"any name but the system's":    {one(name, metav1.LabelSelectorOpNotIn, "kube-system", "default"), assignment.ReasonMatchesEverything},
		"any name but an empty one":    {one(name, metav1.LabelSelectorOpNotIn, ""), assignment.ReasonMatchesEverything},
		"any name but one":             {one(name, metav1.LabelSelectorOpNotIn, "a"), ""},
		"one name":                     {one(name, metav1.LabelSelectorOpIn, "a"), ""},
		"no name":                      {one(name, metav1.LabelSelectorOpDoesNotExist), ""},
		"another label that exists":    {one("team", metav1.LabelSelectorOpExists), ""},
		"invalid operator":             {one("team", "Above", "3"), assignment.ReasonInvalidSelector},
		"invalid key":                  {one("te am", metav1.LabelSelectorOpExists), assignment.ReasonInvalidSelector},
		"In without values":            {one("team", metav1.LabelSelectorOpIn), assignment.ReasonInvalidSelector},
		"value that no label can have": {metav1.LabelSelector{MatchLabels: map[string]string{"a": "b c"}}, assignment.ReasonInvalidSelector},
	}

	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()

			selector, problems := assignment.Parse(&test.selector)
			if problems.Reason() != test.want {
				t.Errorf("reason %q, want %q: %s", problems.Reason(), test.want, problems.Message())
			}

			if (selector == nil) != (test.want != "") {
				t.Errorf("selector %v with reason %q", selector, problems.Reason())
			}

			if test.want != "" && !strings.HasPrefix(problems.Message(), "spec.selector: ") {
				t.Errorf("the message does not name the field: %s", problems.Message())
			}
		})
	}
}

func claim(name, workspace, selector string, from ...string) assignment.Assignment {
	return assignment.Assignment{Name: name, Workspace: workspace, Selector: mustParse(selector), From: from}
}

func mustParse(selector string) labels.Selector {
	parsed, err := labels.Parse(selector)
	if err != nil {
		return labels.Nothing()
	}

	return parsed
}

func namespace(name, workspace, team string) assignment.Namespace {
	return assignment.Namespace{Name: name, Workspace: workspace, Labels: labels.Set{"team": team}}
}

func TestDecide(t *testing.T) {
	t.Parallel()

	const (
		elsewhere = "belongs to workspace old: add that to spec.from to take it, or narrow spec.selector"
		conflict  = "claimed for another workspace by NamespaceAssignment rival: let one selector leave it out"
	)

	mine := claim("mine", "w", "team=a")
	rival := claim("rival", "other", "team in (a,b)")

	dry := rival
	dry.DryRun = true

	terminating, own := namespace("gone", "", "a"), namespace("own", "", "a")
	terminating.Terminating, own.Untouchable = true, true

	tests := map[string]struct {
		assignment assignment.Assignment
		others     []assignment.Assignment
		namespaces []assignment.Namespace
		want       assignment.Decision
	}{
		"nothing": {mine, nil, nil, assignment.Decision{}},
		"what is free is moved, sorted": {
			mine, nil,
			[]assignment.Namespace{
				namespace("y", "", "a"), namespace("x", "", "a"), namespace("z", "", "b"), namespace("v", "w", "a"),
			},
			assignment.Decision{Assigned: 1, Moves: []assignment.Change{{Namespace: "x"}, {Namespace: "y"}}},
		},
		"never": {
			mine, nil,
			[]assignment.Namespace{
				namespace("default", "", "a"), namespace("kube-x", "", "a"), namespace("kubesphere-x", "", "a"),
				terminating, own,
			},
			assignment.Decision{},
		},
		"of another workspace": {
			mine, nil,
			[]assignment.Namespace{namespace("x", "old", "a")},
			assignment.Decision{Refusals: []assignment.Change{{"x", "old", assignment.ReasonElsewhere, elsewhere}}},
		},
		"taken from another workspace": {
			claim("mine", "w", "team=a", "old"), nil,
			[]assignment.Namespace{namespace("x", "old", "a")},
			assignment.Decision{Moves: []assignment.Change{{Namespace: "x", From: "old"}}},
		},
		"claimed by another": {
			mine,
			[]assignment.Assignment{mine, rival},
			[]assignment.Namespace{namespace("x", "", "a"), namespace("y", "w", "a"), namespace("z", "", "b")},
			assignment.Decision{
				Assigned: 1, Rivals: []string{"rival"}, Disputed: []string{"x", "y"},
				Refusals: []assignment.Change{{"x", "", assignment.ReasonConflict, conflict}},
			},
		},
		"another that only looks": {
			mine,
			[]assignment.Assignment{mine, dry},
			[]assignment.Namespace{namespace("x", "", "a")},
			assignment.Decision{Moves: []assignment.Change{{Namespace: "x"}}},
		},
		"another for the same workspace": {
			mine,
			[]assignment.Assignment{mine, claim("friend", "w", "team=a")},
			[]assignment.Namespace{namespace("x", "", "a")},
			assignment.Decision{Moves: []assignment.Change{{Namespace: "x"}}},
		},
	}

	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()

			got := assignment.Decide(test.assignment, test.others, test.namespaces)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever there is: every namespace is in one place only, none of the system's is in any, no two assignments move
// the same namespace to different workspaces, and when all moves are made, nothing more is to be done.
func TestDecisionsAgree(t *testing.T) {
	t.Parallel()

	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // the same for the same seed
		all, namespaces := randomWorld(random)

		first := decideAll(all, namespaces)
		checkMoves(t, seed, all, first, namespaces)

		random.Shuffle(len(namespaces), func(i, j int) { namespaces[i], namespaces[j] = namespaces[j], namespaces[i] })

		if diff := cmp.Diff(first, decideAll(all, namespaces)); diff != "" {
			t.Fatalf("seed %d: the order of namespaces counts:\n%s", seed, diff)
		}

		move(all, first, namespaces)

		second := decideAll(all, namespaces)
		for _, one := range all {
			if moves := second[one.Name].Moves; len(moves) > 0 && !one.DryRun {
				t.Fatalf("seed %d: %s moves again: %v", seed, one.Name, moves)
			}
		}
	}
}

func randomWorld(random *rand.Rand) ([]assignment.Assignment, []assignment.Namespace) {
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	all := make([]assignment.Assignment, 1+random.IntN(4))

	for i := range all {
		all[i] = claim(fmt.Sprint("a", i), pick("v", "w"), pick("team=a", "team=b", "team!=c", "team", "!team"))
		all[i].DryRun = random.IntN(4) == 0
	}

	namespaces := make([]assignment.Namespace, random.IntN(8))
	for i := range namespaces {
		name := fmt.Sprint(pick("n", "kube-", "kubesphere-"), i)
		namespaces[i] = namespace(name, pick("", "v", "w", "x"), pick("a", "b", "c"))
		namespaces[i].Terminating = random.IntN(5) == 0
	}

	return all, namespaces
}

func decideAll(all []assignment.Assignment, namespaces []assignment.Namespace) map[string]assignment.Decision {
	decisions := map[string]assignment.Decision{}
	for _, one := range all {
		decisions[one.Name] = assignment.Decide(one, all, namespaces)
	}

	return decisions
}

func checkMoves(
	t *testing.T, seed uint64, all []assignment.Assignment, decisions map[string]assignment.Decision,
	namespaces []assignment.Namespace,
) {
	t.Helper()

	goal := map[string]string{}

	for _, one := range all {
		decision := decisions[one.Name]

		for _, change := range decision.Moves {
			if tenancy.IsSystemNamespace(change.Namespace) {
				t.Errorf("seed %d: %s is moved", seed, change.Namespace)
			}

			if was, claimed := goal[change.Namespace]; !one.DryRun && claimed && was != one.Workspace {
				t.Errorf("seed %d: %s goes to %s and to %s", seed, change.Namespace, was, one.Workspace)
			}

			if !one.DryRun {
				goal[change.Namespace] = one.Workspace
			}
		}

		if total := decision.Assigned + len(decision.Moves) + len(decision.Refusals); total > len(namespaces) {
			t.Errorf("seed %d: %s decides on %d of %d namespaces", seed, one.Name, total, len(namespaces))
		}
	}
}

// move makes the moves of those that do not only look.
func move(
	all []assignment.Assignment, decisions map[string]assignment.Decision, namespaces []assignment.Namespace,
) {
	for _, one := range all {
		for _, change := range decisions[one.Name].Moves {
			i := slices.IndexFunc(namespaces, func(n assignment.Namespace) bool { return n.Name == change.Namespace })
			if !one.DryRun {
				namespaces[i].Workspace = one.Workspace
			}
		}
	}
}

func TestChangesAreBounded(t *testing.T) {
	t.Parallel()

	decision := assignment.Decision{
		Moves:    []assignment.Change{{Namespace: "b"}, {Namespace: "d"}},
		Refusals: []assignment.Change{{Namespace: "a"}, {Namespace: "c"}},
	}

	var names []string
	for _, change := range decision.Changes(3) {
		names = append(names, change.Namespace)
	}

	if diff := cmp.Diff([]string{"a", "b", "c"}, names); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// Whatever a selector is: it is accepted, or refused in words that name the field. One that asks for nothing is not
// accepted.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"matchLabels":{"a":"b"}}`, `{"matchExpressions":[{"key":"a","operator":"NotIn","values":["b"]}]}`,
		`{"matchExpressions":[{"key":"kubernetes.io/metadata.name","operator":"NotIn","values":["","kube-system"]}]}`,
		`{"matchExpressions":[{"key":"kubernetes.io/metadata.name","operator":"Exists"},{"key":"","operator":"x"}]}`,
	} {
		f.Add(seed)
	}

	f.Fuzz(func(t *testing.T, text string) {
		var selector metav1.LabelSelector
		if json.Unmarshal([]byte(text), &selector) != nil {
			return
		}

		parsed, problems := assignment.Parse(&selector)

		switch {
		case len(problems) > 0 && !strings.HasPrefix(problems.Message(), "spec.selector: "):
			t.Errorf("the message does not name the field: %s", problems.Message())
		case len(problems) == 0 && len(selector.MatchLabels)+len(selector.MatchExpressions) == 0:
			t.Errorf("accepted although it asks for nothing: %s", parsed)
		}
	})
}
