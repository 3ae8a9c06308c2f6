// Package limits decides how many namespaces a workspace may have, and which of them are beyond that.
package limits

import (
	"cmp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
)

// Strictest returns the smallest limit that a policy in force puts on a workspace with these labels, and the name
// of that policy. Nil: there is none. A policy whose selector is invalid selects nothing, and says so itself.
func Strictest(workspace map[string]string, policies []tenantv1beta1.WorkspacePolicy) (*int32, string) {
	var (
		strictest *int32
		name      string
	)

	for i := range policies {
		policy := &policies[i]
		limit := policy.Spec.Limits.Namespaces

		if limit == nil || policy.Spec.Mode == tenantv1beta1.ModeDryRun || !policy.DeletionTimestamp.IsZero() ||
			!Selects(policy, workspace) {
			continue
		}

		if strictest == nil || *limit < *strictest || *limit == *strictest && policy.Name < name {
			strictest, name = limit, policy.Name
		}
	}

	return strictest, name
}

// Selects tells whether a policy selects a workspace with these labels.
func Selects(policy *tenantv1beta1.WorkspacePolicy, workspace map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.Selector)

	return err == nil && selector.Matches(labels.Set(workspace))
}

// Namespace is what counts of a namespace of a workspace.
type Namespace struct {
	Name    string
	Created time.Time

	// SelfService is set where a member made it.
	SelfService bool

	// Admitted is set where it was found within the limit once.
	Admitted bool
}

// Of reads what counts from the metadata of namespaces. Those being deleted count until they are gone.
func Of(objects []metav1.PartialObjectMetadata) []Namespace {
	namespaces := make([]Namespace, 0, len(objects))

	for i := range objects {
		object := &objects[i]
		namespaces = append(namespaces, Namespace{
			Name: object.Name, Created: object.CreationTimestamp.Time,
			SelfService: object.Annotations[tenantv1beta1.SelfServiceAnnotation] == "true",
			Admitted: object.Annotations[tenantv1beta1.AdmittedAnnotation] ==
				object.Labels[tenantv1beta1.WorkspaceLabel],
		})
	}

	return namespaces
}

// Surplus returns the names of those namespaces that are beyond the limit, sorted: the newest of those that members
// made and that were never admitted. A limit that is lowered later freezes nothing that was in use.
func Surplus(namespaces []Namespace, limit int32) []string {
	beyond := len(namespaces) - int(limit)

	candidates := slices.DeleteFunc(slices.Clone(namespaces), func(namespace Namespace) bool {
		return !namespace.SelfService || namespace.Admitted
	})

	slices.SortFunc(candidates, func(a, b Namespace) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(b.Name, a.Name))
	})

	names := make([]string, 0, max(0, beyond))
	for i := range candidates[:min(max(0, beyond), len(candidates))] {
		names = append(names, candidates[i].Name)
	}

	slices.Sort(names)

	return names
}
