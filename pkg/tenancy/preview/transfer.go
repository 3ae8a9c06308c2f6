package preview

import (
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/assignment"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/limits"
)

// Transfer is what moving namespaces to a workspace does.
type Transfer struct {
	Workspace  string  `json:"workspace"`
	Namespaces []Moved `json:"namespaces"`

	// Limit is the one of the workspace, if there is one.
	Limit *Limit `json:"limit,omitempty"`

	// Frozen and Thawed are the namespaces, of any of the workspaces, in which roles lose or regain their effect
	// because the numbers change.
	Frozen []string `json:"frozen,omitempty"`
	Thawed []string `json:"thawed,omitempty"`

	// Obstacles are why it cannot be done as it stands; Warnings are what else to know.
	Obstacles []string `json:"obstacles,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
}

// Moved is what becomes of one namespace.
type Moved struct {
	Name string `json:"name"`
	From string `json:"from,omitempty"`
	To   string `json:"to"`

	Change Change `json:"change"`
}

// Limit is how many namespaces a workspace may have, and has.
type Limit struct {
	Policy     string `json:"policy"`
	Namespaces int32  `json:"namespaces"`
	Before     int    `json:"before"`
	After      int    `json:"after"`
}

// NewTransfer tells what setting the workspace of namespaces does.
func NewTransfer(world World, names []string, to string) Transfer {
	transfer := Transfer{Workspace: to, Namespaces: []Moved{}}

	if workspace := world.workspace(to); workspace == nil || !workspace.DeletionTimestamp.IsZero() {
		transfer.Obstacles = append(transfer.Obstacles,
			fmt.Sprintf("workspace %s does not exist, or is being deleted: create it first", to))

		return transfer
	}

	names = slices.Compact(slices.Sorted(slices.Values(names)))
	after := world.moving(names, to)
	touched := map[string]bool{to: true}

	for _, name := range names {
		object := world.namespace(name)
		if object == nil || !object.DeletionTimestamp.IsZero() {
			transfer.Obstacles = append(transfer.Obstacles,
				fmt.Sprintf("namespace %s does not exist, or is being deleted: leave it out", name))

			continue
		}

		from := object.Labels[tenantv1beta1.WorkspaceLabel]
		touched[from] = true
		moved := after.namespace(name)

		transfer.Namespaces = append(transfer.Namespaces, Moved{
			Name: name, From: from, To: to, Change: compare(world.stateOf(object), after.stateOf(moved)),
		})
		transfer.Warnings = append(transfer.Warnings, after.warningsOf(moved, to)...)
	}

	transfer.count(world, after, touched)

	return transfer
}

// moving returns the world as it is when the namespaces are in the workspace.
func (w World) moving(names []string, to string) World {
	w.Namespaces = slices.Clone(w.Namespaces)

	for i := range w.Namespaces {
		if slices.Contains(names, w.Namespaces[i].Name) && w.Namespaces[i].DeletionTimestamp.IsZero() {
			w.Namespaces[i] = *labelled(&w.Namespaces[i], to)
		}
	}

	return w
}

// labelled returns a copy of a namespace in a workspace, in none for an empty name.
func labelled(object *metav1.PartialObjectMetadata, workspace string) *metav1.PartialObjectMetadata {
	moved := *object
	moved.Labels = maps.Clone(object.Labels)

	if workspace == "" {
		delete(moved.Labels, tenantv1beta1.WorkspaceLabel)

		return &moved
	}

	if moved.Labels == nil {
		moved.Labels = map[string]string{}
	}

	moved.Labels[tenantv1beta1.WorkspaceLabel] = workspace

	return &moved
}

// warningsOf tells what else to know of a namespace that is put into a workspace.
func (w World) warningsOf(object *metav1.PartialObjectMetadata, to string) []string {
	var warnings []string

	if tenancy.IsSystemNamespace(object.Name) {
		warnings = append(warnings, fmt.Sprintf("namespace %s is one of the system: whoever holds a role of workspace "+
			"%s will hold it there", object.Name, to))
	}

	for i := range w.Assignments {
		one := &w.Assignments[i]
		selector, problems := assignment.Parse(&one.Spec.Selector)

		if len(problems) > 0 || one.Spec.Workspace == to || one.Spec.Mode == tenantv1beta1.ModeDryRun ||
			!selector.Matches(labels.Set(object.Labels)) {
			continue
		}

		outcome := "and will report that it is not there"
		if slices.Contains(one.Spec.From, to) {
			outcome = "and will take it back"
		}

		warnings = append(warnings, fmt.Sprintf("NamespaceAssignment %s claims namespace %s for workspace %s %s",
			one.Name, object.Name, one.Spec.Workspace, outcome))
	}

	return warnings
}

// count compares the numbers of namespaces with the limits.
func (t *Transfer) count(before, after World, touched map[string]bool) {
	for _, name := range slices.Sorted(maps.Keys(touched)) {
		t.Frozen = append(t.Frozen, missing(after.frozen(name), before.frozen(name))...)
		t.Thawed = append(t.Thawed, missing(before.frozen(name), after.frozen(name))...)
	}

	// What was frozen in one workspace and is in the other stays frozen.
	t.Frozen, t.Thawed = missing(t.Frozen, t.Thawed), missing(t.Thawed, t.Frozen)

	limit, policy := limits.Strictest(before.workspace(t.Workspace).Labels, before.Policies)
	if limit == nil {
		return
	}

	t.Limit = &Limit{
		Policy: policy, Namespaces: *limit,
		Before: len(before.members(t.Workspace)), After: len(after.members(t.Workspace)),
	}

	if t.Limit.After > int(*limit) && t.Limit.After > t.Limit.Before {
		t.Warnings = append(t.Warnings, fmt.Sprintf("workspace %s will have %d namespaces where WorkspacePolicy %s "+
			"allows %d: it takes the right to assign on all workspaces", t.Workspace, t.Limit.After, policy, *limit))
	}
}
