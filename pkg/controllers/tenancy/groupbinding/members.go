package groupbinding

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

// outcome is how a user stands to its groups.
type outcome int

const (
	// outcomeSettled has the groups it should have.
	outcomeSettled outcome = iota
	// outcomeChanged has just got them.
	outcomeChanged
	// outcomeMissing does not exist, or no longer.
	outcomeMissing
	// outcomePaused is on hold.
	outcomePaused
	// outcomeLater would be changed if the run had not done enough.
	outcomeLater
)

// member gives one user exactly the groups that it should have. Without leave to write it only looks.
func (r *Reconciler) member(ctx context.Context, name string, mayWrite bool) (outcome, error) {
	user := &iamv1beta1.User{}

	err := r.client.Get(ctx, client.ObjectKey{Name: name}, user)
	if apierrors.IsNotFound(err) || err == nil && !user.DeletionTimestamp.IsZero() {
		return outcomeMissing, nil
	}

	if err != nil {
		return outcomeMissing, fmt.Errorf("read user %s: %w", name, err)
	}

	if kube.Paused(user) {
		return outcomePaused, nil
	}

	current := accounts.CurrentMembership(user)

	next, err := r.membership(ctx, name, current)
	if err != nil {
		return outcomeSettled, err
	}

	patch := accounts.NewPatch(user)
	patch.SetGroups(next)

	content, err := patch.JSON()
	if err != nil || content == nil {
		return outcomeSettled, err
	}

	if !mayWrite {
		return outcomeLater, nil
	}

	if takes(current, next) {
		going, err := r.definitionsGoing(ctx)
		if err != nil || going {
			return outcomeSettled, err
		}
	}

	err = r.client.Patch(ctx, user, client.RawPatch(types.MergePatchType, content))
	if err != nil {
		return outcomeChanged, fmt.Errorf("set the groups of user %s: %w", name, err)
	}

	return outcomeChanged, nil
}

// membership computes the groups that a user should have.
func (r *Reconciler) membership(
	ctx context.Context, user string, current accounts.Membership,
) (accounts.Membership, error) {
	bindings := &iamv1beta1.GroupBindingList{}
	if err := r.client.List(ctx, bindings, client.MatchingFields{memberIndex: user}); err != nil {
		return current, fmt.Errorf("list the group bindings of user %s: %w", user, err)
	}

	// One that is on hold gives nothing new, and takes nothing away.
	inForce := bindings.Items[:0]

	for _, binding := range bindings.Items {
		if kube.Paused(&binding) {
			binding.DeletionTimestamp = nil

			if !slices.Contains(current.Groups, binding.GroupRef.Name) {
				continue
			}
		}

		inForce = append(inForce, binding)
	}

	var errs []error

	next := accounts.Members(current, inForce, func(group string) accounts.GroupState {
		state, err := r.groupState(ctx, group)
		errs = append(errs, err)

		return state
	})

	return next, errors.Join(errs...)
}

func (r *Reconciler) groupState(ctx context.Context, name string) (accounts.GroupState, error) {
	group := &iamv1beta1.Group{}

	err := r.client.Get(ctx, client.ObjectKey{Name: name}, group)
	if apierrors.IsNotFound(err) {
		return accounts.GroupMissing, nil
	}

	if err != nil {
		return accounts.GroupMissing, fmt.Errorf("read group %s: %w", name, err)
	}

	if !group.DeletionTimestamp.IsZero() {
		return accounts.GroupDeleting, nil
	}

	return accounts.GroupPresent, nil
}

// takes tells whether somebody loses a group.
func takes(current, next accounts.Membership) bool {
	return slices.ContainsFunc(current.Groups, func(group string) bool { return !slices.Contains(next.Groups, group) })
}

// definitionsGoing tells whether the groups, or their bindings, all go because their definition does. Nobody means to
// take rights away by that.
func (r *Reconciler) definitionsGoing(ctx context.Context) (bool, error) {
	for _, resource := range []string{"groups", "groupbindings"} {
		going, err := definitions.Going(ctx, r.live, schema.GroupResource{
			Group: iamv1beta1.GroupName, Resource: resource,
		})
		if err != nil || going {
			return going, err
		}
	}

	return false, nil
}
