package accounts

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

// Reasons of problems with groups and their bindings.
const (
	ReasonParentNotFound  = "ParentNotFound"
	ReasonParentLoop      = "ParentLoop"
	ReasonTooDeep         = "TooDeep"
	ReasonInvalidGroupRef = "InvalidGroupRef"
)

// BoundGroupsAnnotation on a User lists the groups that it is a member of through GroupBindings, so that taking a
// binding away takes exactly what it gave, and no group that was written there by hand.
const BoundGroupsAnnotation = "iam.kubesphere.io/bound-groups"

// MaxDepth is how many groups may stand above another.
const MaxDepth = 32

// Lineage is a group and those above it.
type Lineage struct {
	// Names of the group, its parent, the parent of that, and so on.
	Names []string

	// Missing is set where the last one does not exist.
	Missing bool
}

// Parent is the name of the group that a group is part of, empty for none.
func Parent(group *iamv1beta1.Group) string { return group.Labels[iamv1beta1.GroupParentLabel] }

// Complete tells whether there is no need to look further up.
func (l Lineage) Complete() bool {
	return l.Missing || len(l.Names) > MaxDepth+1 || l.loop() >= 0
}

// loop is where the last name stands for the first time, if it is there twice.
func (l Lineage) loop() int {
	last := len(l.Names) - 1
	if first := slices.Index(l.Names, l.Names[last]); first < last {
		return first
	}

	return -1
}

// CheckLineage returns what has to be changed on a group. A parent that is missing is the child's problem alone.
func CheckLineage(lineage Lineage) tenancy.Problems {
	const (
		direct = 2 // names: the group and its parent
		remedy = ": name another group in the label, or take it off"
	)

	path := field.NewPath("metadata", "labels").Key(iamv1beta1.GroupParentLabel)

	if lineage.Missing && len(lineage.Names) == direct {
		err := field.NotFound(path, lineage.Names[1])
		err.Detail = "create that group, name another in the label, or take it off"

		return tenancy.Problems{{Reason: ReasonParentNotFound, Err: err}}
	}

	if first := lineage.loop(); first >= 0 {
		return tenancy.Problems{{Reason: ReasonParentLoop, Err: field.Invalid(path, lineage.Names[1],
			"groups cannot be part of themselves: "+strings.Join(lineage.Names[first:], " is part of ")+remedy)}}
	}

	if len(lineage.Names) > MaxDepth+1 {
		return tenancy.Problems{{Reason: ReasonTooDeep, Err: field.Invalid(path, lineage.Names[1],
			fmt.Sprintf("at most %d groups may stand above another", MaxDepth)+remedy)}}
	}

	return nil
}

// CheckGroupRef returns what has to be changed on a GroupBinding.
func CheckGroupRef(ref iamv1beta1.GroupRef) tenancy.Problems {
	var problems tenancy.Problems

	path := field.NewPath("groupRef")
	refuse := func(err *field.Error) {
		problems = append(problems, tenancy.Problem{Reason: ReasonInvalidGroupRef, Err: err})
	}

	if ref.APIGroup != "" && ref.APIGroup != iamv1beta1.GroupName {
		refuse(field.NotSupported(path.Child("apiGroup"), ref.APIGroup, []string{iamv1beta1.GroupName}))
	}

	if ref.Kind != "" && ref.Kind != "Group" {
		refuse(field.NotSupported(path.Child("kind"), ref.Kind, []string{"Group"}))
	}

	if ref.Name == "" {
		refuse(field.Required(path.Child("name"), "name the group that the users are to be members of"))
	}

	return problems
}

// GroupState is how a group that a user may be a member of is.
type GroupState int

// The states of a group.
const (
	// GroupMissing does not exist: nobody becomes a member, and nobody stops being one.
	GroupMissing GroupState = iota
	// GroupPresent has the members that its bindings name.
	GroupPresent
	// GroupDeleting has no members.
	GroupDeleting
)

// Membership is what a user is a member of.
type Membership struct {
	// Groups are all.
	Groups []string

	// Bound are those that bindings gave, sorted.
	Bound []string
}

// record is how Bound is kept. The names of groups have no commas.
func (m Membership) record() string { return strings.Join(m.Bound, ",") }

// CurrentMembership is what the user says of itself.
func CurrentMembership(user *iamv1beta1.User) Membership {
	current := Membership{Groups: user.Spec.Groups}
	if record := user.Annotations[BoundGroupsAnnotation]; record != "" {
		current.Bound = strings.Split(record, ",")
	}

	return current
}

// Members computes the groups of a user from the GroupBindings that name it, those that are being deleted among them.
// What no binding has given stays as it is, unless the group is being deleted. Where groups come or go, those that
// bindings give stand last and sorted, so that it does not matter which came first.
func Members(
	current Membership, bindings []iamv1beta1.GroupBinding, stateOf func(group string) GroupState,
) Membership {
	given, taken := bound(current, bindings)

	var next Membership

	for _, group := range current.Groups {
		if !given[group] && !taken[group] && stateOf(group) != GroupDeleting {
			next.Groups = append(next.Groups, group)
		}
	}

	for _, group := range slices.Sorted(maps.Keys(given)) {
		state := stateOf(group)
		if state == GroupPresent || state == GroupMissing && slices.Contains(current.Groups, group) {
			next.Bound = append(next.Bound, group)
		}
	}

	next.Groups = append(next.Groups, next.Bound...)

	if isSameSet(current.Groups, next.Groups) {
		next.Groups = current.Groups
	}

	return next
}

func isSameSet(a, b []string) bool {
	set := func(names []string) []string { return slices.Compact(slices.Sorted(slices.Values(names))) }

	return slices.Equal(set(a), set(b))
}

// bound tells which groups bindings give, and which they have given at any time.
func bound(current Membership, bindings []iamv1beta1.GroupBinding) (map[string]bool, map[string]bool) {
	given, taken := map[string]bool{}, map[string]bool{}

	for _, group := range current.Bound {
		taken[group] = true
	}

	for i := range bindings {
		ref := bindings[i].GroupRef
		if len(CheckGroupRef(ref)) > 0 {
			continue
		}

		taken[ref.Name] = true

		if bindings[i].DeletionTimestamp.IsZero() {
			given[ref.Name] = true
		}
	}

	return given, taken
}
