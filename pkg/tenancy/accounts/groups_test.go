package accounts_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

func split(names string) []string {
	if names == "" {
		return nil
	}

	return strings.Split(names, ",")
}

// bindingsOf reads "a,-b,!c": bindings of a, of b that is being deleted, and one of c that is wrong.
func bindingsOf(groups string) []iamv1beta1.GroupBinding {
	var bindings []iamv1beta1.GroupBinding

	for _, name := range split(groups) {
		binding := iamv1beta1.GroupBinding{GroupRef: iamv1beta1.GroupRef{Name: strings.TrimLeft(name, "-!")}}
		if name[0] == '-' {
			binding.DeletionTimestamp = &metav1.Time{Time: noon()}
		}

		if name[0] == '!' {
			binding.GroupRef.Kind = "Team"
		}

		bindings = append(bindings, binding)
	}

	return bindings
}

func TestMembers(t *testing.T) {
	t.Parallel()

	// Groups whose names begin with m are missing, with d are being deleted.
	stateOf := func(group string) accounts.GroupState {
		switch {
		case strings.HasPrefix(group, "m"):
			return accounts.GroupMissing
		case strings.HasPrefix(group, "d"):
			return accounts.GroupDeleting
		}

		return accounts.GroupPresent
	}

	tests := map[string]struct{ groups, bound, bindings, want, wantBound string }{
		"nothing":                       {"", "", "", "", ""},
		"comes":                         {"", "", "a", "a", "a"},
		"stays":                         {"a", "a", "a", "a", "a"},
		"goes":                          {"a", "a", "", "", ""},
		"one of 3.x is adopted":         {"a", "", "a", "a", "a"},
		"one of 3.x goes":               {"a", "", "-a", "", ""},
		"held through another":          {"a", "a", "-a,a", "a", "a"},
		"by hand":                       {"x,a,y", "a", "", "x,y", ""},
		"by hand and missing":           {"m", "", "", "m", ""},
		"taken off by hand":             {"", "a", "a", "a", "a"},
		"sorted where one comes":        {"z,x", "z", "c,z,b", "x,b,c,z", "b,c,z"},
		"in any order where none does":  {"z,x,b", "b,z", "b,z", "z,x,b", "b,z"},
		"twice by hand":                 {"x,x", "", "", "x,x", ""},
		"missing":                       {"", "", "m", "", ""},
		"missing, a member":             {"m", "m", "m", "m", "m"},
		"missing, and the binding goes": {"m", "m", "-m", "", ""},
		"the group goes":                {"d", "d", "d", "", ""},
		"the group goes, by hand":       {"d,x", "", "", "x", ""},
		"wrong":                         {"", "", "!a", "", ""},
		"wrong since":                   {"a", "a", "!a", "", ""},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			current := accounts.Membership{Groups: split(test.groups), Bound: split(test.bound)}
			got := accounts.Members(current, bindingsOf(test.bindings), stateOf)

			want := accounts.Membership{Groups: split(test.want), Bound: split(test.wantBound)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("membership (-want +got):\n%s", diff)
			}

			if diff := cmp.Diff(got, accounts.Members(got, bindingsOf(test.bindings), stateOf)); diff != "" {
				t.Errorf("a second look changes it (-first +second):\n%s", diff)
			}
		})
	}
}

// Whatever bindings come and go, what was written by hand stays, and the rest is what bindings give.
func TestMembersOfRandomBindings(t *testing.T) {
	t.Parallel()

	present := func(string) accounts.GroupState { return accounts.GroupPresent }
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // no secret

	for range 500 {
		current := accounts.Membership{Groups: []string{"by-hand", "too"}}

		for range 10 {
			given := map[string]bool{}
			for range random.IntN(4) {
				given[fmt.Sprint("g", random.IntN(5))] = true
			}

			var bindings []iamv1beta1.GroupBinding
			for group := range given {
				bindings = append(bindings, bindingsOf(group)...)
			}

			current = accounts.Members(current, bindings, present)

			for _, group := range current.Groups[2:] {
				if !given[group] {
					t.Fatalf("%v has a group that nothing gives: %v", current, given)
				}
			}

			if current.Groups[0] != "by-hand" || current.Groups[1] != "too" || len(current.Groups) != 2+len(given) ||
				len(current.Bound) != len(given) || !slices.IsSorted(current.Bound) {
				t.Fatalf("%v of %v", current, given)
			}
		}
	}
}

