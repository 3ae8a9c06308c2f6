// Package workspacerolebinding says of each WorkspaceRoleBinding whether it gives what it names to whom it names.
// What makes it effective are the controllers of roles and of namespaces, which join all bindings of a role.
package workspacerolebinding

import (
	"context"
	"errors"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

// Name of the controller.
const Name = "workspace-role-binding"

// Descriptor describes the controller.
func Descriptor() manager.Descriptor {
	return manager.Descriptor{
		Name:    Name,
		Aliases: []string{"workspacerolebinding"},
		Domain:  manager.Tenancy,
		Summary: "Says of each WorkspaceRoleBinding whether it is effective, and why not.",
		Gate:    features.WorkspaceRoleBinding,
		Requires: []manager.Required{
			{GroupVersionKind: kind("WorkspaceRoleBinding"), Revision: iamv1beta1.SchemaRevision},
			{GroupVersionKind: kind("WorkspaceRole"), Revision: iamv1beta1.SchemaRevision},
		},
		Caches: []manager.Cached{
			{Kind: kind("WorkspaceRoleBinding"), Resource: "workspacerolebindings", Depth: manager.Full},
			{Kind: kind("WorkspaceRole"), Resource: "workspaceroles", Depth: manager.Full},
		},
		Writes: []rbacv1.PolicyRule{{
			APIGroups: []string{iamv1beta1.GroupName},
			Resources: []string{"workspacerolebindings", "workspacerolebindings/status"}, Verbs: []string{"patch"},
		}},
		AddToScheme: []func(*runtime.Scheme) error{iamv1beta1.AddToScheme},
		New:         New,
	}
}

func kind(name string) schema.GroupVersionKind { return iamv1beta1.SchemeGroupVersion.WithKind(name) }

// indexOfRole finds bindings by the role they give.
const indexOfRole = "role"

// Reconciler reports on one WorkspaceRoleBinding.
type Reconciler struct {
	client   client.Client
	recorder events.EventRecorder
	clock    clock.PassiveClock
}

// New makes the controller.
func New(dependencies manager.Dependencies) (*manager.Controller, error) {
	return &manager.Controller{
		Reconciler: &Reconciler{
			client: dependencies.Client, recorder: dependencies.Recorder, clock: dependencies.Clock,
		},
		Watches: []manager.Watch{
			{Object: &iamv1beta1.WorkspaceRoleBinding{}, Handler: &handler.EnqueueRequestForObject{}},
			{
				Object:     &iamv1beta1.WorkspaceRole{},
				Handler:    handler.EnqueueRequestsFromMapFunc(ofRole(dependencies.Client)),
				Predicates: []predicate.Predicate{predicate.LabelChangedPredicate{}},
			},
		},
		Indexes: []manager.Index{
			{Object: &iamv1beta1.WorkspaceRoleBinding{}, Field: indexOfRole, Value: roleOf},
		},
	}, nil
}

func roleOf(object client.Object) []string {
	binding, isBinding := object.(*iamv1beta1.WorkspaceRoleBinding)
	if !isBinding {
		return nil
	}

	return []string{binding.RoleRef.Name}
}

func ofRole(reader client.Reader) handler.MapFunc {
	return func(ctx context.Context, role client.Object) []reconcile.Request {
		bindings := &iamv1beta1.WorkspaceRoleBindingList{}

		err := reader.List(ctx, bindings, client.MatchingFields{indexOfRole: role.GetName()},
			client.UnsafeDisableDeepCopy)
		if err != nil {
			// It is in memory: only a controller that is being stopped fails here.
			klog.FromContext(ctx).V(1).Info("Cannot look up bindings", "reason", err.Error())

			return nil
		}

		requests := make([]reconcile.Request, 0, len(bindings.Items))
		for i := range bindings.Items {
			requests = append(requests, reconcile.Request{
				NamespacedName: types.NamespacedName{Name: bindings.Items[i].Name},
			})
		}

		return requests
	}
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	binding := &iamv1beta1.WorkspaceRoleBinding{}
	if err := r.client.Get(ctx, request.NamespacedName, binding); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}

	// Access ends with the binding; there is nothing to wait for.
	released, err := kube.RemoveFinalizers(ctx, r.client, binding, iamv1beta1.LegacyWorkspaceRoleBindingFinalizer)
	if released || err != nil || !binding.DeletionTimestamp.IsZero() {
		return kube.Result(err)
	}

	if kube.Paused(binding) {
		return kube.Result(r.report(ctx, binding, kube.Report{State: kube.StatePaused}))
	}

	role := &iamv1beta1.WorkspaceRole{}

	err = r.client.Get(ctx, client.ObjectKey{Name: binding.RoleRef.Name}, role)
	if client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("read the role of the binding: %w", err)
	}

	if err != nil {
		role = nil
	}

	report := verdict(binding, role)
	err = r.report(ctx, binding, report)

	if report.State == kube.StateStalled {
		err = errors.Join(err, kube.Stalled(report.Reason, errors.New(report.Message)))
	}

	return kube.Result(err)
}

