package user

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

// concurrency lets a user whose password is being hashed hold up no other.
const concurrency = 4

// Reconciler keeps one User.
type Reconciler struct {
	client   client.Client
	live     client.Reader
	recorder events.EventRecorder
	clock    clock.PassiveClock
	settings accounts.Settings
	hashes   *hashes
}

// New makes the controller.
func New(dependencies manager.Dependencies, settings accounts.Settings) (*manager.Controller, error) {
	reconciler := &Reconciler{
		client:   dependencies.Client,
		live:     dependencies.Live,
		recorder: dependencies.Recorder,
		clock:    dependencies.Clock,
		settings: settings,
		hashes:   newHashes(bcrypt.DefaultCost),
	}

	return &manager.Controller{
		Reconciler: reconciler, Watches: reconciler.watches(), Indexes: indexes(), Concurrency: concurrency,
	}, nil
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	user := &iamv1beta1.User{}
	if err := r.client.Get(ctx, request.NamespacedName, user); err != nil {
		r.hashes.forget(request.Name)

		return reconcile.Result{}, client.IgnoreNotFound(err)
	}

	patch := accounts.NewPatch(user)

	// A password in plain waits for nothing, not even for the end of a pause.
	if err := r.protect(user, patch); err != nil {
		return reconcile.Result{}, err
	}

	if kube.Paused(user) {
		return kube.Result(r.write(ctx, user, patch, accounts.PausedStatus(user.Status)))
	}

	if !user.DeletionTimestamp.IsZero() {
		return r.delete(ctx, user, patch)
	}

	return r.keep(ctx, user, patch)
}

// protect replaces a password in plain by its hash, and removes the copies that clients keep of it.
func (r *Reconciler) protect(user *iamv1beta1.User, patch *accounts.Patch) error {
	patch.DropLeaks()

	if !accounts.IsPlain(user.Spec.Password) {
		r.hashes.forget(user.Name)

		return nil
	}

	hash, err := r.hashes.of(user)
	if err != nil {
		return fmt.Errorf("protect the password of user %s: %w", user.Name, err)
	}

	patch.SetPassword(hash, r.clock.Now())

	return nil
}

// keep brings a user that stays to what it should be.
func (r *Reconciler) keep(ctx context.Context, user *iamv1beta1.User, patch *accounts.Patch) (reconcile.Result, error) {
	records, errRecords := r.records(ctx, user.Name)
	namesakes, errNamesakes := r.sameEmail(ctx, user.Spec.Email, user.Name)

	if err := errors.Join(errRecords, errNamesakes); err != nil {
		// What is known already is written all the same: there may be a password in it.
		return reconcile.Result{}, errors.Join(err, r.write(ctx, user, patch, user.Status))
	}

	now := r.clock.Now()
	verdict := r.settings.Judge(accounts.Account{User: user, Records: records, SameEmail: namesakes, Now: now})

	patch.AddFinalizer(iamv1beta1.UserFinalizer)

	if err := r.write(ctx, user, patch, verdict.Status); err != nil {
		return kube.Result(err)
	}

	return reconcile.Result{RequeueAfter: after(verdict.Again, now)}, nil
}

// after is how long it is until a time, zero where there is none.
func after(at, now time.Time) time.Duration {
	if at.IsZero() {
		return 0
	}

	return max(at.Sub(now), time.Second)
}

func (r *Reconciler) records(ctx context.Context, user string) ([]iamv1beta1.LoginRecord, error) {
	records := &iamv1beta1.LoginRecordList{}
	if err := r.client.List(ctx, records, client.MatchingFields{userIndex: user}); err != nil {
		return nil, fmt.Errorf("list the login records of the user: %w", err)
	}

	return records.Items, nil
}

// sameEmail names the others who have an address.
func (r *Reconciler) sameEmail(ctx context.Context, email, but string) ([]string, error) {
	key := accounts.EmailKey(email)
	if key == "" {
		return nil, nil
	}

	users := &iamv1beta1.UserList{}
	if err := r.client.List(ctx, users, client.MatchingFields{emailIndex: key}); err != nil {
		return nil, fmt.Errorf("list the users of the same e-mail address: %w", err)
	}

	var names []string

	for i := range users.Items {
		if name := users.Items[i].Name; name != but {
			names = append(names, name)
		}
	}

	return names, nil
}

// write sends what changes, all at once, and tells of a new state.
func (r *Reconciler) write(
	ctx context.Context, user *iamv1beta1.User, patch *accounts.Patch, status iamv1beta1.UserStatus,
) error {
	patch.SetStatus(status)

	content, err := patch.JSON()
	if err != nil || content == nil {
		return err
	}

	err = r.client.Patch(ctx, user.DeepCopy(), client.RawPatch(types.MergePatchType, content))
	if err != nil {
		return withheld(client.IgnoreNotFound(err), user)
	}

	r.announce(user, status)

	return nil
}

// withheld keeps a password out of an error: the API server quotes what it refuses.
func withheld(err error, user *iamv1beta1.User) error {
	if err == nil {
		return nil
	}

	const bcryptHash = "$2" // how one begins

	password := user.Spec.Password
	if strings.Contains(err.Error(), bcryptHash) || password != "" && strings.Contains(err.Error(), password) {
		return fmt.Errorf("update user %s: the API server refuses it, with words that are withheld because they "+
			"quote the password", user.Name)
	}

	return fmt.Errorf("update user %s: %w", user.Name, err)
}

// announce tells of a new state by one event.
func (r *Reconciler) announce(user *iamv1beta1.User, status iamv1beta1.UserStatus) {
	was := user.Status.State
	if status.State == nil || was != nil && *was == *status.State {
		return
	}

	kind, note := corev1.EventTypeNormal, status.Reason
	if *status.State != iamv1beta1.UserActive {
		kind = corev1.EventTypeWarning
	}

	if note == "" {
		note = "The user may log in."
	}

	r.recorder.Eventf(user, nil, kind, string(*status.State), "Reconcile", "%s", note)
}
