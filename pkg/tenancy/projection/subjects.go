package projection

import (
	"cmp"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

// Scope is where a binding counts.
type Scope int

// The scopes.
const (
	InCluster Scope = iota
	InNamespace
)

// The accounts and groups that stand for many, or for everybody.
const (
	systemPrefix       = "system:"
	anonymous          = "system:anonymous"
	unauthenticated    = "system:unauthenticated"
	authenticated      = "system:authenticated"
	allServiceAccounts = "system:serviceaccounts"
)

// Holders are those of the subjects of a binding that can hold a native role, and what became of the rest.
type Holders struct {
	// Subjects are complete, sorted and without repetition.
	Subjects []rbacv1.Subject

	// Users are the names among them that an account of KubeSphere may have.
	Users []string

	// Refused are the names of those that get nothing natively, sorted.
	Refused []string

	// Problems are what the author has to change. The other subjects are not affected.
	Problems tenancy.Problems
}

// HoldersOf sorts out the subjects of a binding.
//
// Nobody without credentials ever gets anything. Roles of the whole cluster are not for everybody who has some,
// either: KubeSphere gives its GlobalRoles anonymous and authenticated to such groups, and means its own API by
// that. Natively every pod in the cluster would have them.
func HoldersOf(subjects []rbacv1.Subject, scope Scope) Holders {
	var holders Holders

	for i, subject := range subjects {
		holders.add(subject, scope, field.NewPath("subjects").Index(i))
	}

	holders.Subjects = Sorted(holders.Subjects)

	for _, list := range []*[]string{&holders.Users, &holders.Refused} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}

	return holders
}

func (h *Holders) add(subject rbacv1.Subject, scope Scope, path *field.Path) {
	complete, problem := Complete(subject, path)

	switch {
	case problem != nil:
		h.Problems = append(h.Problems, tenancy.Problem{Reason: ReasonInvalidSubject, Err: problem})
	case isForbidden(complete, scope):
		h.Refused = append(h.Refused, complete.Kind+" "+complete.Name)
	default:
		h.Subjects = append(h.Subjects, complete)

		if complete.Kind == rbacv1.UserKind && !strings.HasPrefix(complete.Name, systemPrefix) {
			h.Users = append(h.Users, complete.Name)
		}
	}
}

// Complete returns a subject as Kubernetes wants it. Of the API group nothing is kept: old clients wrote this or
// that there, and there is one for each kind.
func Complete(subject rbacv1.Subject, path *field.Path) (rbacv1.Subject, *field.Error) {
	if subject.Name == "" {
		return rbacv1.Subject{}, field.Required(path.Child("name"), "name whom you mean")
	}

	switch subject.Kind {
	case rbacv1.UserKind, rbacv1.GroupKind:
		return rbacv1.Subject{Kind: subject.Kind, APIGroup: rbacv1.GroupName, Name: subject.Name}, nil
	case rbacv1.ServiceAccountKind:
		if subject.Namespace == "" {
			return rbacv1.Subject{}, field.Required(path.Child("namespace"),
				"a ServiceAccount is known by its namespace and its name: add the namespace")
		}

		return rbacv1.Subject{Kind: subject.Kind, Namespace: subject.Namespace, Name: subject.Name}, nil
	default:
		return rbacv1.Subject{}, field.NotSupported(path.Child("kind"), subject.Kind,
			[]string{rbacv1.UserKind, rbacv1.GroupKind, rbacv1.ServiceAccountKind})
	}
}

func isForbidden(subject rbacv1.Subject, scope Scope) bool {
	if subject.Kind == rbacv1.UserKind {
		return subject.Name == anonymous
	}

	return subject.Kind == rbacv1.GroupKind && (subject.Name == unauthenticated ||
		scope == InCluster && (subject.Name == authenticated || subject.Name == allServiceAccounts))
}

// Sorted returns subjects in one order and without repetition.
func Sorted(subjects []rbacv1.Subject) []rbacv1.Subject {
	subjects = slices.Clone(subjects)
	slices.SortFunc(subjects, compareSubjects)

	return slices.Compact(subjects)
}

func compareSubjects(a, b rbacv1.Subject) int {
	return cmp.Or(
		strings.Compare(a.Kind, b.Kind),
		strings.Compare(a.Namespace, b.Namespace),
		strings.Compare(a.Name, b.Name),
	)
}
