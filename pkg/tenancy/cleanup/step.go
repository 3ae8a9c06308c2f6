package cleanup

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

// Options say how far to go.
type Options struct {
	// Labels takes off namespaces also what says to which workspace they belong.
	Labels bool

	// CustomResources deletes the objects of our own kinds, also those that people wrote.
	CustomResources bool

	// Leases are the ones to delete.
	Leases []types.NamespacedName
}

// Phase says when a step is due. Namespaces come first: as long as one has an owner reference to a Workspace, the
// garbage collector deletes it with all that is in it as soon as that Workspace goes.
type Phase int

// The phases, in their order.
const (
	PhaseNamespaces Phase = iota
	PhaseManaged
	PhaseFinalizers
	PhaseCustomResources
	PhaseLeases
)

// Step is what has to be done to one object. What is to be taken off it is taken off before it is deleted.
type Step struct {
	Phase     Phase  `json:"-"`
	Kind      Kind   `json:"-"`
	Resource  string `json:"resource"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`

	Finalizers  []string `json:"finalizers,omitempty"`
	Owners      []string `json:"owners,omitempty"`
	Labels      []string `json:"labels,omitempty"`
	Annotations []string `json:"annotations,omitempty"`
	Delete      bool     `json:"delete,omitempty"`

	object *metav1.PartialObjectMetadata
}

// Object names the object as kubectl takes it.
func (s Step) Object() string {
	if s.Namespace == "" {
		return s.Resource + "/" + s.Name
	}

	return s.Resource + "/" + s.Name + " -n " + s.Namespace
}

// Frees tells whether a namespace is freed of an owner that would take it along.
func (s Step) Frees() bool { return len(s.Owners) > 0 }

// LetsWorkspaceGo tells whether a Workspace may go by this step.
func (s Step) LetsWorkspaceGo() bool {
	return s.Kind.Group == tenantv1beta1.GroupName && s.Kind.Kind == "Workspace"
}

// StepFor decides what has to be done to an object, and whether there is anything.
func StepFor(kind Kind, object *metav1.PartialObjectMetadata, options Options) (Step, bool) {
	step := Step{
		Kind: kind, Resource: kind.String(), Namespace: object.Namespace, Name: object.Name, object: object,
		Finalizers: common(object.Finalizers, finalizers()),
		Delete:     object.DeletionTimestamp.IsZero() && isToGo(kind, object, options),
	}

	if options.Labels && kind.Group == "" {
		step.Annotations = slices.DeleteFunc(slices.Sorted(maps.Keys(object.Annotations)), func(key string) bool {
			return !isNoted(key)
		})
	}

	if kind.isNamespace() {
		takeOffNamespace(&step, options)
	}

	step.Phase = step.phase(options)

	return step, step.Delete || step.changes()
}

// takeOffNamespace takes off what is peculiar to namespaces. They are never deleted.
func takeOffNamespace(step *Step, options Options) {
	for _, owner := range step.object.OwnerReferences {
		if tenancy.OwnsAsWorkspace(owner) {
			step.Owners = append(step.Owners, owner.Kind+"/"+owner.Name)
		}
	}

	if options.Labels {
		step.Labels = slices.DeleteFunc(labelsToTake(), func(key string) bool {
			_, has := step.object.Labels[key]

			return !has
		})
	}
}

func (s Step) changes() bool {
	return len(s.Finalizers)+len(s.Owners)+len(s.Labels)+len(s.Annotations) > 0
}

func (s Step) phase(options Options) Phase {
	switch {
	case s.Kind.isNamespace():
		return PhaseNamespaces
	case s.Kind.Group == leaseGroup:
		return PhaseLeases
	case isManaged(s.object) && s.Kind.isDerived():
		return PhaseManaged
	case options.CustomResources && s.Kind.isOurs():
		return PhaseCustomResources
	default:
		return PhaseFinalizers
	}
}

// isToGo tells whether an object is to be deleted: what a controller made, and what people wrote only if they say so.
func isToGo(kind Kind, object *metav1.PartialObjectMetadata, options Options) bool {
	switch {
	case kind.Group == "":
		return false
	case kind.Group == leaseGroup:
		return slices.Contains(options.Leases, types.NamespacedName{
			Namespace: object.Namespace, Name: object.Name,
		})
	case kind.isOurs() && options.CustomResources:
		return true
	default:
		return isManaged(object) && kind.isDerived()
	}
}

func (k Kind) isNamespace() bool { return k.Group == "" && k.Kind == "Namespace" }

// isDerived tells whether objects of the kind are made of others, so that nothing is lost with them: roles and
// bindings, native ones and ours, and bindings of admission policies.
func (k Kind) isDerived() bool {
	return strings.HasSuffix(k.Kind, "Role") || strings.HasSuffix(k.Kind, "RoleBinding") ||
		strings.HasSuffix(k.Kind, "PolicyBinding")
}

func isManaged(object *metav1.PartialObjectMetadata) bool {
	return object.Labels[tenancy.ManagedByLabel] == tenancy.ManagedBy
}

// Patch returns the merge patch that takes off what is to be taken off, under the resourceVersion that was looked at:
// what somebody writes meanwhile is looked at anew. Nil: there is nothing to take off.
func (s Step) Patch() ([]byte, error) {
	if !s.changes() {
		return nil, nil
	}

	metadata := map[string]any{"resourceVersion": s.object.ResourceVersion}

	if len(s.Finalizers) > 0 {
		metadata["finalizers"] = without(s.object.Finalizers, s.Finalizers)
	}

	if len(s.Owners) > 0 {
		metadata["ownerReferences"] = tenancy.ForeignOwners(s.object.OwnerReferences)
	}

	if len(s.Labels) > 0 {
		metadata["labels"] = nulls(s.Labels)
	}

	if len(s.Annotations) > 0 {
		metadata["annotations"] = nulls(s.Annotations)
	}

	patch, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return nil, fmt.Errorf("encode the changes of %s: %w", s.Object(), err)
	}

	return patch, nil
}

// Same is the condition under which to delete: that it is the very object that was looked at.
func (s Step) Same() metav1.Preconditions { return metav1.Preconditions{UID: &s.object.UID} }

// Sort puts steps in the order in which they are due: by phase; access goes before the roles it is to; then by name.
func Sort(steps []Step) {
	slices.SortFunc(steps, func(a, b Step) int {
		return cmp.Or(
			cmp.Compare(a.Phase, b.Phase), cmp.Compare(a.rank(), b.rank()), strings.Compare(a.Resource, b.Resource),
			strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
}

func (s Step) rank() int {
	if strings.HasSuffix(s.Kind.Kind, "Binding") {
		return 0
	}

	return 1
}

func common(have, of []string) []string {
	return slices.DeleteFunc(slices.Clone(have), func(one string) bool { return !slices.Contains(of, one) })
}

func without(have, those []string) []string {
	return slices.DeleteFunc(slices.Clone(have), func(one string) bool { return slices.Contains(those, one) })
}

func nulls(keys []string) map[string]any {
	all := map[string]any{}
	for _, key := range keys {
		all[key] = nil
	}

	return all
}
