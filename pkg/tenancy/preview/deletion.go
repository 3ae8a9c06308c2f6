package preview

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

// Fate is what becomes of a namespace whose workspace is deleted.
type Fate string

// The fates.
const (
	// FateFreed loses the label of the workspace and the access that came by it.
	FateFreed Fate = "freed"

	// FateDeleted goes with all that is in it.
	FateDeleted Fate = "deleted"

	// FateKept stays as it is, and so does the workspace, because of an obstacle.
	FateKept Fate = "kept"
)

// Deletion is what deleting a workspace does.
type Deletion struct {
	Workspace   string              `json:"workspace"`
	Propagation tenancy.Propagation `json:"propagation"`
	Namespaces  []Left              `json:"namespaces"`

	// Loses is who loses which role on the workspace itself.
	Loses []Access `json:"loses,omitempty"`

	// Obstacles are why it cannot be done as it stands; Warnings are what else to know.
	Obstacles []string `json:"obstacles,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
}

// Left is what becomes of one namespace.
type Left struct {
	Name string `json:"name"`
	Fate Fate   `json:"fate"`

	Change Change `json:"change"`
}

// NewDeletion tells what deleting a workspace, with its template, does. Without a propagation, the one counts that is
// written on them.
func NewDeletion(world World, name string, propagation tenancy.Propagation) Deletion {
	deletion := Deletion{Workspace: name, Propagation: propagation, Namespaces: []Left{}}
	workspace, template := world.workspace(name), world.template(name)

	if workspace == nil {
		deletion.Obstacles = append(deletion.Obstacles, fmt.Sprintf("workspace %s does not exist", name))

		return deletion
	}

	if propagation == "" {
		deletion.propagate(workspace, template)
	}

	members := world.members(name)

	deletion.protect(workspace, template)
	deletion.obstruct(members)

	for i := range members {
		deletion.Namespaces = append(deletion.Namespaces, deletion.left(world, &members[i]))
	}

	slices.SortFunc(deletion.Namespaces, func(a, b Left) int { return strings.Compare(a.Name, b.Name) })

	var held state
	for _, grant := range access.Grants(name, world.Roles, world.Bindings) {
		held.add(grant.Subjects, "WorkspaceRole "+grant.Role.Name)
	}

	deletion.Loses = sortAccess(held.access)
	deletion.warn(world, workspace)

	return deletion
}

// propagate reads what the template wants, and without one the workspace.
func (d *Deletion) propagate(
	workspace *tenantv1beta1.Workspace, template *tenantv1beta1.WorkspaceTemplate,
) {
	annotations, finalizers := workspace.Annotations, workspace.Finalizers
	if template != nil {
		annotations, finalizers = template.Annotations, template.Finalizers
	}

	var problems tenancy.Problems

	d.Propagation, problems = tenancy.PropagationOf(annotations, finalizers)
	if len(problems) > 0 {
		d.Obstacles = append(d.Obstacles, problems.Message())
	}
}

// protect tells of the protection of the workspace itself.
func (d *Deletion) protect(workspace *tenantv1beta1.Workspace, template *tenantv1beta1.WorkspaceTemplate) {
	if isProtected(workspace) {
		d.Obstacles = append(d.Obstacles, fmt.Sprintf("Workspace %s is protected: take the label %s off it",
			workspace.Name, tenantv1beta1.ProtectedLabel))
	}

	if template != nil && isProtected(template) {
		d.Obstacles = append(d.Obstacles, fmt.Sprintf("WorkspaceTemplate %s is protected: take the label %s off it",
			workspace.Name, tenantv1beta1.ProtectedLabel))
	}
}

func isProtected(object metav1.Object) bool {
	return object.GetLabels()[tenantv1beta1.ProtectedLabel] == "true"
}

// obstruct tells what keeps the namespaces from being deleted.
func (d *Deletion) obstruct(members []metav1.PartialObjectMetadata) {
	if !d.Propagation.Cascades() {
		return
	}

	all := make([]tenancy.Member, 0, len(members))
	for i := range members {
		all = append(all, tenancy.Member{
			Name: members[i].Name, Protected: isProtected(&members[i]),
		})
	}

	for _, name := range tenancy.Obstacles(all) {
		d.Obstacles = append(d.Obstacles, fmt.Sprintf("namespace %s is protected or of the system, and none is "+
			"deleted before that is settled: take the label %s off it, or move it to another workspace",
			name, tenantv1beta1.ProtectedLabel))
	}
}

func (d *Deletion) left(world World, object *metav1.PartialObjectMetadata) Left {
	left := Left{Name: object.Name}

	switch {
	case len(d.Obstacles) > 0:
		left.Fate = FateKept
	case d.Propagation.Cascades():
		left.Fate, left.Change = FateDeleted, compare(world.stateOf(object), state{})
	default:
		left.Fate = FateFreed
		left.Change = compare(world.stateOf(object), world.stateOf(labelled(object, "")))
	}

	return left
}

// warn tells what else to know.
func (d *Deletion) warn(world World, workspace *tenantv1beta1.Workspace) {
	ours := []string{
		tenantv1beta1.CascadingDeletionFinalizer, tenantv1beta1.LegacyWorkspaceFinalizer,
		tenantv1beta1.LegacyOrphanFinalizer,
	}

	for _, finalizer := range missing(workspace.Finalizers, ours) {
		d.Warnings = append(d.Warnings, fmt.Sprintf("finalizer %s, which is not of this manager, holds the workspace "+
			"until its owner takes it off", finalizer))
	}

	for i := range world.Assignments {
		if one := &world.Assignments[i]; one.Spec.Workspace == workspace.Name {
			d.Warnings = append(d.Warnings, fmt.Sprintf("NamespaceAssignment %s is to this workspace: delete it, too, "+
				"or a later workspace of the same name gets its namespaces", one.Name))
		}
	}
}
