package user

import (
	"context"
	"fmt"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
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
	// emailIndex finds users by their address.
	emailIndex = "email"

	// userIndex finds login records by the user they tell of.
	userIndex = "user"

	// memberIndex finds GroupBindings by the users they name.
	memberIndex = "member"
)

func indexes() []manager.Index {
	return append([]manager.Index{
		{Object: &iamv1beta1.User{}, Field: emailIndex, Value: emailOf},
		{Object: &iamv1beta1.LoginRecord{}, Field: userIndex, Value: userOfRecord},
		{Object: &iamv1beta1.GroupBinding{}, Field: memberIndex, Value: membersOf},
	}, traces.BindingIndexes()...)
}

func emailOf(object client.Object) []string {
	user, isUser := object.(*iamv1beta1.User)
	if !isUser || accounts.EmailKey(user.Spec.Email) == "" {
		return nil
	}

	return []string{accounts.EmailKey(user.Spec.Email)}
}

func userOfRecord(record client.Object) []string {
	if user := record.GetLabels()[iamv1beta1.UserLabel]; user != "" {
		return []string{user}
	}

	return nil
}

func membersOf(object client.Object) []string {
	binding, isBinding := object.(*iamv1beta1.GroupBinding)
	if !isBinding {
		return nil
	}

	return binding.Users
}

// watches wake a user by itself, by those it shares an address with, by its login records, and, for its deletion, by
// what stops to name it.
func (r *Reconciler) watches() []manager.Watch {
	byRecord := handler.EnqueueRequestsFromMapFunc(requestsFor(userOfRecord))

	return append([]manager.Watch{
		{Object: &iamv1beta1.User{}, Handler: &handler.EnqueueRequestForObject{}},
		{Object: &iamv1beta1.User{}, Handler: r.namesakes()},
		{Object: &iamv1beta1.LoginRecord{}, Handler: byRecord, Predicates: []predicate.Predicate{recorded()}},
		{
			Object:     &iamv1beta1.GroupBinding{},
			Handler:    handler.EnqueueRequestsFromMapFunc(requestsFor(membersOf)),
			Predicates: []predicate.Predicate{traces.Fewer(membersOf)},
		},
	}, traces.BindingWatches("User")...)
}

// recorded passes records that come or go; none ever changes.
func recorded() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(event.UpdateEvent) bool { return false }}
}

func requestsFor(namesOf func(client.Object) []string) handler.MapFunc {
	return func(_ context.Context, object client.Object) []reconcile.Request {
		var requests []reconcile.Request
		for _, name := range namesOf(object) {
			requests = append(requests, traces.Request(name))
		}

		return requests
	}
}

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// namesakes wakes those who share an address with a user when that begins or ends. At the start everybody is woken
// anyway.
func (r *Reconciler) namesakes() handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			if !e.IsInInitialList {
				r.wakeNamesakes(ctx, e.Object, q)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			if fmt.Sprint(emailOf(e.ObjectOld)) != fmt.Sprint(emailOf(e.ObjectNew)) {
				r.wakeNamesakes(ctx, e.ObjectOld, q)
				r.wakeNamesakes(ctx, e.ObjectNew, q)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { r.wakeNamesakes(ctx, e.Object, q) },
	}
}

func (r *Reconciler) wakeNamesakes(ctx context.Context, user client.Object, q queue) {
	for _, email := range emailOf(user) {
		names, err := r.sameEmail(ctx, email, user.GetName())
		if err != nil {
			log.FromContext(ctx).Error(err, "Cannot wake the users of the same e-mail address")
		}

		for _, name := range names {
			q.Add(traces.Request(name))
		}
	}
}
