package manager

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
	"github.com/ks-core/ks-controller-manager/pkg/kube/guard"
)

// The kinds of the controller under test: two that it needs, two that it can use, one that is always there.
func needed() schema.GroupVersionKind   { return kindOf("Needed") }
func needed2() schema.GroupVersionKind  { return kindOf("Needed2") }
func useful() schema.GroupVersionKind   { return kindOf("Useful") }
func useful2() schema.GroupVersionKind  { return kindOf("Useful2") }
func ordinary() schema.GroupVersionKind { return kindOf("Ordinary") }

func kindOf(kind string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: kind}
}

func resourceOf(kind schema.GroupVersionKind) string { return strings.ToLower(kind.Kind) + "s" }

func definitionOf(kind schema.GroupVersionKind) string { return resourceOf(kind) + ".example.com" }

// judged returns a controller that needs schema revision 2 and the status subresource of one of its kinds.
func judged() Descriptor {
	descriptor := Descriptor{
		Name: "judged", Domain: Edge,
		Requires: []Required{{GroupVersionKind: needed(), Revision: 2}, {GroupVersionKind: needed2()}},
		Optional: []schema.GroupVersionKind{useful(), useful2()},
		Writes: []rbacv1.PolicyRule{{
			APIGroups: []string{"example.com"}, Resources: []string{resourceOf(needed()) + "/status"},
			Verbs: []string{"patch"},
		}},
	}

	for _, kind := range []schema.GroupVersionKind{needed(), needed2(), useful(), useful2(), ordinary()} {
		cached := Cached{Kind: kind, Resource: resourceOf(kind), Depth: MetadataOnly}
		descriptor.Caches = append(descriptor.Caches, cached)
	}

	return descriptor
}

// world is what the watches show.
type world struct {
	kinds         map[schema.GroupVersionKind]definitions.Kind
	problem       string
	original      string
	originalKnown bool
}

// wholeWorld has all kinds as the controller wants them.
func wholeWorld() world {
	made := world{kinds: map[schema.GroupVersionKind]definitions.Kind{}, originalKnown: true}

	for _, kind := range []schema.GroupVersionKind{needed(), needed2(), useful(), useful2()} {
		made.kinds[kind] = definitions.Kind{Served: true, HasStatus: true, Definition: &definitions.Definition{
			Name: definitionOf(kind), UID: types.UID("uid-of-" + kind.Kind), Generation: 7, Revision: 2,
		}}
	}

	return made
}

// with changes what is known of a kind.
func (w world) with(kind schema.GroupVersionKind, change func(*definitions.Kind)) world {
	changed := w.kinds[kind]
	if changed.Definition != nil {
		definition := *changed.Definition
		changed.Definition = &definition
	}

	change(&changed)
	w.kinds[kind] = changed

	return w
}

// without removes a kind. What discovery has answered is still known of it.
func (w world) without(kind schema.GroupVersionKind) world {
	w.kinds[kind] = definitions.Kind{}

	return w
}

// unknown has discovery not have answered for a kind.
func (w world) unknown(kind schema.GroupVersionKind) world {
	delete(w.kinds, kind)

	return w
}

func (w world) circumstances() circumstances {
	return circumstances{
		kind: func(wanted definitions.Wanted) (definitions.Kind, bool) {
			kind, known := w.kinds[wanted.Kind]

			return kind, known
		},
		problem: w.problem, original: w.original, originalKnown: w.originalKnown,
	}
}

