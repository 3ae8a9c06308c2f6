package notificationmanager

import (
	"context"
	"errors"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/notification/rendering"
)

// key names an object of any kind.
type key struct {
	client.ObjectKey

	kind schema.GroupVersionKind
}

// children are the objects with the labels of a NotificationManager.
type children map[key]client.Object

func (r *Reconciler) gather(ctx context.Context, object *notificationv2beta2.NotificationManager) (children, error) {
	found := children{}

	for _, one := range kinds() {
		list := one.list()
		if err := r.client.List(ctx, list, client.MatchingLabels(rendering.Labels(object.Name))); err != nil {
			return nil, fmt.Errorf("read %s: %w", one.resource, err)
		}

		items, err := meta.ExtractList(list)
		if err != nil {
			return nil, fmt.Errorf("read a list of %s: %w", one.resource, err)
		}

		for _, item := range items {
			if child, isObject := item.(client.Object); isObject {
				found[key{client.ObjectKeyFromObject(child), one.kind}] = child
			}
		}
	}

	return found, nil
}

// workload is the Deployment or the StatefulSet; nil: there is none.
func (c children) workload(kind schema.GroupVersionKind, namespace, manager string) client.Object {
	return c[key{client.ObjectKey{Namespace: namespace, Name: rendering.WorkloadName(manager)}, kind}]
}

// selector is what a workload that is there selects its pods by, which cannot be changed. That of the old operator is
// ours.
func (c children) selector(kind schema.GroupVersionKind, namespace, manager string) map[string]string {
	var selector *metav1.LabelSelector

	switch workload := c.workload(kind, namespace, manager).(type) {
	case *appsv1.Deployment:
		selector = workload.Spec.Selector
	case *appsv1.StatefulSet:
		selector = workload.Spec.Selector
	}

	if selector == nil {
		return nil
	}

	return selector.MatchLabels
}

// identified is what every apply configuration knows of itself.
type identified interface {
	GetAPIVersion() *string
	GetKind() *string
	GetNamespace() *string
	GetName() *string
}

func keyOf(child runtime.ApplyConfiguration) key {
	named, isNamed := child.(identified)
	if !isNamed {
		return key{}
	}

	made := key{kind: schema.FromAPIVersionAndKind(*named.GetAPIVersion(), *named.GetKind())}
	made.Name = *named.GetName()

	if namespace := named.GetNamespace(); namespace != nil {
		made.Namespace = *namespace
	}

	return made
}

// apply writes what differs, and removes what is no longer wanted. While something of the NotificationManager cannot be
// read, what is there stays as it is.
func (r *Reconciler) apply(
	ctx context.Context, object *notificationv2beta2.NotificationManager, found children, decided rendering.Result,
) error {
	if decided.Broken() {
		return nil
	}

	var errs []error

	wanted := map[key]bool{}

	for _, child := range decided.Children {
		at := keyOf(child)
		wanted[at] = true

		if err := r.write(ctx, found[at], child); err != nil {
			errs = append(errs, explain(at, err))
		}
	}

	if len(errs) > 0 {
		return errors.Join(errs...)
	}

	for at, child := range found {
		if wanted[at] || !isOwner(object, child) || r.holds(object, found, decided, at) {
			continue
		}

		klog.FromContext(ctx).Info("Removing what is no longer wanted", "kind", at.kind.Kind, "object", at.ObjectKey)

		background := client.PropagationPolicy(metav1.DeletePropagationBackground)
		if _, err := kube.Delete(ctx, r.client, child, background); err != nil {
			errs = append(errs, err)
		}
	}

	return errors.Join(errs...)
}

// holds tells whether a workload of the other kind stays until the new one takes alerts.
func (r *Reconciler) holds(
	object *notificationv2beta2.NotificationManager, found children, decided rendering.Result, at key,
) bool {
	name := client.ObjectKey{Namespace: r.settings.Namespace, Name: rendering.WorkloadName(object.Name)}
	if at.ObjectKey != name || at.kind != deploymentKind() && at.kind != statefulSetKind() {
		return false
	}

	return ready(found.workload(kindOf(decided.Stateful), r.settings.Namespace, object.Name)) == 0
}

