package projection

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

// Reasons of conditions of bindings.
const (
	ReasonInvalidSubject  = "InvalidSubject"
	ReasonInvalidRoleRef  = "InvalidRoleRef"
	ReasonRoleNotFound    = "RoleNotFound"
	ReasonSubjectsRefused = "SubjectsRefused"
	ReasonSubjectsUnknown = "SubjectsUnknown"
)

// CheckRoleRef returns what is wrong with the reference to a role. kinds are those that the binding can refer to.
// The API group is not looked at: KubeSphere wrote now its own, now that of Kubernetes, and meant its own.
func CheckRoleRef(ref rbacv1.RoleRef, kinds ...string) tenancy.Problems {
	path := field.NewPath("roleRef")

	switch {
	case !slices.Contains(kinds, ref.Kind):
		return tenancy.Problems{{
			Reason: ReasonInvalidRoleRef, Err: field.NotSupported(path.Child("kind"), ref.Kind, kinds),
		}}
	case ref.Name == "":
		return tenancy.Problems{{
			Reason: ReasonInvalidRoleRef, Err: field.Required(path.Child("name"), "name a "+ref.Kind),
		}}
	default:
		return nil
	}
}

// Binding is all that is known of a binding.
type Binding struct {
	RoleRef rbacv1.RoleRef

	// RefProblems are what is wrong with RoleRef. With any, the role does not matter.
	RefProblems tenancy.Problems

	// RoleExists tells whether the role that RoleRef names is there.
	RoleExists bool

	Holders Holders

	// Unknown are those of the users that have no account, sorted.
	Unknown []string
}

// Effective tells whether there is to be a native binding. Kubernetes lets one refer to a role that is not there,
// but then whoever makes a role of that name gives it away without knowing.
func (b Binding) Effective() bool {
	return len(b.RefProblems) == 0 && b.RoleExists && len(b.Holders.Subjects) > 0
}

// Problems are all that the author has to change.
func (b Binding) Problems() tenancy.Problems { return slices.Concat(b.RefProblems, b.Holders.Problems) }

// MissingRole says that the role is not there.
func (b Binding) MissingRole() string {
	return "There is no " + b.RoleRef.Kind + " " + b.RoleRef.Name +
		", so nobody has anything by this binding: create it, or change roleRef"
}

// RefusedMessage says who gets nothing natively.
func (b Binding) RefusedMessage() string {
	return "Has no effect in Kubernetes itself for " + strings.Join(b.Holders.Refused, ", ") +
		", which stand for everybody; it may for KubeSphere's own API"
}

// UnknownMessage says which users have no account. They may come from an identity provider of the API server.
func (b Binding) UnknownMessage() string {
	return "There is no User " + strings.Join(b.Unknown, ", no User ") + "; the binding counts for whoever has the name"
}