func TestBlocked(t *testing.T) {
	t.Parallel()

	outdate := func(kind *definitions.Kind) { kind.Definition.Revision = 1 }
	dropStatus := func(kind *definitions.Kind) { kind.HasStatus = false }
	built := func(kind *definitions.Kind) { kind.Definition = nil }

	unasked := wholeWorld().unknown(needed2())
	unasked.problem = "discovery fails"

	// Everything is wrong at once, one step less of it in each.
	all := wholeWorld().with(needed(), outdate).without(needed2())
	all.original, all.problem = "the original runs", "discovery fails"

	outdatedAndOriginal := wholeWorld().with(needed(), outdate)
	outdatedAndOriginal.original = "the original runs"

	onlyOriginal := wholeWorld()
	onlyOriginal.original = "the original runs"

	unsure := wholeWorld()
	unsure.originalKnown = false

	unsureAndOutdated := wholeWorld().with(needed(), outdate)
	unsureAndOutdated.originalKnown = false

	const (
		missing2  = "the API server does not serve Needed2 of example.com/v1: install config/crd"
		revision1 = "the definition of Needed of example.com/v1 has schema revision 1, 2 is needed"
		noStatus  = "the definition of Needed of example.com/v1 has no status subresource"
		remedy    = ": apply config/crd of this release"
	)

	tests := map[string]struct {
		world   world
		state   State
		reason  string
		message string
	}{
		"nothing is missing":         {world: wholeWorld()},
		"optional kinds are missing": {world: wholeWorld().without(useful()).unknown(useful2())},
		"discovery has not answered": {unasked, Starting, ReasonDiscovering, "discovery fails"},
		"one is missing":             {wholeWorld().without(needed2()), Waiting, ReasonCRDMissing, missing2},
		"both are missing": {
			wholeWorld().without(needed()).without(needed2()), Waiting, ReasonCRDMissing,
			"the API server does not serve Needed of example.com/v1, Needed2 of example.com/v1: install config/crd",
		},
		"an old schema":             {wholeWorld().with(needed(), outdate), Waiting, ReasonCRDOutdated, revision1 + remedy},
		"a foreign kind of any age": {world: wholeWorld().with(needed2(), func(kind *definitions.Kind) { kind.Definition.Revision = 0 })},
		"no status": {
			wholeWorld().with(needed(), dropStatus), Waiting, ReasonCRDOutdated, noStatus + remedy,
		},
		"no status where none is written": {world: wholeWorld().with(needed2(), dropStatus)},
		"an old schema without status": {
			wholeWorld().with(needed(), outdate).with(needed(), dropStatus), Waiting, ReasonCRDOutdated,
			revision1 + "; " + noStatus + remedy,
		},
		"ours without a definition": {
			wholeWorld().with(needed(), built), Waiting, ReasonCRDOutdated,
			"the definition of Needed of example.com/v1 has schema revision 0, 2 is needed" + remedy,
		},
		"a foreign kind without a definition": {world: wholeWorld().with(needed2(), built)},
		"being deleted is no obstacle": {
			world: wholeWorld().with(needed(), func(kind *definitions.Kind) { kind.Definition.Terminating = true }),
		},
		"the original runs":            {onlyOriginal, Waiting, ReasonOriginalRunning, "the original runs"},
		"nobody has looked for it yet": {unsure, Starting, ReasonDiscovering, "looking for KubeSphere's own manager"},

		"what is not known comes first":            {all.clone().unknown(needed()), Starting, ReasonDiscovering, "discovery fails"},
		"then what is missing":                     {all, Waiting, ReasonCRDMissing, missing2},
		"then what is outdated":                    {outdatedAndOriginal, Waiting, ReasonCRDOutdated, revision1 + remedy},
		"also where the original is not known yet": {unsureAndOutdated, Waiting, ReasonCRDOutdated, revision1 + remedy},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			row, isBlocked := blocked(judged(), test.world.circumstances())

			want := Row{Name: "judged", Domain: Edge, State: test.state, Reason: test.reason, Message: test.message}
			if diff := cmp.Diff(want, row); diff != "" || isBlocked != (test.state != "") {
				t.Errorf("blocked() = %t (-want +got):\n%s", isBlocked, diff)
			}
		})
	}
}

// clone returns a world that can be changed by itself.
func (w world) clone() world {
	w.kinds = maps.Clone(w.kinds)

	return w
}

