package limits_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/limits"
)

// policy selects the workspaces with a plan, all without one. A negative limit is none.
func policy(name, plan string, limit int32) tenantv1beta1.WorkspacePolicy {
	var made tenantv1beta1.WorkspacePolicy

	made.Name = name

	if plan != "" {
		made.Spec.Selector.MatchLabels = map[string]string{"plan": plan}
	}

	if limit >= 0 {
		made.Spec.Limits.Namespaces = &limit
	}

	return made
}

func TestStrictest(t *testing.T) {
	t.Parallel()

	dry, ending, invalid := policy("dry", "", 0), policy("ending", "", 0), policy("invalid", "", 0)
	dry.Spec.Mode = tenantv1beta1.ModeDryRun
	ending.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	invalid.Spec.Selector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "plan", Operator: "Above"}}

	tests := map[string]struct {
		policies []tenantv1beta1.WorkspacePolicy
		limit    int32
		name     string
	}{
		"none":                     {nil, -1, ""},
		"no limit":                 {[]tenantv1beta1.WorkspacePolicy{policy("a", "", -1)}, -1, ""},
		"zero is a limit":          {[]tenantv1beta1.WorkspacePolicy{policy("a", "", 0)}, 0, "a"},
		"the smallest":             {[]tenantv1beta1.WorkspacePolicy{policy("a", "", 5), policy("b", "basic", 3)}, 3, "b"},
		"the first name of equals": {[]tenantv1beta1.WorkspacePolicy{policy("b", "", 5), policy("a", "", 5)}, 5, "a"},
		"another's":                {[]tenantv1beta1.WorkspacePolicy{policy("a", "gold", 1), policy("b", "", 9)}, 9, "b"},
		"not in force":             {[]tenantv1beta1.WorkspacePolicy{dry, ending, invalid, policy("b", "", 9)}, 9, "b"},
	}

	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()

			limit, name := limits.Strictest(map[string]string{"plan": "basic"}, test.policies)
			if got := value(limit); got != test.limit || name != test.name {
				t.Errorf("limit %d by %q, want %d by %q", got, name, test.limit, test.name)
			}
		})
	}
}

func value(limit *int32) int32 {
	if limit == nil {
		return -1
	}

	return *limit
}

// The order of policies does not count, and a further policy never allows more.
func TestStrictestIsStrict(t *testing.T) {
	t.Parallel()

	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // the same for the same seed
		policies := make([]tenantv1beta1.WorkspacePolicy, random.IntN(6))

		for i := range policies {
			limit := int32(random.IntN(6) - 1) //nolint:gosec // small
			policies[i] = policy("p"+strconv.Itoa(i), []string{"", "basic", "gold"}[random.IntN(3)], limit)
		}

		workspace := map[string]string{"plan": "basic"}
		before, name := limits.Strictest(workspace, policies)

		random.Shuffle(len(policies), func(i, j int) { policies[i], policies[j] = policies[j], policies[i] })

		if again, sameName := limits.Strictest(workspace, policies); value(again) != value(before) || name != sameName {
			t.Fatalf("seed %d: the order counts: %d by %s, %d by %s", seed, value(before), name, value(again), sameName)
		}

		after, _ := limits.Strictest(workspace, slices.Concat(policies, []tenantv1beta1.WorkspacePolicy{
			policy("more", "basic", 2),
		}))
		if after == nil || *after > 2 || before != nil && *after > *before {
			t.Fatalf("seed %d: %d before, %d with a further policy", seed, value(before), value(after))
		}
	}
}

func namespace(name string, age int, selfService, admitted bool) limits.Namespace {
	return limits.Namespace{
		Name: name, Created: time.Unix(int64(-age), 0), SelfService: selfService, Admitted: admitted,
	}
}

