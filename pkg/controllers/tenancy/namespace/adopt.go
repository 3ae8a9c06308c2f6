package namespace

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

// release takes KubeSphere's finalizers off a namespace that is being deleted: nobody else will.
func (r *Reconciler) release(ctx context.Context, namespace *metav1.PartialObjectMetadata) error {
	patch := newPatch(namespace)
	patch.dropLegacyFinalizers()

	return r.patch(ctx, patch)
}

// adopt takes off a namespace what KubeSphere left there, and notes what was decided once.
func (r *Reconciler) adopt(ctx context.Context, found snapshot) error {
	patch := newPatch(found.object)
	patch.dropLegacyFinalizers()
	patch.dropWorkspaceOwners()

	if found.namespace.Workspace != "" {
		if found.cluster.Shapes.V3 {
			patch.label(tenantv1beta1.NamespaceLabel, found.object.Name)
		}

		if isSelfService(found.object) && !found.namespace.Frozen {
			patch.annotate(tenantv1beta1.AdmittedAnnotation, found.namespace.Workspace)
		}

		if creator := found.object.Annotations[tenantv1beta1.CreatorAnnotation]; creator != "" &&
			!found.namespace.Frozen {
			patch.annotate(tenantv1beta1.CreatorBoundAnnotation, creator)
		}
	}

	return r.patch(ctx, patch)
}

// bindCreator makes the creator of a namespace its administrator, once: whoever takes the right away later means
// it. KubeSphere did so for the namespaces that carry its finalizers. It comes before adopt, which notes it.
func (r *Reconciler) bindCreator(ctx context.Context, found snapshot) error {
	creator := found.object.Annotations[tenantv1beta1.CreatorAnnotation]
	_, bound := found.object.Annotations[tenantv1beta1.CreatorBoundAnnotation]

	if creator == "" || bound || found.namespace.Workspace == "" || found.namespace.Frozen ||
		hasLegacyFinalizer(found.object) || strings.HasPrefix(creator, "system:") && !isServiceAccount(creator) {
		return nil
	}

	err := r.applier.Write(ctx, access.Creator(found.cluster.Shapes, found.object.Name, creator))
	if err != nil {
		return fmt.Errorf("make %s the administrator of namespace %s: %w", creator, found.object.Name, err)
	}

	return nil
}

func isServiceAccount(user string) bool { return strings.HasPrefix(user, "system:serviceaccount:") }

func legacyFinalizers() []string {
	return []string{tenantv1beta1.LegacyNamespaceFinalizer, tenantv1beta1.CascadingDeletionFinalizer}
}

func hasLegacyFinalizer(object client.Object) bool {
	return slices.ContainsFunc(object.GetFinalizers(), func(finalizer string) bool {
		return slices.Contains(legacyFinalizers(), finalizer)
	})
}

// patch collects changes of the metadata of one namespace into one request.
type patch struct {
	object  *metav1.PartialObjectMetadata
	changes map[string]any
}

func newPatch(object *metav1.PartialObjectMetadata) *patch {
	return &patch{object: object, changes: map[string]any{}}
}

func (p *patch) dropLegacyFinalizers() {
	kept := slices.DeleteFunc(slices.Clone(p.object.Finalizers), func(finalizer string) bool {
		return slices.Contains(legacyFinalizers(), finalizer)
	})

	if len(kept) != len(p.object.Finalizers) {
		p.changes["finalizers"] = kept
	}
}

// dropWorkspaceOwners takes off the owner references that 3.x set. With them, the garbage collector deletes the
// namespace when its workspace is deleted, or made anew under another UID. Those of others stay.
func (p *patch) dropWorkspaceOwners() {
	kept := tenancy.ForeignOwners(p.object.OwnerReferences)
	if len(kept) != len(p.object.OwnerReferences) {
		p.changes["ownerReferences"] = kept
	}
}

func (p *patch) label(key, value string) {
	if p.object.Labels[key] != value {
		p.changes["labels"] = map[string]string{key: value}
	}
}

func (p *patch) annotate(key, value string) {
	if p.object.Annotations[key] == value {
		return
	}

	annotations, known := p.changes["annotations"].(map[string]string)
	if !known {
		annotations = map[string]string{}
		p.changes["annotations"] = annotations
	}

	annotations[key] = value
}

// patch writes the changes, if there are any, on the very object that they were decided on.
func (r *Reconciler) patch(ctx context.Context, wanted *patch) error {
	if len(wanted.changes) == 0 {
		return nil
	}

	err := kube.PatchMetadata(ctx, r.client, wanted.object.DeepCopy(), wanted.changes)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("change the metadata of namespace %s: %w", wanted.object.Name, err)
	}

	return nil
}
