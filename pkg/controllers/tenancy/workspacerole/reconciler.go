package workspacerole

import (
	"context"
	"errors"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/aggregate"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/platform"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/roles"
)

// Reconciler makes one WorkspaceRole effective.
type Reconciler struct {
	client     client.Client
	applier    *kube.Applier
	aggregator *aggregate.Aggregator
	platform   *platform.Reader
	recorder   events.EventRecorder
	clock      clock.PassiveClock
}

// New makes the controller.
func New(dependencies manager.Dependencies) (*manager.Controller, error) {
	return &manager.Controller{
		Reconciler: &Reconciler{
			client:     dependencies.Client,
			applier:    kube.NewApplier(dependencies.Client, kube.FieldOwner(Name)),
			aggregator: aggregate.New(dependencies),
			platform:   platform.NewReader(dependencies.Client, access.ProfileAuto),
			recorder:   dependencies.Recorder,
			clock:      dependencies.Clock,
		},
		Watches:     watches(dependencies.Client),
		Indexes:     indexes(),
		Concurrency: concurrency,
	}, nil
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	role := &iamv1beta1.WorkspaceRole{}

	err := r.client.Get(ctx, request.NamespacedName, role)
	if client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("read the workspace role: %w", err)
	}

	if err != nil || !role.DeletionTimestamp.IsZero() {
		return kube.Result(errors.Join(r.apply(ctx, request.Name, access.Native{}), r.release(ctx, role)))
	}

	if kube.Paused(role) {
		return kube.Result(r.report(ctx, role, kube.Report{State: kube.StatePaused}))
	}

	if err := r.release(ctx, role); err != nil {
		return kube.Result(err)
	}

	return kube.Result(r.ensure(ctx, role))
}

// ensure makes what the role is natively, and reports.
func (r *Reconciler) ensure(ctx context.Context, role *iamv1beta1.WorkspaceRole) error {
	findings, err := r.aggregator.Run(ctx, role)
	if err != nil {
		return err
	}

	found, err := r.gather(ctx, role)
	if err != nil {
		return err
	}

	var native access.Native
	if found.refusal() == nil {
		native = access.NativeRoles(role, found.workspace, found.groups, found.subjects)
	}

	if err := r.apply(ctx, role.Name, native); err != nil {
		if _, failure := kube.Result(err); failure == nil {
			return err
		}

		return errors.Join(err, r.report(ctx, role, failed(err)))
	}

	return errors.Join(findings.Err(), found.stalled(), r.report(ctx, role, verdict(found, findings, native)))
}

// gathered is what a role depends on.
type gathered struct {
	workspace roles.Workspace
	exists    bool
	groups    []string
	subjects  []rbacv1.Subject
}

func (r *Reconciler) gather(ctx context.Context, role *iamv1beta1.WorkspaceRole) (gathered, error) {
	name := role.Labels[tenantv1beta1.WorkspaceLabel]
	found := gathered{workspace: roles.Workspace{Name: name}}

	if name == "" {
		return found, nil
	}

	var (
		all      iamv1beta1.WorkspaceRoleList
		bindings iamv1beta1.WorkspaceRoleBindingList
		inside   = client.MatchingFields{platform.ByWorkspace: name}
	)

	workspace := &tenantv1beta1.Workspace{}
	errWorkspace := r.client.Get(ctx, client.ObjectKey{Name: name}, workspace)
	common, errCommon := r.platform.Read(ctx)

	err := errors.Join(client.IgnoreNotFound(errWorkspace), errCommon,
		r.client.List(ctx, &all, inside), r.client.List(ctx, &bindings, inside))
	if err != nil {
		return found, fmt.Errorf("read what belongs to workspace %s: %w", name, err)
	}

	found.exists = errWorkspace == nil
	found.groups = common.Groups
	found.subjects = subjectsOf(role, access.Grants(name, all.Items, bindings.Items))

	for i := range all.Items {
		found.workspace.Roles = append(found.workspace.Roles, all.Items[i].Name)
	}

	for i := range bindings.Items {
		found.workspace.Bindings = append(found.workspace.Bindings, bindings.Items[i].Name)
	}

	return found, nil
}

func subjectsOf(role *iamv1beta1.WorkspaceRole, grants []access.Grant) []rbacv1.Subject {
	at := slices.IndexFunc(grants, func(grant access.Grant) bool { return grant.Role.Name == role.Name })
	if at < 0 {
		return nil
	}

	return grants[at].Subjects
}

// apply brings what was made of the role to what it should be; what is nil goes, bindings first.
func (r *Reconciler) apply(ctx context.Context, role string, native access.Native) error {
	nsName, selfName := access.WorkspaceRoleName(role), access.WorkspaceRoleSelfName(role)

	binding, errBinding := kube.Find(ctx, r.client, selfName, &rbacv1.ClusterRoleBinding{})
	inNamespaces, errNamespaces := kube.Find(ctx, r.client, nsName, &rbacv1.ClusterRole{})
	self, errSelf := kube.Find(ctx, r.client, selfName, &rbacv1.ClusterRole{})

	if err := errors.Join(errBinding, errNamespaces, errSelf); err != nil {
		return err
	}

	var errs []error

	if native.SelfBinding == nil {
		errs = append(errs, r.remove(ctx, binding))
	}

	errs = append(errs,
		r.applyOrRemove(ctx, inNamespaces, native.Role, native.Role == nil),
		r.applyOrRemove(ctx, self, native.Self, native.Self == nil))

	if native.SelfBinding != nil && errors.Join(errs...) == nil {
		_, err := r.applier.ApplyReplacing(ctx, binding, native.SelfBinding, "roleRef")
		errs = append(errs, err)
	}

	return errors.Join(errs...)
}

func (r *Reconciler) applyOrRemove(
	ctx context.Context, have *rbacv1.ClusterRole, wanted runtime.ApplyConfiguration, remove bool,
) error {
	if remove {
		return r.remove(ctx, have)
	}

	_, err := r.applier.Apply(ctx, have, wanted)

	return err
}

func (r *Reconciler) remove(ctx context.Context, object client.Object) error {
	switch object := object.(type) {
	case *rbacv1.ClusterRole:
		if object == nil {
			return nil
		}
	case *rbacv1.ClusterRoleBinding:
		if object == nil {
			return nil
		}
	}

	_, err := kube.Delete(ctx, r.client, object)

	return err
}

// release takes off what KubeSphere left to hold the role.
func (r *Reconciler) release(ctx context.Context, role *iamv1beta1.WorkspaceRole) error {
	_, err := kube.RemoveFinalizers(ctx, r.client, role, iamv1beta1.LegacyWorkspaceRoleFinalizer)
	if err != nil {
		return fmt.Errorf("release the workspace role: %w", err)
	}

	return nil
}

// report writes the status if it changed.
func (r *Reconciler) report(ctx context.Context, role *iamv1beta1.WorkspaceRole, report kube.Report) error {
	after := role.DeepCopy()
	after.Status.ObservedGeneration = after.Generation
	report.SetConditions(&after.Status.Conditions, after.Generation, r.clock.Now())

	changed, err := kube.PatchStatus(ctx, r.client, role, after)
	if err != nil {
		return fmt.Errorf("report on the workspace role: %w", err)
	}

	if changed {
		kube.Announce(r.recorder, role, role.Status.Conditions, report)
	}

	return nil
}
