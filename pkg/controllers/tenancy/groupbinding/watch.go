package groupbinding

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/user/traces"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

const (
	// memberIndex finds GroupBindings by the users they name.
	memberIndex = "member"

	// groupIndex finds GroupBindings by their group, and users by the groups they are members of.
	groupIndex = "group"

	// memberNamespace marks requests for the groups of a user. Neither users nor GroupBindings have a namespace, so it
	// tells the two apart in one queue.
	memberNamespace = "user"
)

func memberRequest(user string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: memberNamespace, Name: user}}
}

func indexes() []manager.Index {
	return []manager.Index{
		{Object: &iamv1beta1.GroupBinding{}, Field: memberIndex, Value: membersOf},
		{Object: &iamv1beta1.GroupBinding{}, Field: groupIndex, Value: groupOfBinding},
		{Object: &iamv1beta1.User{}, Field: groupIndex, Value: groupsOfUser},
	}
}

func membersOf(object client.Object) []string {
	if binding, isBinding := object.(*iamv1beta1.GroupBinding); isBinding {
		return binding.Users
	}

	return nil
}

func groupOfBinding(object client.Object) []string {
	if binding, isBinding := object.(*iamv1beta1.GroupBinding); isBinding {
		return []string{binding.GroupRef.Name}
	}

	return nil
}

func groupsOfUser(object client.Object) []string {
	if user, isUser := object.(*iamv1beta1.User); isUser {
		return user.Spec.Groups
	}

	return nil
}

// watches wake a GroupBinding by itself, its users and its group; and the users that it names no more.
func (r *Reconciler) watches() []manager.Watch {
	return []manager.Watch{
		{Object: &iamv1beta1.GroupBinding{}, Handler: &handler.EnqueueRequestForObject{}},
		{
			Object:     &iamv1beta1.GroupBinding{},
			Handler:    handler.EnqueueRequestsFromMapFunc(usersOfBinding),
			Predicates: []predicate.Predicate{traces.Fewer(contentOf)},
		},
		{
			Object:     &iamv1beta1.User{},
			Handler:    handler.EnqueueRequestsFromMapFunc(r.bindingsOfUser),
			Predicates: []predicate.Predicate{changed(membershipOf)},
		},
		{
			Object:     &iamv1beta1.Group{},
			Handler:    handler.EnqueueRequestsFromMapFunc(r.bindingsOfGroup),
			Predicates: []predicate.Predicate{changed(func(client.Object) []string { return nil })},
		},
	}
}

// contentOf is all that a binding says.
func contentOf(object client.Object) []string {
	return append(groupOfBinding(object), membersOf(object)...)
}

// membershipOf is all that a user says of its groups.
func membershipOf(object client.Object) []string {
	return append([]string{object.GetAnnotations()[accounts.BoundGroupsAnnotation]}, groupsOfUser(object)...)
}

// changed passes objects that come, begin to go, are put on hold or no longer, or say something else.
func changed(content func(client.Object) []string) predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero() ||
			kube.Paused(e.ObjectOld) != kube.Paused(e.ObjectNew) ||
			!slices.Equal(content(e.ObjectOld), content(e.ObjectNew))
	}}
}

func usersOfBinding(_ context.Context, binding client.Object) []reconcile.Request {
	var requests []reconcile.Request
	for _, user := range membersOf(binding) {
		requests = append(requests, memberRequest(user))
	}

	return requests
}

// bindingsOfUser wakes a user, whose bindings may have gone while nobody looked, and the bindings that name it.
func (r *Reconciler) bindingsOfUser(ctx context.Context, user client.Object) []reconcile.Request {
	return append(r.bindingsBy(ctx, memberIndex, user.GetName()), memberRequest(user.GetName()))
}

// bindingsOfGroup wakes the bindings of a group, and the members of one that is being deleted.
func (r *Reconciler) bindingsOfGroup(ctx context.Context, group client.Object) []reconcile.Request {
	requests := r.bindingsBy(ctx, groupIndex, group.GetName())

	if group.GetDeletionTimestamp().IsZero() {
		return requests
	}

	users := &iamv1beta1.UserList{}
	if err := r.client.List(ctx, users, client.MatchingFields{groupIndex: group.GetName()}); err != nil {
		log.FromContext(ctx).Error(err, "Cannot wake the members", "group", group.GetName())
	}

	for i := range users.Items {
		requests = append(requests, memberRequest(users.Items[i].Name))
	}

	return requests
}

func (r *Reconciler) bindingsBy(ctx context.Context, index, name string) []reconcile.Request {
	bindings := &iamv1beta1.GroupBindingList{}
	if err := r.client.List(ctx, bindings, client.MatchingFields{index: name}); err != nil {
		log.FromContext(ctx).Error(err, "Cannot wake the GroupBindings", "index", index, "name", name)
	}

	requests := make([]reconcile.Request, 0, len(bindings.Items)+1)
	for i := range bindings.Items {
		requests = append(requests, traces.Request(bindings.Items[i].Name))
	}

	return requests
}
