package supervisor_test

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

const finalizer = "supervisor.example.com/held"

// behaviour is what a controller does beside its work: whatever a test wants it to suffer from.
type behaviour struct {
	mutex sync.Mutex
	do    func(context.Context, string) error
	runs  map[string]int
	built int
}

// set has every run of the controller call a function first.
func (b *behaviour) set(do func(ctx context.Context, name string) error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	b.do = do
}

func (b *behaviour) run(ctx context.Context, name string) error {
	b.mutex.Lock()
	do := b.do
	b.runs[name]++
	b.mutex.Unlock()

	if do == nil {
		return nil
	}

	return do(ctx, name)
}

// count returns how often an object was run.
func (b *behaviour) count(name string) int {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	return b.runs[name]
}

// builds returns how often the controller was made.
func (b *behaviour) builds() int {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	return b.built
}

// gadgets returns the controller that comes and goes with its kind, and what it shall suffer from.
func gadgets() (manager.Descriptor, *behaviour) {
	suffers := &behaviour{runs: map[string]int{}}
	descriptor := thingController("gadget", manager.Edge, gadgetKind, "gadgets", suffers,
		func() client.Object { return &Gadget{} })

	descriptor.Optional = []schema.GroupVersionKind{gizmoKind}
	descriptor.Caches = append(descriptor.Caches,
		manager.Cached{Kind: gizmoKind, Resource: "gizmos", Depth: manager.MetadataOnly})

	return descriptor, suffers
}

// widgets returns the bystander, in a domain of its own.
func widgets() (manager.Descriptor, *behaviour) {
	suffers := &behaviour{runs: map[string]int{}}

	return thingController("widget", manager.Alerting, widgetKind, "widgets", suffers,
		func() client.Object { return &Widget{} }), suffers
}

func thingController(
	name string, domain manager.Domain, kind schema.GroupVersionKind, resource string,
	suffers *behaviour, empty func() client.Object,
) manager.Descriptor {
	return manager.Descriptor{
		Name: name, Domain: domain, Summary: "Copies the value of each " + name + " to its status.",
		Gate:     features.Workspace, // any gate that is on
		Requires: []manager.Required{{GroupVersionKind: kind, Revision: revision}},
		Caches:   []manager.Cached{{Kind: kind, Resource: resource, Depth: manager.Full}},
		Writes: []rbacv1.PolicyRule{{
			APIGroups: []string{kind.Group}, Resources: []string{resource, resource + "/status"},
			Verbs: []string{"patch"},
		}},
		AddToScheme: []func(*runtime.Scheme) error{addToScheme},
		New: func(dependencies manager.Dependencies) (*manager.Controller, error) {
			suffers.mutex.Lock()
			suffers.built++
			suffers.mutex.Unlock()

			return build(dependencies, suffers, empty), nil
		},
	}
}

func build(dependencies manager.Dependencies, suffers *behaviour, empty func() client.Object) *manager.Controller {
	reconciler := &thingReconciler{dependencies: dependencies, suffers: suffers, empty: empty}
	watches := []manager.Watch{{Object: empty(), Handler: &handler.EnqueueRequestForObject{}}}

	if dependencies.Present(gizmoKind) {
		// Each gizmo wakes the gadget of its name.
		watches = append(watches, manager.Watch{
			Object: manager.MetadataOf(gizmoKind), Handler: &handler.EnqueueRequestForObject{},
		})
	}

	if dependencies.Secrets != nil {
		watches = append(watches, manager.Watch{
			Object:  manager.MetadataOf(corev1.SchemeGroupVersion.WithKind("Secret")),
			Handler: handler.EnqueueRequestsFromMapFunc(thingOfName),
		})
	}

	return &manager.Controller{Reconciler: reconciler, Watches: watches}
}

// thingOfName finds the thing of the same name.
func thingOfName(_ context.Context, object client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: object.GetName()}}}
}

// thingReconciler copies the value of a thing to its status.
type thingReconciler struct {
	dependencies manager.Dependencies
	suffers      *behaviour
	empty        func() client.Object
}

func (r *thingReconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	if err := r.suffers.run(ctx, request.Name); err != nil {
		return reconcile.Result{}, err
	}

	object := r.empty()
	if err := r.dependencies.Client.Get(ctx, request.NamespacedName, object); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}

	if !object.GetDeletionTimestamp().IsZero() {
		_, err := kube.RemoveFinalizers(ctx, r.dependencies.Client, object, finalizer)

		return kube.Result(err)
	}

	if thingOf(object).Spec.Finalize {
		if added, err := kube.AddFinalizer(ctx, r.dependencies.Client, object, finalizer); added || err != nil {
			return kube.Result(err)
		}
	}

	return kube.Result(r.report(ctx, object))
}

func (r *thingReconciler) report(ctx context.Context, object client.Object) error {
	after, _ := object.DeepCopyObject().(client.Object)
	thing := thingOf(after)
	thing.Status.Observed = thing.Spec.Value
	thing.Status.Gizmos = r.dependencies.Present(gizmoKind)

	if thing.Spec.Secret != "" && r.dependencies.Secrets != nil {
		key := types.NamespacedName{Namespace: "default", Name: thing.Spec.Secret}

		secret, err := r.dependencies.Secrets.Get(ctx, key)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("read the secret: %w", err)
		}

		thing.Status.Size = 0
		if err == nil {
			thing.Status.Size = len(secret.Data["key"])
		}
	}

	_, err := kube.PatchStatus(ctx, r.dependencies.Client, object, after)

	return err
}

func thingOf(object client.Object) *Thing {
	switch typed := object.(type) {
	case *Gadget:
		return &typed.Thing
	case *Widget:
		return &typed.Thing
	default:
		return &Thing{}
	}
}
