package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/user/traces"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

const (
	reasonDeleting = "Deleting"

	// finalizer holds a group until nothing names it. It is the one that 3.x left.
	finalizer = iamv1beta1.LegacyGroupFinalizer

	// nextBatch is how long the caches have to see what the last batch removed.
	nextBatch = 100 * time.Millisecond
)

// Reconciler keeps one Group.
type Reconciler struct {
	client   client.Client
	live     client.Reader
	recorder events.EventRecorder
	clock    clock.PassiveClock
}

// New makes the controller.
func New(dependencies manager.Dependencies) (*manager.Controller, error) {
	reconciler := &Reconciler{
		client:   dependencies.Client,
		live:     dependencies.Live,
		recorder: dependencies.Recorder,
		clock:    dependencies.Clock,
	}

	return &manager.Controller{Reconciler: reconciler, Watches: reconciler.watches(), Indexes: indexes()}, nil
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	group := &iamv1beta1.Group{}
	if err := r.client.Get(ctx, request.NamespacedName, group); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}

	if kube.Paused(group) {
		return kube.Result(r.report(ctx, group, kube.Report{State: kube.StatePaused}))
	}

	if !group.DeletionTimestamp.IsZero() {
		return r.delete(ctx, group)
	}

	added, err := kube.AddFinalizer(ctx, r.client, group, finalizer)
	if added || err != nil {
		return kube.Result(err)
	}

	lineage, err := r.lineage(ctx, group)
	if err != nil {
		return reconcile.Result{}, err
	}

	problems := accounts.CheckLineage(lineage)
	err = r.report(ctx, group, verdict(problems))

	if len(problems) > 0 {
		err = errors.Join(err, kube.Stalled(problems.Reason(), errors.New(problems.Message())))
	}

	return kube.Result(err)
}

// lineage looks up the groups above a group, as far as that tells anything.
func (r *Reconciler) lineage(ctx context.Context, group *iamv1beta1.Group) (accounts.Lineage, error) {
	lineage := accounts.Lineage{Names: []string{group.Name}}

	for current := group; accounts.Parent(current) != ""; {
		lineage.Names = append(lineage.Names, accounts.Parent(current))

		next := &iamv1beta1.Group{}

		err := r.client.Get(ctx, client.ObjectKey{Name: accounts.Parent(current)}, next)
		if client.IgnoreNotFound(err) != nil {
			return lineage, fmt.Errorf("read the parent of group %s: %w", current.Name, err)
		}

		lineage.Missing = apierrors.IsNotFound(err)
		if lineage.Complete() {
			return lineage, nil
		}

		current = next
	}

	return lineage, nil
}

// delete lets a group go when nothing names it any more. Where all groups go because their definition does, nobody
// means to take rights away, and what names them stays.
func (r *Reconciler) delete(ctx context.Context, group *iamv1beta1.Group) (reconcile.Result, error) {
	groups := schema.GroupResource{Group: iamv1beta1.GroupName, Resource: "groups"}

	going, err := definitions.Going(ctx, r.live, groups)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("delete group %s: %w", group.Name, err)
	}

	if going {
		return kube.Result(r.release(ctx, group))
	}

	found, members, err := r.find(ctx, group.Name)
	if err != nil {
		return reconcile.Result{}, err
	}

	if len(found)+len(members) == 0 {
		return kube.Result(r.release(ctx, group))
	}

	more, err := traces.Remove(ctx, r.client, found)
	err = errors.Join(err, r.report(ctx, group, deleting(found, members)))

	if more && err == nil {
		return reconcile.Result{RequeueAfter: nextBatch}, nil
	}

	return kube.Result(err)
}

func (r *Reconciler) release(ctx context.Context, group *iamv1beta1.Group) error {
	if _, err := kube.RemoveFinalizers(ctx, r.client, group, finalizer); err != nil {
		return fmt.Errorf("release the group: %w", err)
	}

	return nil
}

// find finds what names a group and has to go, and the users who are still members: the controller of GroupBindings,
// the only one to write that, takes the group off them.
func (r *Reconciler) find(ctx context.Context, group string) ([]traces.Trace, []string, error) {
	found, errFound := traces.Bindings(ctx, r.client, accounts.GroupHolder(group))

	bindings := &iamv1beta1.GroupBindingList{}
	errBindings := r.client.List(ctx, bindings, client.MatchingFields{groupIndex: group})

	for i := range bindings.Items {
		found = append(found, traces.Trace{Kind: "GroupBinding", Object: &bindings.Items[i]})
	}

	users := &iamv1beta1.UserList{}
	errUsers := r.client.List(ctx, users, client.MatchingFields{groupIndex: group})
	members := make([]string, 0, len(users.Items))

	for i := range users.Items {
		// One that is on hold keeps what it has, and one that is being deleted goes by itself.
		if user := &users.Items[i]; !kube.Paused(user) && user.DeletionTimestamp.IsZero() {
			members = append(members, user.Name)
		}
	}

	return found, members, errors.Join(errFound, errBindings, errUsers)
}

func deleting(found []traces.Trace, members []string) kube.Report {
	const separator = "; "

	message := "Waiting for these to go: "
	if len(found) > 0 {
		message += traces.Awaited(found)
	}

	if len(found) > 0 && len(members) > 0 {
		message += separator
	}

	if len(members) > 0 {
		message += "the group in spec.groups of User " + accounts.Names(slices.Clone(members)) +
			`, which the controller "group-binding" takes off`
	}

	return kube.Report{State: kube.StateProgressing, Reason: reasonDeleting, Message: message}
}

func verdict(problems tenancy.Problems) kube.Report {
	if len(problems) > 0 {
		return kube.Report{
			State: kube.StateStalled, Reason: problems.Reason(), Message: problems.Message(),
			Conditions: []metav1.Condition{{
				Type: kube.ConditionAccepted, Status: metav1.ConditionFalse, Message: problems.Message(),
			}},
		}
	}

	return kube.Report{
		State: kube.StateReady, Message: "GroupBindings may make users members of the group.",
		Conditions: []metav1.Condition{{
			Type: kube.ConditionAccepted, Status: metav1.ConditionTrue, Reason: kube.ConditionAccepted,
		}},
	}
}

// report writes the status if it changed.
func (r *Reconciler) report(ctx context.Context, group *iamv1beta1.Group, report kube.Report) error {
	next := group.DeepCopy()
	next.Status.ObservedGeneration = next.Generation
	report.SetConditions(&next.Status.Conditions, next.Generation, r.clock.Now())

	changed, err := kube.PatchStatus(ctx, r.client, group, next)
	if err != nil {
		return fmt.Errorf("report on the group: %w", err)
	}

	if changed {
		kube.Announce(r.recorder, group, group.Status.Conditions, report)
	}

	return nil
}
