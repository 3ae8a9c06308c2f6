package serviceaccount

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/projection"
)

// Reconciler gives one ServiceAccount its role.
type Reconciler struct {
	client   client.Client
	live     client.Reader
	applier  *kube.Applier
	recorder events.EventRecorder

	accounts, bindings, roles, iamRoles stores.Digests

	// unguarded are those that wait for the policy.
	unguarded *waiting
}

// New makes the controller.
func New(dependencies manager.Dependencies) (*manager.Controller, error) {
	accounts, errAccounts := dependencies.Digests(accountKind())
	bindings, errBindings := dependencies.Digests(bindingKind())
	roles, errRoles := dependencies.Digests(roleKind())
	iamRoles, errIAMRoles := dependencies.Digests(iamRoleKind())

	if err := errors.Join(errAccounts, errBindings, errRoles, errIAMRoles); err != nil {
		return nil, err
	}

	reconciler := &Reconciler{
		client:   dependencies.Client,
		live:     dependencies.Live,
		applier:  kube.NewApplier(dependencies.Client, kube.FieldOwner(Name)),
		recorder: dependencies.Recorder,
		accounts: accounts, bindings: bindings, roles: roles, iamRoles: iamRoles,
		unguarded: newWaiting(),
	}

	return &manager.Controller{Reconciler: reconciler, Watches: reconciler.watches()}, nil
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	key := request.NamespacedName
	text, _ := r.accounts.Version(key)

	account := projection.ParseAccount(text)
	if account.Paused {
		return reconcile.Result{}, nil
	}

	if account.Role == "" {
		return kube.Result(errors.Join(r.removeAll(ctx, key, ""), r.tell(ctx, key, account, nil)))
	}

	return kube.Result(r.ensure(ctx, key, account))
}

// ensure gives the account its role, and then takes what it had before: in between it has both.
func (r *Reconciler) ensure(ctx context.Context, key client.ObjectKey, account projection.Account) error {
	name, isName := projection.ServiceAccountBindingName(key.Name, account.Role)
	native, exists := r.nativeRole(key.Namespace, account.Role)

	if !isName || !exists {
		refusal := notFound(account.Role)

		return errors.Join(r.removeAll(ctx, key, ""), r.tell(ctx, key, account, &refusal))
	}

	wanted := bindingFor(key, name, native)

	guarded, err := r.isGuarded(ctx)
	if err != nil {
		return err
	}

	if !guarded && !r.isGiven(wanted) {
		r.unguarded.add(key)

		refusal := unguarded()

		return errors.Join(r.removeAll(ctx, key, name), r.tell(ctx, key, account, &refusal))
	}

	if err := r.give(ctx, wanted); err != nil {
		return err
	}

	return errors.Join(r.removeAll(ctx, key, name), r.removeLegacy(ctx, key), r.tell(ctx, key, account, nil))
}

// nativeRole returns the native Role that a name means in a namespace: in 4.x that of KubeSphere's Role, in 3.x a
// plain one.
func (r *Reconciler) nativeRole(namespace, role string) (string, bool) {
	key := client.ObjectKey{Namespace: namespace, Name: role}

	if _, exists := r.iamRoles.Version(key); exists {
		return projection.IAMPrefix + role, true
	}

	_, exists := r.roles.Version(key)

	return role, exists
}

// isGuarded tells whether the policy denies, everywhere, what it is there to deny.
func (r *Reconciler) isGuarded(ctx context.Context) (bool, error) {
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}

	err := r.client.Get(ctx, client.ObjectKey{Name: Guard}, binding)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("look whether the annotation is guarded: %w", err)
	}

	return err == nil && binding.DeletionTimestamp.IsZero() && binding.Spec.PolicyName == Guard &&
		binding.Spec.MatchResources == nil &&
		slices.Contains(binding.Spec.ValidationActions, admissionregistrationv1.Deny), nil
}

// refusal is why an account does not have the role it asks for.
type refusal struct{ reason, message string }

func notFound(role string) refusal {
	const shown = 63

	return refusal{reason: projection.ReasonRoleNotFound, message: fmt.Sprintf(
		"metadata.annotations[iam.kubesphere.io/role]: there is no Role %q in this namespace: create it, "+
			"or name another one", role[:min(len(role), shown)])}
}

func unguarded() refusal {
	return refusal{reason: "NotGuarded", message: "metadata.annotations[iam.kubesphere.io/role]: has no effect, for " +
		"nothing keeps others from setting it: install the ValidatingAdmissionPolicy " + Guard + " and its binding"}
}

// tell writes on the account why it does not have its role, and tells of it once. Nil: it has, or asks for none.
func (r *Reconciler) tell(
	ctx context.Context, key client.ObjectKey, known projection.Account, refused *refusal,
) error {
	message := ""
	if refused != nil {
		message = strings.ToValidUTF8(refused.message, "?")
	}

	if known.Refused == message {
		return nil
	}

	account := &corev1.ServiceAccount{}
	if err := r.live.Get(ctx, key, account); err != nil {
		return client.IgnoreNotFound(err)
	}

	if account.Annotations[projection.RefusedAnnotation] == message {
		return nil
	}

	if err := r.annotate(ctx, account, message); err != nil {
		return err
	}

	if refused != nil {
		r.recorder.Eventf(account, nil, corev1.EventTypeWarning, refused.reason, "Reconcile", "%s", message)
	}

	return nil
}