func TestSetGroups(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		groups, record, want, wantBound, patch string
	}{
		"nothing": {"a", "a", "a", "a", ""},
		"comes":   {"", "", "a", "a", `{"metadata":{"annotations":{"iam.kubesphere.io/bound-groups":"a"},"resourceVersion":"7"},"spec":{"groups":["a"]}}`},
		"goes":    {"a", "a", "", "", `{"metadata":{"annotations":{"iam.kubesphere.io/bound-groups":null},"resourceVersion":"7"},"spec":{"groups":null}}`},
		"adopted": {"a", "", "a", "a", `{"metadata":{"annotations":{"iam.kubesphere.io/bound-groups":"a"},"resourceVersion":"7"}}`},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			annotations := map[string]string{}
			if test.record != "" {
				annotations[accounts.BoundGroupsAnnotation] = test.record
			}

			subject := user("", annotations)
			subject.Spec.Groups = split(test.groups)

			patch := accounts.NewPatch(subject)
			patch.SetGroups(accounts.Membership{Groups: split(test.want), Bound: split(test.wantBound)})

			got, err := patch.JSON()
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(test.patch, string(got)); diff != "" {
				t.Errorf("patch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckLineage(t *testing.T) {
	t.Parallel()

	var deep []string
	for i := range accounts.MaxDepth + 2 {
		deep = append(deep, strconv.Itoa(i))
	}

	tests := map[string]struct {
		lineage  accounts.Lineage
		complete bool
		reason   string
		message  string
	}{
		"no parent":         {accounts.Lineage{Names: []string{"a"}}, false, "", ""},
		"a parent":          {accounts.Lineage{Names: []string{"a", "b"}}, false, "", ""},
		"the parent's lack": {accounts.Lineage{Names: []string{"a", "b", "c"}, Missing: true}, true, "", ""},
		"missing":           {accounts.Lineage{Names: []string{"a", "b"}, Missing: true}, true, "ParentNotFound", "create that group"},
		"itself":            {accounts.Lineage{Names: []string{"a", "a"}}, true, "ParentLoop", "a is part of a: name"},
		"a loop":            {accounts.Lineage{Names: []string{"a", "b", "a"}}, true, "ParentLoop", "a is part of b is part of a: name"},
		"a loop above":      {accounts.Lineage{Names: []string{"a", "b", "c", "b"}}, true, "ParentLoop", "b is part of c is part of b: name"},
		"deep":              {accounts.Lineage{Names: deep[:accounts.MaxDepth+1]}, false, "", ""},
		"too deep":          {accounts.Lineage{Names: deep}, true, "TooDeep", "at most 32"},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			problems := accounts.CheckLineage(test.lineage)
			if problems.Reason() != test.reason || !strings.Contains(problems.Message(), test.message) {
				t.Errorf("%s: %s, want %s: %s", problems.Reason(), problems.Message(), test.reason, test.message)
			}

			if test.lineage.Complete() != test.complete {
				t.Errorf("complete: %t", !test.complete)
			}
		})
	}
}

func TestCheckGroupRef(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		ref  iamv1beta1.GroupRef
		want string
	}{
		"as KubeSphere writes it": {iamv1beta1.GroupRef{APIGroup: "iam.kubesphere.io", Kind: "Group", Name: "a"}, ""},
		"the name alone":          {iamv1beta1.GroupRef{Name: "a"}, ""},
		"nothing":                 {iamv1beta1.GroupRef{}, "groupRef.name: Required value: name the group that the users are to be members of"},
		"others":                  {iamv1beta1.GroupRef{APIGroup: "x", Kind: "Team", Name: "a"}, `groupRef.apiGroup: Unsupported value: "x": supported values: "iam.kubesphere.io"; groupRef.kind: Unsupported value: "Team": supported values: "Group"`},
	}

	for name, test := range tests {
		if diff := cmp.Diff(test.want, accounts.CheckGroupRef(test.ref).Message()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
