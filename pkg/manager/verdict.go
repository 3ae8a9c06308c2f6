package manager

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
	"github.com/ks-core/ks-controller-manager/pkg/kube/guard"
)

// circumstances are what a controller finds before it may start. Nothing here is asked of the API server: it is
// what the watches have shown.
type circumstances struct {
	kind    func(definitions.Wanted) (definitions.Kind, bool)
	problem string // what keeps the kinds from being known
	// original is what is told of KubeSphere's own manager where that works without a Lease.
	original      string
	originalKnown bool
}

// blocked returns the row of a controller that cannot start, and false for one that can. The questions are asked
// in a fixed order, and the first "no" is what people are told. Whether it was selected and its gate is on is
// settled at the start of the process and is not asked here.
func blocked(descriptor Descriptor, now circumstances) (Row, bool) {
	row := Row{Name: descriptor.Name, Domain: descriptor.Domain}

	var missing, outdated []string

	for _, required := range descriptor.Requires {
		kind, known := now.kind(descriptor.wanted(required.GroupVersionKind))

		switch {
		case !known:
			row.State, row.Reason, row.Message = Starting, ReasonDiscovering, now.problem

			return row, true
		case !kind.Served:
			missing = append(missing, kindName(required.GroupVersionKind))
		default:
			outdated = append(outdated, descriptor.outdated(required, kind)...)
		}
	}

	switch {
	case len(missing) > 0:
		row.State, row.Reason = Waiting, ReasonCRDMissing
		row.Message = "the API server does not serve " + strings.Join(missing, ", ") + ": install config/crd"
	case len(outdated) > 0:
		row.State, row.Reason = Waiting, ReasonCRDOutdated
		row.Message = strings.Join(outdated, "; ") + ": apply config/crd of this release"
	case !now.originalKnown:
		row.State, row.Reason = Starting, ReasonDiscovering
		row.Message = "looking for KubeSphere's own manager"
	case now.original != "":
		row.State, row.Reason, row.Message = Waiting, ReasonOriginalRunning, now.original
	default:
		return row, false
	}

	return row, true
}

// outdated says what makes the definition of a required kind older than the controller needs it.
func (d Descriptor) outdated(required Required, kind definitions.Kind) []string {
	var reasons []string

	revision := 0
	if kind.Definition != nil {
		revision = kind.Definition.Revision
	}

	if revision < required.Revision {
		reasons = append(reasons, fmt.Sprintf("the definition of %s has schema revision %d, %d is needed",
			kindName(required.GroupVersionKind), revision, required.Revision))
	}

	if d.writesStatus(required.GroupVersionKind) && !kind.HasStatus {
		reasons = append(reasons, fmt.Sprintf("the definition of %s has no status subresource",
			kindName(required.GroupVersionKind)))
	}

	return reasons
}

func kindName(kind schema.GroupVersionKind) string {
	return kind.Kind + " of " + kind.GroupVersion().String()
}

// variant is what a controller is made for: which of its optional kinds are there, and which definitions they and
// the required ones have. When it changes, the controller is made anew.
type variant struct {
	present []schema.GroupVersionKind
	// identity names the definitions by UID: one that was removed and made again is another.
	identity string
}

func (v variant) has(kind schema.GroupVersionKind) bool { return slices.Contains(v.present, kind) }

// caches returns what the controller keeps in memory in this variant.
func (v variant) caches(descriptor Descriptor) []Cached {
	return slices.DeleteFunc(slices.Clone(descriptor.Caches), func(cached Cached) bool {
		return slices.Contains(descriptor.Optional, cached.Kind) && !v.has(cached.Kind)
	})
}

// variantOf returns the variant that the cluster asks for now.
func variantOf(descriptor Descriptor, now circumstances) variant {
	var (
		made     variant
		identity []string
	)

	for _, kind := range slices.Concat(descriptor.RequiredKinds(), descriptor.Optional) {
		found, known := now.kind(descriptor.wanted(kind))
		if !known || !found.Served {
			continue
		}

		if slices.Contains(descriptor.Optional, kind) {
			made.present = append(made.present, kind)
		}

		if found.Definition != nil {
			identity = append(identity, string(found.Definition.UID))
		}
	}

	made.identity = fmt.Sprint(made.present, identity)

	return made
}

// seen tells which definitions of a controller's kinds there are, with their generations, and which of them are
// being deleted.
func seen(descriptor Descriptor, now circumstances) (generations map[string]int64, terminating []string) {
	generations = map[string]int64{}

	for _, kind := range slices.Concat(descriptor.RequiredKinds(), descriptor.Optional) {
		found, _ := now.kind(descriptor.wanted(kind))
		if found.Definition == nil {
			continue
		}

		generations[found.Definition.Name] = found.Definition.Generation
		if found.Definition.Terminating {
			terminating = append(terminating, found.Definition.Name)
		}
	}

	return generations, terminating
}

// hotLasts is how long an object must have asked for too many runs to count as a loop. A workspace does so too while
// its namespaces are being made, one after the other.
const hotLasts = 2 * time.Minute

// lasting drops the troubles that may well pass by themselves.
func lasting(troubles []guard.Trouble, now time.Time) []guard.Trouble {
	return slices.DeleteFunc(troubles, func(trouble guard.Trouble) bool {
		return trouble.Kind == guard.HotLoop && now.Sub(trouble.Since) < hotLasts
	})
}

// standing returns the state of a controller that works.
func standing(deniedWrites, terminating []string, role string, troubles []guard.Trouble, panicked string) Row {
	switch {
	case len(deniedWrites) > 0:
		return Row{State: Degraded, Reason: ReasonForbidden, Message: "it may not " +
			strings.Join(deniedWrites, ", ") + " (bind ClusterRole " + role + ")"}
	case panicked != "":
		return Row{State: Degraded, Reason: ReasonPanicking, Message: panicked}
	case len(troubles) > 0:
		return Row{
			State: Degraded, Reason: troubles[0].Kind, Message: troubles[0].Object + ": " + troubles[0].Message,
		}
	case len(terminating) > 0:
		return Row{State: Running, Reason: ReasonCRDTerminating, Message: "being deleted, and waited for until no " +
			"instance is left: " + strings.Join(terminating, ", ")}
	default:
		return Row{State: Running, Reason: ReasonRunning}
	}
}