func kindOf(isStateful bool) schema.GroupVersionKind {
	if isStateful {
		return statefulSetKind()
	}

	return deploymentKind()
}

// write brings one object to what it should be. A binding to another role cannot be changed, and is made anew.
func (r *Reconciler) write(ctx context.Context, cached client.Object, wanted runtime.ApplyConfiguration) error {
	if err := r.adopt(ctx, cached); err != nil {
		return fmt.Errorf("take over what another one made: %w", err)
	}

	_, err := r.applier.ApplyReplacing(ctx, cached, wanted, "roleRef")

	return err
}

// explain gives the remedy for what the API server says of a workload alone.
func explain(at key, err error) error {
	if !apierrors.IsInvalid(err) || at.kind != statefulSetKind() && at.kind != deploymentKind() {
		return err
	}

	return kube.Stalled("Immutable", fmt.Errorf("%w: the selector and the volume claim of what is there cannot be "+
		"changed; to have others, remove it by kubectl delete %s %s -n %s --cascade=orphan, and its pods after it",
		err, at.kind.Kind, at.Name, at.Namespace))
}

// adopt takes over the fields of an object that the old operator wrote, so that what is no longer wanted of them, such
// as a sidecar, goes with the first write of ours. What it wrote is gone then, and we are the only ones who say how the
// object is. The controllers of Kubernetes keep what they write.
func (r *Reconciler) adopt(ctx context.Context, cached client.Object) error {
	if cached == nil || applied(cached) {
		return nil
	}

	object, isObject := cached.DeepCopyObject().(client.Object)
	if !isObject {
		return nil
	}

	if err := r.live.Get(ctx, client.ObjectKeyFromObject(cached), object); err != nil {
		return fmt.Errorf("read it: %w", err)
	}

	patch, err := csaupgrade.UpgradeManagedFieldsPatch(object, writers(object), string(kube.FieldOwner(Name)))
	if err != nil {
		return fmt.Errorf("read who wrote it: %w", err)
	}

	if len(patch) == 0 || applied(object) {
		return nil
	}

	klog.FromContext(ctx).Info("Taking over what another one made",
		"kind", fmt.Sprintf("%T", object), "object", client.ObjectKeyFromObject(object))

	return r.client.Patch(ctx, object, client.RawPatch(types.JSONPatchType, patch), kube.FieldOwner(Name))
}

func applied(object client.Object) bool {
	return slices.ContainsFunc(object.GetManagedFields(), func(entry metav1.ManagedFieldsEntry) bool {
		return entry.Manager == string(kube.FieldOwner(Name)) && entry.Operation == metav1.ManagedFieldsOperationApply
	})
}

// writers are those who wrote an object by updates, but for Kubernetes itself.
func writers(object client.Object) sets.Set[string] {
	found := sets.New[string]()

	for _, entry := range object.GetManagedFields() {
		if entry.Operation == metav1.ManagedFieldsOperationUpdate && entry.Subresource == "" &&
			entry.Manager != "kube-controller-manager" {
			found.Insert(entry.Manager)
		}
	}

	return found
}

// ready is how many pods of a workload take alerts.
func ready(workload client.Object) int32 {
	switch workload := workload.(type) {
	case *appsv1.Deployment:
		return workload.Status.ReadyReplicas
	case *appsv1.StatefulSet:
		return workload.Status.ReadyReplicas
	default:
		return 0
	}
}

// replicas is how many pods a workload has.
func replicas(workload client.Object) int32 {
	switch workload := workload.(type) {
	case *appsv1.Deployment:
		return workload.Status.Replicas
	case *appsv1.StatefulSet:
		return workload.Status.Replicas
	default:
		return 0
	}
}
