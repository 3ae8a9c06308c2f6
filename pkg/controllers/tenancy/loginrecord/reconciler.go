package loginrecord

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/user/traces"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

// userIndex finds login records by the user they tell of.
const userIndex = "user"

// nextBatch is how long the cache has to see what the last batch removed.
const nextBatch = 100 * time.Millisecond

// Reconciler keeps the login records of one user. Requests name the user: all its records are decided on at once, and
// one timer is enough for them.
type Reconciler struct {
	client   client.Client
	live     client.Reader
	clock    clock.PassiveClock
	settings accounts.Settings
}

// New makes the controller.
func New(dependencies manager.Dependencies, settings accounts.Settings) (*manager.Controller, error) {
	reconciler := &Reconciler{
		client: dependencies.Client, live: dependencies.Live, clock: dependencies.Clock, settings: settings,
	}

	return &manager.Controller{Reconciler: reconciler, Watches: watches(), Indexes: indexes()}, nil
}

// watches wake a user by its records that come, by its own coming and going, and by the end of a pause.
func watches() []manager.Watch {
	return []manager.Watch{
		{
			Object: &iamv1beta1.LoginRecord{}, Handler: handler.EnqueueRequestsFromMapFunc(userOfRecord),
			Predicates: []predicate.Predicate{predicate.Funcs{
				UpdateFunc: func(event.UpdateEvent) bool { return false },
				DeleteFunc: func(event.DeleteEvent) bool { return false },
			}},
		},
		{
			Object: &iamv1beta1.User{}, Handler: &handler.EnqueueRequestForObject{},
			Predicates: []predicate.Predicate{predicate.Funcs{
				UpdateFunc: func(e event.UpdateEvent) bool {
					return kube.Paused(e.ObjectOld) != kube.Paused(e.ObjectNew)
				},
			}},
		},
	}
}

func indexes() []manager.Index {
	return []manager.Index{{Object: &iamv1beta1.LoginRecord{}, Field: userIndex, Value: userLabel}}
}

// userLabel is the user that a record tells of. A record of nobody is found under the empty name, which is no user's.
func userLabel(record client.Object) []string {
	return []string{record.GetLabels()[iamv1beta1.UserLabel]}
}

func userOfRecord(_ context.Context, record client.Object) []reconcile.Request {
	return []reconcile.Request{traces.Request(userLabel(record)[0])}
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	records := &iamv1beta1.LoginRecordList{}
	if err := r.client.List(ctx, records, client.MatchingFields{userIndex: request.Name}); err != nil {
		return reconcile.Result{}, fmt.Errorf("list the login records of user %s: %w", request.Name, err)
	}

	if len(records.Items) == 0 {
		return reconcile.Result{}, nil
	}

	if request.Name == "" {
		return r.forget(ctx, request.Name, records.Items)
	}

	user := &iamv1beta1.User{}

	err := r.client.Get(ctx, request.NamespacedName, user)
	if apierrors.IsNotFound(err) {
		return r.forget(ctx, request.Name, records.Items)
	}

	if err != nil {
		return reconcile.Result{}, err
	}

	// One that is on hold keeps its records, one that is deleted is cleaned up after by its own controller.
	if kube.Paused(user) || !user.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil
	}

	now := r.clock.Now()
	outdated, next := r.settings.Outdated(records.Items, now)

	more, err := r.remove(ctx, outdated)
	if more || err != nil || next.IsZero() {
		return after(more, nextBatch, err)
	}

	return reconcile.Result{RequeueAfter: max(next.Sub(now), time.Second)}, nil
}

// forget removes the records of a user that does not exist, unless the cache has yet to see it, or all users are on
// their way out together.
func (r *Reconciler) forget(
	ctx context.Context, user string, records []iamv1beta1.LoginRecord,
) (reconcile.Result, error) {
	going, errGoing := definitions.Going(ctx, r.live, schema.GroupResource{
		Group: iamv1beta1.GroupName, Resource: "users",
	})
	exists, errExists := r.exists(ctx, user)

	if err := errors.Join(errGoing, errExists); err != nil || going || exists {
		return kube.Result(err)
	}

	more, err := r.remove(ctx, records)

	return after(more, nextBatch, err)
}

func (r *Reconciler) exists(ctx context.Context, user string) (bool, error) {
	if user == "" {
		return false, nil
	}

	err := r.live.Get(ctx, client.ObjectKey{Name: user}, &iamv1beta1.User{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}

	if err != nil {
		return false, fmt.Errorf("ask whether user %s exists: %w", user, err)
	}

	return true, nil
}

// remove deletes a batch of records, and says whether there are more.
func (r *Reconciler) remove(ctx context.Context, records []iamv1beta1.LoginRecord) (bool, error) {
	found := make([]traces.Trace, 0, len(records))
	for i := range records {
		found = append(found, traces.Trace{Kind: "LoginRecord", Object: &records[i]})
	}

	return traces.Remove(ctx, r.client, found)
}

// after is the result of a run that has more to do.
func after(more bool, pause time.Duration, err error) (reconcile.Result, error) {
	if more && err == nil {
		return reconcile.Result{RequeueAfter: pause}, nil
	}

	return kube.Result(err)
}
