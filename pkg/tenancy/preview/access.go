package preview

import (
	"cmp"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/limits"
)

// Access is a role that somebody holds.
type Access struct {
	Subject string `json:"subject"`
	Role    string `json:"role"`
}

// Change is what becomes of what is in a namespace, and of who has access to it.
type Change struct {
	RolesAdded      []string `json:"rolesAdded,omitempty"`
	RolesRemoved    []string `json:"rolesRemoved,omitempty"`
	BindingsAdded   []string `json:"roleBindingsAdded,omitempty"`
	BindingsRemoved []string `json:"roleBindingsRemoved,omitempty"`
	Gains           []Access `json:"gains,omitempty"`
	Loses           []Access `json:"loses,omitempty"`
}

// state is what the namespace controller keeps in a namespace, and who has access by it.
type state struct {
	roles, bindings []string
	access          []Access
}

// stateOf computes what is in a namespace with these labels and annotations.
func (w World) stateOf(object *metav1.PartialObjectMetadata) state {
	var (
		found     state
		namespace = w.describe(object)
	)

	for _, child := range access.Children(w.Cluster, namespace) {
		switch child.Kind {
		case access.KindRole:
			found.roles = append(found.roles, child.Name)
		case access.KindRoleBinding:
			found.bindings = append(found.bindings, child.Name)
		case access.KindIAMRole: // the native one of it grants the access
		}
	}

	for _, grant := range namespace.Grants {
		if slices.Contains(found.bindings, access.WorkspaceRoleName(grant.Role.Name)) {
			found.add(grant.Subjects, "WorkspaceRole "+grant.Role.Name)
		}
	}

	for i := range w.RoleBindings {
		if counts(&w.RoleBindings[i], object.Name, found.roles) {
			found.add(w.RoleBindings[i].Subjects, "Role "+w.RoleBindings[i].RoleRef.Name)
		}
	}

	found.access = sortAccess(found.access)

	return found
}

// describe gathers what the controller would.
func (w World) describe(object *metav1.PartialObjectMetadata) access.Namespace {
	name := object.Labels[tenantv1beta1.WorkspaceLabel]
	namespace := access.Namespace{Name: object.Name, Labels: object.Labels, Workspace: name}

	if name == "" {
		return namespace
	}

	var annotations map[string]string
	if workspace := w.workspace(name); workspace != nil {
		annotations = workspace.Annotations
	}

	namespace.Project = access.Projected(name, annotations)
	namespace.Grants = access.Grants(name, w.Roles, w.Bindings)
	namespace.Frozen = slices.Contains(w.frozen(name), object.Name)

	return namespace
}

// frozen returns the namespaces of a workspace that are beyond its limit.
func (w World) frozen(name string) []string {
	workspace := w.workspace(name)
	if workspace == nil {
		return nil
	}

	limit, _ := limits.Strictest(workspace.Labels, w.Policies)
	if limit == nil {
		return nil
	}

	return limits.Surplus(limits.Of(w.members(name)), *limit)
}

// counts tells whether somebody's own binding in a namespace is to one of the roles that come and go with the
// workspace. Others give what they gave.
func counts(binding *rbacv1.RoleBinding, namespace string, roles []string) bool {
	return binding.Namespace == namespace && binding.RoleRef.Kind == "Role" &&
		slices.Contains(roles, binding.RoleRef.Name) && !access.Selector().Matches(labels.Set(binding.Labels))
}

func (s *state) add(subjects []rbacv1.Subject, role string) {
	for _, subject := range subjects {
		name := subject.Name
		if subject.Kind == rbacv1.ServiceAccountKind {
			name = subject.Namespace + "/" + name
		}

		s.access = append(s.access, Access{Subject: subject.Kind + " " + name, Role: role})
	}
}

// compare tells what changes from one state to another.
func compare(before, after state) Change {
	return Change{
		RolesAdded:      missing(after.roles, before.roles),
		RolesRemoved:    missing(before.roles, after.roles),
		BindingsAdded:   missing(after.bindings, before.bindings),
		BindingsRemoved: missing(before.bindings, after.bindings),
		Gains:           missing(after.access, before.access),
		Loses:           missing(before.access, after.access),
	}
}

// missing returns what of one list is not in the other.
func missing[T comparable](of, in []T) []T {
	return slices.DeleteFunc(slices.Clone(of), func(one T) bool { return slices.Contains(in, one) })
}

func sortAccess(all []Access) []Access {
	slices.SortFunc(all, func(a, b Access) int {
		return cmp.Or(strings.Compare(a.Subject, b.Subject), strings.Compare(a.Role, b.Role))
	})

	return slices.Compact(all)
}