func TestSurplus(t *testing.T) {
	t.Parallel()

	old, middle := namespace("old", 9, true, false), namespace("middle", 5, true, false)
	young := namespace("young", 1, true, false)

	tests := map[string]struct {
		namespaces []limits.Namespace
		limit      int32
		want       []string
	}{
		"nothing":               {nil, 0, []string{}},
		"within":                {[]limits.Namespace{old, middle}, 2, []string{}},
		"the newest":            {[]limits.Namespace{young, old, middle}, 2, []string{"young"}},
		"sorted by name":        {[]limits.Namespace{young, old, middle}, 1, []string{"middle", "young"}},
		"all":                   {[]limits.Namespace{young, old}, 0, []string{"old", "young"}},
		"not what was admitted": {[]limits.Namespace{old, namespace("new", 0, true, true)}, 1, []string{"old"}},
		"not an administrator's": {
			[]limits.Namespace{namespace("given", 0, false, false), namespace("more", 0, false, false), old},
			1,
			[]string{"old"},
		},
		"the last name of equals": {
			[]limits.Namespace{namespace("b", 1, true, false), namespace("a", 1, true, false)}, 1, []string{"b"},
		},
	}

	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()

			if diff := cmp.Diff(test.want, limits.Surplus(test.namespaces, test.limit)); diff != "" {
				t.Errorf("surplus (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever there is: only what members made and what was never admitted is frozen, no more than is beyond the limit,
// nothing that is older than what stays, the same in any order, and a higher limit freezes nothing more.
func TestSurplusIsFair(t *testing.T) {
	t.Parallel()

	for seed := range uint64(1000) {
		random := rand.New(rand.NewPCG(seed, 3)) //nolint:gosec // the same for the same seed
		namespaces := make([]limits.Namespace, random.IntN(10))

		for i := range namespaces {
			namespaces[i] = namespace(fmt.Sprint("n", i), random.IntN(4), random.IntN(3) > 0, random.IntN(3) == 0)
		}

		limit := int32(random.IntN(10)) //nolint:gosec // small
		frozen := limits.Surplus(namespaces, limit)
		checkFair(t, seed, namespaces, int(limit), frozen)

		random.Shuffle(len(namespaces), func(i, j int) { namespaces[i], namespaces[j] = namespaces[j], namespaces[i] })

		if diff := cmp.Diff(frozen, limits.Surplus(namespaces, limit)); diff != "" {
			t.Fatalf("seed %d: the order counts:\n%s", seed, diff)
		}

		for _, name := range limits.Surplus(namespaces, limit+1) {
			if !slices.Contains(frozen, name) {
				t.Fatalf("seed %d: a higher limit freezes %s", seed, name)
			}
		}
	}
}

func checkFair(t *testing.T, seed uint64, namespaces []limits.Namespace, limit int, frozen []string) {
	t.Helper()

	var candidates, youngestLeft, oldestFrozen int

	youngestLeft, oldestFrozen = 1<<30, -1

	for _, one := range namespaces {
		isFrozen, mayFreeze := slices.Contains(frozen, one.Name), one.SelfService && !one.Admitted
		age := -int(one.Created.Unix())

		switch {
		case isFrozen && !mayFreeze:
			t.Fatalf("seed %d: %+v is frozen", seed, one)
		case isFrozen:
			oldestFrozen = max(oldestFrozen, age)
		case mayFreeze:
			youngestLeft = min(youngestLeft, age)
		}

		if mayFreeze {
			candidates++
		}
	}

	if want := min(candidates, max(0, len(namespaces)-limit)); len(frozen) != want {
		t.Fatalf("seed %d: %d are frozen, want %d", seed, len(frozen), want)
	}

	if oldestFrozen > youngestLeft {
		t.Fatalf("seed %d: one of age %d is frozen, one of age %d is not", seed, oldestFrozen, youngestLeft)
	}
}

func TestCount(t *testing.T) {
	t.Parallel()

	workspace := func(name, plan string, count int32) tenantv1beta1.Workspace {
		var made tenantv1beta1.Workspace

		made.Name, made.Labels = name, map[string]string{"plan": plan}
		if count >= 0 {
			made.Status.NamespaceCount = &count
		}

		return made
	}

	workspaces := []tenantv1beta1.Workspace{
		workspace("over", "basic", 4), workspace("just", "basic", 3), workspace("room", "basic", 2),
		workspace("new", "basic", -1), workspace("other", "gold", 9),
	}

	invalid := policy("invalid", "", 0)
	invalid.Spec.Selector.MatchLabels = map[string]string{"plan": "not a label value"}

	tests := map[string]struct {
		policy tenantv1beta1.WorkspacePolicy
		want   limits.Census
	}{
		"some":     {policy("p", "basic", 3), limits.Census{Selected: 4, Full: []string{"just", "over"}}},
		"all":      {policy("p", "", 4), limits.Census{Selected: 5, Full: []string{"other", "over"}}},
		"nothing":  {policy("p", "basic", 0), limits.Census{Selected: 4, Full: []string{"just", "new", "over", "room"}}},
		"no limit": {policy("p", "gold", -1), limits.Census{Selected: 1}},
		"invalid":  {invalid, limits.Census{}},
	}

	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()

			if diff := cmp.Diff(test.want, limits.Count(&test.policy, workspaces)); diff != "" {
				t.Errorf("census (-want +got):\n%s", diff)
			}
		})
	}

	if reason := limits.CheckPolicy(&invalid).Reason(); reason != limits.ReasonInvalidSelector {
		t.Errorf("reason %q of an invalid selector", reason)
	}
}

func TestOf(t *testing.T) {
	t.Parallel()

	made := metav1.Time{Time: time.Unix(7, 0)}
	in := map[string]string{tenantv1beta1.WorkspaceLabel: "w"}

	objects := []metav1.PartialObjectMetadata{
		{ObjectMeta: metav1.ObjectMeta{Name: "given", Labels: in, CreationTimestamp: made}},
		{ObjectMeta: metav1.ObjectMeta{Name: "made", Labels: in, Annotations: map[string]string{
			tenantv1beta1.SelfServiceAnnotation: "true", tenantv1beta1.AdmittedAnnotation: "w",
		}}},
		{ObjectMeta: metav1.ObjectMeta{Name: "moved", Labels: in, Annotations: map[string]string{
			tenantv1beta1.SelfServiceAnnotation: "true", tenantv1beta1.AdmittedAnnotation: "v",
		}}},
	}
	want := []limits.Namespace{
		{Name: "given", Created: made.Time},
		{Name: "made", SelfService: true, Admitted: true},
		{Name: "moved", SelfService: true},
	}

	if diff := cmp.Diff(want, limits.Of(objects)); diff != "" {
		t.Errorf("namespaces (-want +got):\n%s", diff)
	}
}