// Reasons of the conditions.
const (
	reasonInvalid         = "InvalidBinding"
	reasonRoleNotFound    = "RoleNotFound"
	reasonOtherWorkspace  = "RoleOfAnotherWorkspace"
	reasonInvalidSubjects = "InvalidSubjects"
	reasonNoSubjects      = "NoSubjects"
)

// verdict says whether the binding is effective. Every condition is set each time, so that none tells of the past.
func verdict(binding *iamv1beta1.WorkspaceRoleBinding, role *iamv1beta1.WorkspaceRole) kube.Report {
	accepted, resolved := accept(binding), resolve(binding, role)
	report := kube.Report{
		State: kube.StateReady, Message: "The role is given to its subjects.",
		Conditions: []metav1.Condition{accepted, resolved},
	}

	switch {
	case accepted.Status != metav1.ConditionTrue:
		report.State, report.Reason, report.Message = kube.StateStalled, accepted.Reason, accepted.Message
	case resolved.Reason == reasonRoleNotFound:
		report.State, report.Reason, report.Message = kube.StateProgressing, resolved.Reason, resolved.Message
	case resolved.Status != metav1.ConditionTrue:
		report.State, report.Reason, report.Message = kube.StateStalled, resolved.Reason, resolved.Message
	case len(binding.Subjects) == 0:
		report.Reason, report.Message = reasonNoSubjects, "The binding names nobody."
	}

	return report
}

// accept looks at the binding alone. Subjects that are in order hold the role whatever is wrong with others.
func accept(binding *iamv1beta1.WorkspaceRoleBinding) metav1.Condition {
	if err := access.CheckBinding(binding); err != nil {
		return condition(kube.ConditionAccepted, reasonInvalid, err.Error())
	}

	if _, errs := access.Subjects(binding.Subjects); len(errs) > 0 {
		return condition(kube.ConditionAccepted, reasonInvalidSubjects, errs.ToAggregate().Error())
	}

	return condition(kube.ConditionAccepted, kube.ConditionAccepted, "")
}

func resolve(binding *iamv1beta1.WorkspaceRoleBinding, role *iamv1beta1.WorkspaceRole) metav1.Condition {
	workspace := binding.Labels[tenantv1beta1.WorkspaceLabel]

	switch {
	case role == nil:
		return condition(kube.ConditionResolvedRefs, reasonRoleNotFound, fmt.Sprintf(
			"roleRef.name: there is no WorkspaceRole %s: create it, or bind another", binding.RoleRef.Name))
	case role.Labels[tenantv1beta1.WorkspaceLabel] != workspace:
		return condition(kube.ConditionResolvedRefs, reasonOtherWorkspace, fmt.Sprintf(
			"roleRef.name: WorkspaceRole %s belongs to workspace %q, the binding to %q: bind a role of the same one",
			role.Name, role.Labels[tenantv1beta1.WorkspaceLabel], workspace))
	}

	return condition(kube.ConditionResolvedRefs, kube.ConditionResolvedRefs, "")
}

// condition is True without a message.
func condition(name, reason, message string) metav1.Condition {
	status := metav1.ConditionTrue
	if message != "" {
		status = metav1.ConditionFalse
	}

	return metav1.Condition{Type: name, Status: status, Reason: reason, Message: message}
}

// report writes the status if it changed.
func (r *Reconciler) report(
	ctx context.Context, binding *iamv1beta1.WorkspaceRoleBinding, report kube.Report,
) error {
	after := binding.DeepCopy()
	after.Status.ObservedGeneration = after.Generation
	report.SetConditions(&after.Status.Conditions, after.Generation, r.clock.Now())

	changed, err := kube.PatchStatus(ctx, r.client, binding, after)
	if err != nil {
		return fmt.Errorf("report on the workspace role binding: %w", err)
	}

	if changed {
		kube.Announce(r.recorder, binding, binding.Status.Conditions, report)
	}

	return nil
}