func TestVariantOf(t *testing.T) {
	t.Parallel()

	whole := variantOf(judged(), wholeWorld().circumstances())
	renamed := func(kind *definitions.Kind) { kind.Definition.UID = "another" }

	tests := map[string]struct {
		world   world
		present []schema.GroupVersionKind
		anew    bool // other than the whole world, so that the controller is made again
	}{
		"the same": {wholeWorld(), []schema.GroupVersionKind{useful(), useful2()}, false},
		"an optional kind is missing": {
			wholeWorld().without(useful()), []schema.GroupVersionKind{useful2()}, true,
		},
		"an optional kind is not known": {
			wholeWorld().unknown(useful2()), []schema.GroupVersionKind{useful()}, true,
		},
		"none is there": {wholeWorld().without(useful()).without(useful2()), nil, true},
		"a required kind was made again": {
			wholeWorld().with(needed(), renamed), []schema.GroupVersionKind{useful(), useful2()}, true,
		},
		"an optional kind was made again": {
			wholeWorld().with(useful(), renamed), []schema.GroupVersionKind{useful(), useful2()}, true,
		},
		"a new generation is the same kind": {
			wholeWorld().with(needed(), func(kind *definitions.Kind) { kind.Definition.Generation++ }),
			[]schema.GroupVersionKind{useful(), useful2()},
			false,
		},
		"one that goes is the same kind": {
			wholeWorld().with(useful(), func(kind *definitions.Kind) { kind.Definition.Terminating = true }),
			[]schema.GroupVersionKind{useful(), useful2()},
			false,
		},
		"without a definition": {
			wholeWorld().with(useful(), func(kind *definitions.Kind) { kind.Definition = nil }),
			[]schema.GroupVersionKind{useful(), useful2()},
			true,
		},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := variantOf(judged(), test.world.circumstances())
			if diff := cmp.Diff(test.present, got.present); diff != "" {
				t.Errorf("what is present (-want +got):\n%s", diff)
			}

			if isAnew := got.identity != whole.identity; isAnew != test.anew {
				t.Errorf("another variant: %t, want %t: %q and %q", isAnew, test.anew, whole.identity, got.identity)
			}

			var kept []schema.GroupVersionKind
			for _, cached := range got.caches(judged()) {
				kept = append(kept, cached.Kind)
			}

			want := append([]schema.GroupVersionKind{needed(), needed2()}, append(test.present, ordinary())...)
			if diff := cmp.Diff(want, kept); diff != "" {
				t.Errorf("what is kept (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSeen(t *testing.T) {
	t.Parallel()

	going := func(kind *definitions.Kind) { kind.Definition.Terminating = true }
	now := wholeWorld().with(needed(), going).with(useful(), going).without(useful2()).circumstances()

	generations, terminating := seen(judged(), now)

	want := map[string]int64{definitionOf(needed()): 7, definitionOf(needed2()): 7, definitionOf(useful()): 7}
	if diff := cmp.Diff(want, generations); diff != "" {
		t.Errorf("the generations (-want +got):\n%s", diff)
	}

	if diff := cmp.Diff([]string{definitionOf(needed()), definitionOf(useful())}, terminating); diff != "" {
		t.Errorf("what is going (-want +got):\n%s", diff)
	}
}

func TestStanding(t *testing.T) {
	t.Parallel()

	denied := []string{"patch things.example.com", "patch things/status.example.com"}
	going := []string{"things.example.com", "others.example.com"}
	troubles := []guard.Trouble{
		{Kind: guard.Hanging, Object: "default/slow", Message: "it hangs"},
		{Kind: guard.HotLoop, Object: "default/fast", Message: "it loops"},
	}

	isDenied := Row{
		State: Degraded, Reason: ReasonForbidden,
		Message: "it may not patch things.example.com, patch things/status.example.com (bind ClusterRole the-role)",
	}
	isPanicking := Row{State: Degraded, Reason: ReasonPanicking, Message: "reconcile: no"}
	isHanging := Row{State: Degraded, Reason: ReasonHanging, Message: "default/slow: it hangs"}
	isGoing := Row{
		State: Running, Reason: ReasonCRDTerminating,
		Message: "being deleted, and waited for until no instance is left: things.example.com, others.example.com",
	}

	tests := map[string]struct {
		denied, going []string
		troubles      []guard.Trouble
		panicked      string
		want          Row
	}{
		"all is well":          {want: Row{State: Running, Reason: ReasonRunning}},
		"a write is refused":   {denied: denied, want: isDenied},
		"it panicked":          {panicked: "reconcile: no", want: isPanicking},
		"an object in trouble": {troubles: troubles, want: isHanging},
		"its definition goes":  {going: going, want: isGoing},

		"rights come first":          {denied, going, troubles, "reconcile: no", isDenied},
		"then panics":                {nil, going, troubles, "reconcile: no", isPanicking},
		"then objects":               {nil, going, troubles, "", isHanging},
		"then definitions on leave":  {nil, going, nil, "", isGoing},
		"the first object is shown":  {nil, nil, troubles[1:], "", Row{State: Degraded, Reason: ReasonHotLoop, Message: "default/fast: it loops"}},
		"no trouble, no definitions": {nil, nil, nil, "", Row{State: Running, Reason: ReasonRunning}},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := standing(test.denied, test.going, "the-role", test.troubles, test.panicked)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("standing() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLasting(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	troubles := []guard.Trouble{
		{Kind: guard.Hanging, Since: now},
		{Kind: guard.HotLoop, Object: "busy", Since: now.Add(-time.Minute)},
		{Kind: guard.HotLoop, Object: "loop", Since: now.Add(-3 * time.Minute)},
	}

	want := []guard.Trouble{troubles[0], troubles[2]}
	if diff := cmp.Diff(want, lasting(slices.Clone(troubles), now)); diff != "" {
		t.Errorf("lasting() (-want +got):\n%s", diff)
	}
}

// Each reason that a verdict gives is described in the reference, with its state.
func TestReasonsAreDescribed(t *testing.T) {
	t.Parallel()

	described := map[string]bool{}
	for _, reason := range Reasons() {
		described[string(reason.State)+" "+reason.Reason] = true
	}

	for _, kind := range []string{guard.Panicking, guard.Hanging, guard.HotLoop} {
		row := standing(nil, nil, "", []guard.Trouble{{Kind: kind}}, "")
		if !described[string(row.State)+" "+row.Reason] {
			t.Errorf("%s for %s is not described", row.State, row.Reason)
		}
	}
}
