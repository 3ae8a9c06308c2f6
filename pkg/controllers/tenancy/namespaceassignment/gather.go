package namespaceassignment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/assignment"
)

// snapshot is all that the decision depends on.
type snapshot struct {
	assignment assignment.Assignment
	all        []assignment.Assignment
	namespaces []assignment.Namespace

	// objects are the namespaces as they were read, by name.
	objects map[string]*metav1.PartialObjectMetadata

	// workspace tells whether the workspace is there to stay.
	workspace bool
}

// gather reads from the caches, without copying: nothing of it is changed.
func (r *Reconciler) gather(
	ctx context.Context, object *tenantv1beta1.NamespaceAssignment, selector labels.Selector,
) (snapshot, error) {
	var (
		found       = snapshot{assignment: of(object, selector)}
		assignments tenantv1beta1.NamespaceAssignmentList
		workspace   tenantv1beta1.Workspace
		namespaces  = namespaceList()
	)

	errWorkspace := r.client.Get(ctx, client.ObjectKey{Name: object.Spec.Workspace}, &workspace)
	found.workspace = errWorkspace == nil && workspace.DeletionTimestamp.IsZero()

	if err := client.IgnoreNotFound(errWorkspace); err != nil {
		return found, fmt.Errorf("read workspace %s: %w", object.Spec.Workspace, err)
	}

	if !found.workspace {
		return found, nil
	}

	errAssignments := r.client.List(ctx, &assignments, client.UnsafeDisableDeepCopy)
	errNamespaces := r.client.List(ctx, namespaces, client.UnsafeDisableDeepCopy)

	if err := errors.Join(errAssignments, errNamespaces); err != nil {
		return found, fmt.Errorf("read the assignments and namespaces: %w", err)
	}

	found.all = claims(assignments.Items)
	found.addNamespaces(namespaces.Items, r.own)

	return found, nil
}

func of(object *tenantv1beta1.NamespaceAssignment, selector labels.Selector) assignment.Assignment {
	return assignment.Assignment{
		Name: object.Name, Workspace: object.Spec.Workspace, Selector: selector, From: object.Spec.From,
		DryRun: object.Spec.Mode == tenantv1beta1.ModeDryRun,
	}
}

// claims returns the assignments that can be effective, those included that are paused.
func claims(objects []tenantv1beta1.NamespaceAssignment) []assignment.Assignment {
	all := make([]assignment.Assignment, 0, len(objects))

	for i := range objects {
		selector, problems := assignment.Parse(&objects[i].Spec.Selector)
		if len(problems) == 0 && objects[i].DeletionTimestamp.IsZero() {
			all = append(all, of(&objects[i], selector))
		}
	}

	return all
}

func (s *snapshot) addNamespaces(objects []metav1.PartialObjectMetadata, own string) {
	s.namespaces = make([]assignment.Namespace, 0, len(objects))
	s.objects = make(map[string]*metav1.PartialObjectMetadata, len(objects))

	for i := range objects {
		object := &objects[i]
		s.objects[object.Name] = object
		s.namespaces = append(s.namespaces, assignment.Namespace{
			Name: object.Name, Labels: object.Labels, Workspace: object.Labels[tenantv1beta1.WorkspaceLabel],
			Untouchable: object.Name == own, Terminating: !object.DeletionTimestamp.IsZero(),
		})
	}
}

// move labels the namespaces. Under their resourceVersion: what somebody has changed since is decided on anew.
func (r *Reconciler) move(
	ctx context.Context, workspace string, found snapshot, moves []assignment.Change,
) error {
	var errs []error

	for _, change := range moves {
		namespace := found.objects[change.Namespace].DeepCopy()
		metadata := map[string]any{
			"resourceVersion": namespace.ResourceVersion,
			"labels":          map[string]string{tenantv1beta1.WorkspaceLabel: workspace},
		}

		// Whoever made it, it is not a member who brings it to this workspace: the limit is not for it.
		if namespace.Annotations[tenantv1beta1.SelfServiceAnnotation] == "true" {
			metadata["annotations"] = map[string]string{tenantv1beta1.AdmittedAnnotation: workspace}
		}

		body, err := json.Marshal(map[string]any{"metadata": metadata})
		if err != nil {
			return fmt.Errorf("encode the label of namespace %s: %w", namespace.Name, err)
		}

		err = r.client.Patch(ctx, namespace, client.RawPatch(types.MergePatchType, body))
		if client.IgnoreNotFound(err) != nil {
			errs = append(errs, fmt.Errorf("move namespace %s: %w", namespace.Name, err))
		}
	}

	return errors.Join(errs...)
}

// namespaceList returns an empty list of namespaces as they are cached.
func namespaceList() *metav1.PartialObjectMetadataList {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(namespaceKind())

	return list
}
