package namespace

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/platform"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

// Reconciler brings the roles and bindings of one namespace to what its workspace asks for. It reports nowhere: a
// Namespace is not ours to write conditions on, and what can be wrong is wrong with a role, a binding or a limit,
// whose own controllers say so.
type Reconciler struct {
	client   client.Client
	live     client.Reader
	applier  *kube.Applier
	digests  map[access.Kind]stores.Digests
	platform *platform.Reader
}

// New makes the controller.
func New(profile access.Profile, dependencies manager.Dependencies) (*manager.Controller, error) {
	digests := map[access.Kind]stores.Digests{}

	for kind, cached := range childKinds() {
		found, err := dependencies.Digests(cached.Kind)
		if err != nil {
			return nil, err
		}

		digests[kind] = found
	}

	return &manager.Controller{
		Reconciler: &Reconciler{
			client:   dependencies.Client,
			live:     dependencies.Live,
			applier:  kube.NewApplier(dependencies.Client, kube.FieldOwner(Name)),
			digests:  digests,
			platform: platform.NewReader(dependencies.Client, profile),
		},
		Watches:     watches(dependencies.Client),
		Indexes:     indexes(),
		Concurrency: concurrency,
	}, nil
}

// childKinds says where the children of each kind are kept.
func childKinds() map[access.Kind]manager.Cached {
	return map[access.Kind]manager.Cached{
		access.KindRole:        platform.RolesIn(rbacKind("Role")),
		access.KindRoleBinding: bindingCache(),
		access.KindIAMRole:     platform.RolesIn(iamKind("Role")),
	}
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(namespaceKind())

	if err := r.client.Get(ctx, request.NamespacedName, namespace); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}

	// What is in a namespace that is being deleted goes with it.
	if !namespace.DeletionTimestamp.IsZero() {
		return kube.Result(r.release(ctx, namespace))
	}

	if kube.Paused(namespace) {
		return reconcile.Result{}, nil
	}

	found, err := r.gather(ctx, namespace)
	if err != nil {
		return reconcile.Result{}, err
	}

	err = errors.Join(r.bindCreator(ctx, found), r.adopt(ctx, found), r.ensure(ctx, found))
	if isTerminating(err) {
		return reconcile.Result{}, nil
	}

	return kube.Result(err)
}

// ensure makes what is missing or different, and removes what should not be there. Bindings are first among the
// children, for people wait for them: where one is written, roles that are there already wait for the next run, which
// the event of the binding brings with low priority. Nothing waits for a binding that is refused.
func (r *Reconciler) ensure(ctx context.Context, found snapshot) error {
	have := map[access.Kind]map[string]string{}
	for kind, digests := range r.digests {
		have[kind] = digests.InNamespace(found.namespace.Name)
	}

	var errs []error

	bound := false

	for _, child := range access.Children(found.cluster, found.namespace) {
		digest, exists := have[child.Kind][child.Name]
		delete(have[child.Kind], child.Name)

		isBinding := child.Kind == access.KindRoleBinding
		if digest == child.Digest || digest == access.Going || (bound && exists && !isBinding) {
			continue
		}

		err := r.apply(ctx, found.namespace.Name, child)
		errs = append(errs, err)
		bound = bound || (isBinding && err == nil)
	}

	for kind, strays := range have {
		for name, digest := range strays {
			if digest == access.Going || digest == access.Foreign {
				continue
			}

			errs = append(errs, r.remove(ctx, kind, found.namespace.Name, name))
		}
	}

	return errors.Join(errs...)
}

// apply writes a child. A binding that refers to another role is made anew, for that never changes; the API server
// says so, and it happens so seldom that asking first would cost more.
func (r *Reconciler) apply(ctx context.Context, namespace string, child access.Child) error {
	err := r.applier.Write(ctx, child.Intent())
	if child.Kind == access.KindRoleBinding && apierrors.IsInvalid(err) {
		return r.replace(ctx, namespace, child)
	}

	return err
}

// replace reads the binding first, which of the cache is only a digest.
func (r *Reconciler) replace(ctx context.Context, namespace string, child access.Child) error {
	binding := &rbacv1.RoleBinding{}

	err := r.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: child.Name}, binding)
	if apierrors.IsNotFound(err) {
		binding, err = nil, nil
	}

	if err != nil {
		return err
	}

	_, err = r.applier.ApplyReplacing(ctx, binding, child.Intent(), "roleRef")

	return err
}

func (r *Reconciler) remove(ctx context.Context, kind access.Kind, namespace, name string) error {
	_, err := kube.Delete(ctx, r.client, objectOf(kind, namespace, name))

	return err
}

func objectOf(kind access.Kind, namespace, name string) client.Object {
	meta := metav1.ObjectMeta{Namespace: namespace, Name: name}

	switch kind {
	case access.KindIAMRole:
		return &iamv1beta1.Role{ObjectMeta: meta}
	case access.KindRoleBinding:
		return &rbacv1.RoleBinding{ObjectMeta: meta}
	case access.KindRole:
	}

	return &rbacv1.Role{ObjectMeta: meta}
}

// isTerminating tells whether all that went wrong is that the namespace is being deleted meanwhile.
func isTerminating(err error) bool {
	if err == nil {
		return false
	}

	joined, isJoined := err.(interface{ Unwrap() []error })
	if !isJoined {
		return apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
	}

	for _, one := range joined.Unwrap() {
		if !isTerminating(one) {
			return false
		}
	}

	return true
}
