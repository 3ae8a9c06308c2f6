package workspacetemplate

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/platform"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

// Reconciler brings the children of one WorkspaceTemplate to what it asks for.
type Reconciler struct {
	client   client.Client
	live     client.Reader
	applier  *kube.Applier
	platform *platform.Reader
	recorder events.EventRecorder
	clock    clock.PassiveClock
}

// New makes the controller.
func New(dependencies manager.Dependencies) (*manager.Controller, error) {
	return &manager.Controller{
		Reconciler: &Reconciler{
			client:   dependencies.Client,
			live:     dependencies.Live,
			applier:  kube.NewApplier(dependencies.Client, kube.FieldOwner(Name)),
			platform: platform.NewReader(dependencies.Client, access.ProfileAuto),
			recorder: dependencies.Recorder,
			clock:    dependencies.Clock,
		},
		Watches:     watches(dependencies.Client),
		Indexes:     indexes(),
		Concurrency: concurrency,
	}, nil
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	template := &tenantv1beta1.WorkspaceTemplate{}
	if err := r.client.Get(ctx, request.NamespacedName, template); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}

	if kube.Paused(template) {
		return kube.Result(r.report(ctx, template, kube.Report{State: kube.StatePaused}))
	}

	have, err := r.gather(ctx, template.Name)
	if err != nil {
		return reconcile.Result{}, err
	}

	if !template.DeletionTimestamp.IsZero() {
		return kube.Result(r.delete(ctx, template, have))
	}

	added, err := kube.AddFinalizer(ctx, r.client, template, tenantv1beta1.CascadingDeletionFinalizer)
	if added || err != nil {
		return kube.Result(err)
	}

	return kube.Result(r.ensure(ctx, template, have))
}

// ensure makes the children what the template asks for, and reports.
func (r *Reconciler) ensure(ctx context.Context, template *tenantv1beta1.WorkspaceTemplate, have children) error {
	problems := tenancy.CheckTemplate(template)
	if len(problems) > 0 {
		err := r.report(ctx, template, refused(problems))

		return errors.Join(err, kube.Stalled(problems.Reason(), errors.New(problems.Message())))
	}

	common, err := r.platform.Read(ctx)
	if err != nil {
		return fmt.Errorf("ensure the workspace: %w", err)
	}

	plan := tenancy.NewPlan(template, rolesOf(common.WorkspaceRoles))

	if err := r.apply(ctx, have, plan); err != nil {
		// A lost race is looked at again at once and is not worth a condition.
		if _, failure := kube.Result(err); failure == nil {
			return err
		}

		return errors.Join(err, r.report(ctx, template, failed(err)))
	}

	return r.report(ctx, template, applied(template, have, plan))
}

func rolesOf(all []access.Role) []tenancy.WorkspaceRole {
	roles := make([]tenancy.WorkspaceRole, 0, len(all))
	for _, role := range all {
		roles = append(roles, tenancy.WorkspaceRole{
			Name: role.Name, Rules: role.Rules, Selector: role.Selector,
		})
	}

	return roles
}

// delete lets the template go when its children are seen gone. Where all templates go because their definition
// does, as when a chart is uninstalled, nobody means to lose the workspaces, and the children stay.
func (r *Reconciler) delete(ctx context.Context, template *tenantv1beta1.WorkspaceTemplate, have children) error {
	if awaited := have.awaited(); awaited != "" {
		templates := schema.GroupResource{Group: tenantv1beta1.GroupName, Resource: "workspacetemplates"}

		going, err := definitions.Going(ctx, r.live, templates)
		if err != nil {
			return fmt.Errorf("delete the template: %w", err)
		}

		if going {
			return r.release(ctx, template)
		}

		err = r.deleteAll(ctx, template, have)

		return errors.Join(err, r.report(ctx, template, deleting(awaited)))
	}

	return r.release(ctx, template)
}

// release takes our finalizer off, and those that KubeSphere left.
func (r *Reconciler) release(ctx context.Context, template *tenantv1beta1.WorkspaceTemplate) error {
	_, err := kube.RemoveFinalizers(ctx, r.client, template,
		tenantv1beta1.CascadingDeletionFinalizer,
		tenantv1beta1.LegacyWorkspaceTemplateFinalizer,
		tenantv1beta1.LegacyOrphanFinalizer)
	if err != nil {
		return fmt.Errorf("release the template: %w", err)
	}

	return nil
}

// report writes the status if it changed.
func (r *Reconciler) report(
	ctx context.Context, template *tenantv1beta1.WorkspaceTemplate, report kube.Report,
) error {
	after := template.DeepCopy()
	after.Status.ObservedGeneration = after.Generation
	report.SetConditions(&after.Status.Conditions, after.Generation, r.clock.Now())

	changed, err := kube.PatchStatus(ctx, r.client, template, after)
	if err != nil {
		return fmt.Errorf("report on the template: %w", err)
	}

	if changed {
		kube.Announce(r.recorder, template, template.Status.Conditions, report)
	}

	return nil
}
