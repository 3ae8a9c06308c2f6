// Package builtinrole says of each BuiltinRole and RoleBase whether it yields a role, and why not.
package builtinrole

import (
	"context"
	"errors"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1alpha2 "github.com/ks-core/ks-controller-manager/api/iam/v1alpha2"
	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

// Names of the controllers.
const (
	Name         = "builtin-role"
	RoleBaseName = "role-base"
)

// Descriptor describes the controller of BuiltinRoles.
func Descriptor() manager.Descriptor {
	described := descriptor(iamv1beta1.SchemeGroupVersion.WithKind("BuiltinRole"), "builtinroles")
	described.Name = Name
	described.Gate = features.BuiltinRole
	described.AddToScheme = []func(*runtime.Scheme) error{iamv1beta1.AddToScheme}
	described.Summary = "Says of each BuiltinRole whether it yields a role, and why not."
	described.New = newController(func() source { return &builtinRole{} })

	return described
}

// RoleBaseDescriptor describes the controller of RoleBases.
func RoleBaseDescriptor() manager.Descriptor {
	described := descriptor(iamv1alpha2.SchemeGroupVersion.WithKind("RoleBase"), "rolebases")
	described.Name = RoleBaseName
	described.Gate = features.RoleBase
	described.AddToScheme = []func(*runtime.Scheme) error{iamv1alpha2.AddToScheme}
	described.Summary = "Says of each RoleBase whether it yields a role, and why not."
	described.New = newController(func() source { return &roleBase{} })

	return described
}

func descriptor(kind schema.GroupVersionKind, resource string) manager.Descriptor {
	return manager.Descriptor{
		Domain:   manager.Tenancy,
		Requires: []manager.Required{{GroupVersionKind: kind, Revision: iamv1beta1.SchemaRevision}},
		Caches:   []manager.Cached{{Kind: kind, Resource: resource, Depth: manager.Full}},
		Writes: []rbacv1.PolicyRule{{
			APIGroups: []string{kind.Group}, Resources: []string{resource + "/status"}, Verbs: []string{"patch"},
		}},
	}
}

// source is an object that yields a role.
type source interface {
	object() client.Object
	read() (*access.Definition, error)
	status() *iamv1beta1.Status
	copied() source
}

type builtinRole struct{ iamv1beta1.BuiltinRole }

func (b *builtinRole) object() client.Object      { return &b.BuiltinRole }
func (b *builtinRole) status() *iamv1beta1.Status { return &b.Status }
func (b *builtinRole) copied() source { //nolint:ireturn // of either kind
	return &builtinRole{*b.DeepCopy()}
}

func (b *builtinRole) read() (*access.Definition, error) {
	return access.ReadBuiltinRole(&b.BuiltinRole)
}

type roleBase struct{ iamv1alpha2.RoleBase }

func (b *roleBase) object() client.Object      { return &b.RoleBase }
func (b *roleBase) status() *iamv1beta1.Status { return &b.Status }
func (b *roleBase) copied() source { //nolint:ireturn // of either kind
	return &roleBase{*b.DeepCopy()}
}

func (b *roleBase) read() (*access.Definition, error) {
	return access.ReadRoleBase(b.Annotations, b.Role)
}

// Reconciler reports on one source of a role.
type Reconciler struct {
	client   client.Client
	empty    func() source
	recorder events.EventRecorder
	clock    clock.PassiveClock
}

func newController(empty func() source) func(manager.Dependencies) (*manager.Controller, error) {
	return func(dependencies manager.Dependencies) (*manager.Controller, error) {
		return &manager.Controller{
			Reconciler: &Reconciler{
				client: dependencies.Client, empty: empty,
				recorder: dependencies.Recorder, clock: dependencies.Clock,
			},
			Watches: []manager.Watch{{Object: empty().object(), Handler: &handler.EnqueueRequestForObject{}}},
		}, nil
	}
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	found := r.empty()
	if err := r.client.Get(ctx, request.NamespacedName, found.object()); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}

	if !found.object().GetDeletionTimestamp().IsZero() {
		return reconcile.Result{}, nil
	}

	report := kube.Report{State: kube.StatePaused}
	if !kube.Paused(found.object()) {
		report = verdict(found.read())
	}

	err := r.report(ctx, found, report)
	if report.State == kube.StateStalled {
		err = errors.Join(err, kube.Stalled(report.Reason, errors.New(report.Message)))
	}

	return kube.Result(err)
}

// Reasons of the conditions.
const (
	reasonInvalidRole = "InvalidRole"
	reasonInactive    = "Inactive"
)

func verdict(definition *access.Definition, err error) kube.Report {
	if err != nil {
		return kube.Report{
			State: kube.StateStalled, Reason: reasonInvalidRole, Message: err.Error(),
			Conditions: []metav1.Condition{
				{Type: kube.ConditionAccepted, Status: metav1.ConditionFalse, Message: err.Error()},
			},
		}
	}

	report := kube.Report{
		State: kube.StateReady, Message: "The role is made wherever it belongs.",
		Conditions: []metav1.Condition{
			{Type: kube.ConditionAccepted, Status: metav1.ConditionTrue, Reason: kube.ConditionAccepted},
		},
	}

	switch {
	case definition == nil:
		report.Reason = reasonInactive
		report.Message = "Nothing is made of it: it is a template of 3.x, or a role of the whole cluster."
	case !definition.Custom && isOurs(definition):
		report.Reason = reasonInactive
		report.Message = fmt.Sprintf("The built-in role %q of this manager counts in its place. Set the annotation "+
			"%s to \"true\" to have this one count.", definition.Name, tenantv1beta1.CustomAnnotation)
	}

	return report
}

// isOurs tells whether there is a role of ours under the same name.
func isOurs(definition *access.Definition) bool {
	return slices.ContainsFunc(access.Roles(definition.Scope, nil, nil), func(role access.Role) bool {
		return role.Name == definition.Name
	})
}

// report writes the status if it changed.
func (r *Reconciler) report(ctx context.Context, found source, report kube.Report) error {
	after := found.copied()
	generation := found.object().GetGeneration()
	after.status().ObservedGeneration = generation
	report.SetConditions(&after.status().Conditions, generation, r.clock.Now())

	changed, err := kube.PatchStatus(ctx, r.client, found.object(), after.object())
	if err != nil {
		return fmt.Errorf("report on the role: %w", err)
	}

	if changed {
		kube.Announce(r.recorder, found.object(), found.status().Conditions, report)
	}

	return nil
}
