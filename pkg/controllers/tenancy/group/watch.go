package group

import (
	"context"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/user/traces"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

const (
	// groupIndex finds GroupBindings by the groups they name, and users by the groups they are members of.
	groupIndex = "group"

	// parentIndex finds groups by their parent.
	parentIndex = "parent"
)

func indexes() []manager.Index {
	return append([]manager.Index{
		{Object: &iamv1beta1.Group{}, Field: parentIndex, Value: parentOf},
		{Object: &iamv1beta1.GroupBinding{}, Field: groupIndex, Value: groupsOfBinding},
		{Object: &iamv1beta1.User{}, Field: groupIndex, Value: groupsOfUser},
	}, traces.BindingIndexes()...)
}

func parentOf(object client.Object) []string {
	if group, isGroup := object.(*iamv1beta1.Group); isGroup && accounts.Parent(group) != "" {
		return []string{accounts.Parent(group)}
	}

	return nil
}

// groupsOfBinding are the group that the binding is for, and the one that its label names.
func groupsOfBinding(object client.Object) []string {
	binding, isBinding := object.(*iamv1beta1.GroupBinding)
	if !isBinding {
		return nil
	}

	names := []string{binding.GroupRef.Name, binding.Labels[iamv1beta1.GroupLabel]}
	slices.Sort(names)

	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" })
}

func groupsOfUser(object client.Object) []string {
	if user, isUser := object.(*iamv1beta1.User); isUser {
		return user.Spec.Groups
	}

	return nil
}

// watches wake a group by itself, by the groups above it, and, for its deletion, by what stops to name it.
func (r *Reconciler) watches() []manager.Watch {
	return append([]manager.Watch{
		{Object: &iamv1beta1.Group{}, Handler: &handler.EnqueueRequestForObject{}},
		{
			Object:     &iamv1beta1.Group{},
			Handler:    handler.EnqueueRequestsFromMapFunc(r.below),
			Predicates: []predicate.Predicate{predicate.LabelChangedPredicate{}},
		},
		stopsNaming(&iamv1beta1.GroupBinding{}, groupsOfBinding),
		stopsNaming(&iamv1beta1.User{}, groupsOfUser),
	}, traces.BindingWatches("Group")...)
}

func stopsNaming(kind client.Object, groupsOf func(client.Object) []string) manager.Watch {
	wake := func(_ context.Context, object client.Object) []reconcile.Request {
		var requests []reconcile.Request
		for _, group := range groupsOf(object) {
			requests = append(requests, traces.Request(group))
		}

		return requests
	}

	return manager.Watch{
		Object: kind, Handler: handler.EnqueueRequestsFromMapFunc(wake),
		Predicates: []predicate.Predicate{traces.Fewer(groupsOf)},
	}
}

// below wakes the groups under one that comes, goes or moves: a loop may have begun or ended.
func (r *Reconciler) below(ctx context.Context, group client.Object) []reconcile.Request {
	var requests []reconcile.Request

	seen := map[string]bool{group.GetName(): true}
	for names := []string{group.GetName()}; len(names) > 0; names = names[1:] {
		children := &iamv1beta1.GroupList{}
		if err := r.client.List(ctx, children, client.MatchingFields{parentIndex: names[0]}); err != nil {
			log.FromContext(ctx).Error(err, "Cannot wake the groups below", "group", names[0])

			return requests
		}

		for i := range children.Items {
			if name := children.Items[i].Name; !seen[name] {
				seen[name] = true
				names = append(names, name)
				requests = append(requests, traces.Request(name))
			}
		}
	}

	return requests
}
