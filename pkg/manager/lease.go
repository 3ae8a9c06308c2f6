package manager

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/uuid"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
)

// historicLease is the Lease that KubeSphere's own manager holds while it runs. Tenancy holds the same one, which
// keeps the two from ever working side by side.
const historicLease = "ks-controller-manager-leader-election"

// LeaseName is the Lease that a process holds while it works in a domain.
func LeaseName(domain Domain) string {
	if domain == Tenancy {
		return historicLease
	}

	return "ks-controller-manager-" + string(domain)
}

// identity names this process in the Leases that it holds.
func identity() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}

	return host + "_" + string(uuid.NewUUID())
}

// elector holds the Lease of one domain, or waits for it. The library elects; what is added here is that a
// standby takes over at once when the Lease is given back or has run out, instead of when it next looks.
type elector struct {
	domain   Domain
	options  LeaderElection
	identity string
	client   coordinationclient.LeasesGetter
	stores   *stores.Stores
	clock    clock.WithDelayedExecution
	changed  func()

	mutex   sync.Mutex
	leading bool
	renewed time.Time // when the Lease was last written by us
	holder  string
	problem string
	retry   context.CancelFunc // ends the pause between two tries, and the leading
}

// lostLeaseError ends the process.
type lostLeaseError struct{ lease string }

// Error implements error.
func (e *lostLeaseError) Error() string {
	return "lost the Lease " + e.lease + ", so another replica may be writing now"
}

func (e *elector) lease() string { return e.options.Namespace + "/" + LeaseName(e.domain) }

// standing tells whether the process works in the domain, and otherwise why not.
func (e *elector) standing() (bool, string) {
	e.mutex.Lock()
	defer e.mutex.Unlock()

	switch {
	case e.leading:
		return true, ""
	case e.problem != "":
		return false, "the Lease " + e.lease() + " cannot be had: " + e.problem
	case e.holder != "":
		return false, "the Lease " + e.lease() + " is held by " + e.holder
	default:
		return false, "the Lease " + e.lease() + " is about to be taken"
	}
}

// run holds the Lease from when it can be had until the context ends, and then gives it back. It is an error to
// lose it before.
func (e *elector) run(ctx context.Context) error {
	view, stop, err := e.watch(ctx)
	if err != nil {
		return err
	}

	defer view.Release()
	defer stop()

	elect, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:            &lock{LeaseLock: e.leaseLock(), elector: e},
		LeaseDuration:   e.options.LeaseDuration,
		RenewDeadline:   e.options.RenewDeadline,
		RetryPeriod:     e.options.RetryPeriod,
		ReleaseOnCancel: true,
		Name:            LeaseName(e.domain),
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: e.won,
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return fmt.Errorf("prepare to hold the Lease %s: %w", e.lease(), err)
	}

	for ctx.Err() == nil {
		// The library logs each of its tries; what matters of them is logged here, when it changes.
		attempt, cancel := context.WithCancel(klog.NewContext(ctx, logr.Discard()))

		e.mutex.Lock()
		e.retry = cancel
		e.mutex.Unlock()

		elect.Run(attempt)
		cancel()

		if e.ended() && ctx.Err() == nil {
			return &lostLeaseError{lease: e.lease()}
		}
	}

	return nil
}

func (e *elector) leaseLock() *resourcelock.LeaseLock {
	made := &resourcelock.LeaseLock{
		Client:     e.client,
		LockConfig: resourcelock.ResourceLockConfig{Identity: e.identity},
	}
	made.LeaseMeta.Namespace, made.LeaseMeta.Name = e.options.Namespace, LeaseName(e.domain)

	return made
}

// won is told by the library, in a goroutine of its own, that the Lease is held.
func (e *elector) won(ctx context.Context) {
	e.mutex.Lock()

	held := ctx.Err() == nil
	if held {
		e.leading, e.holder, e.problem = true, e.identity, ""
	}

	e.mutex.Unlock()

	if held {
		klog.Background().Info("Leading", "domain", e.domain, "lease", e.lease())
		e.changed()
	}
}

// ended notes that the Lease is not held any more, and tells whether it was.
func (e *elector) ended() bool {
	e.mutex.Lock()
	defer e.mutex.Unlock()

	was := e.leading
	e.leading = false

	return was
}

// hurry has a standby try again at once.
func (e *elector) hurry() {
	e.mutex.Lock()
	defer e.mutex.Unlock()

	if !e.leading && e.retry != nil {
		e.retry()
	}
}

// watch follows the Lease. It takes no part in the election: without it a standby only takes over later.
func (e *elector) watch(ctx context.Context) (*stores.View, func(), error) {
	view, err := e.stores.Open(ctx, stores.User{Name: "leases"}, stores.Spec{
		Kind: coordinationv1.SchemeGroupVersion.WithKind("Lease"), Resource: "leases", Depth: Full,
		Namespace: e.options.Namespace, Name: LeaseName(e.domain),
	})
	if err != nil {
		return nil, nil, fmt.Errorf("watch the Lease %s: %w", e.lease(), err)
	}

	// When the holder does not renew in time, this goes off.
	overdue := e.clock.AfterFunc(e.options.LeaseDuration, e.hurry)

	handling, err := view.Handle(&coordinationv1.Lease{}, toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { e.noteLease(obj, overdue) },
		UpdateFunc: func(_, obj any) { e.noteLease(obj, overdue) },
		DeleteFunc: func(any) { e.hurry() },
	})
	if err != nil {
		view.Release()

		return nil, nil, fmt.Errorf("watch the Lease %s: %w", e.lease(), err)
	}

	stop := func() {
		overdue.Stop()

		if err := handling.Stop(); err != nil {
			klog.FromContext(ctx).Error(err, "Cannot end the watch of a Lease", "lease", e.lease())
		}
	}

	return view, stop, nil
}

// leaseMargin is added to the duration of a Lease before it is taken for abandoned.
const leaseMargin = 100 * time.Millisecond

func (e *elector) noteLease(obj any, overdue clock.Timer) {
	lease, isLease := obj.(*coordinationv1.Lease)
	if !isLease {
		return
	}

	holder, duration := "", e.options.LeaseDuration
	if lease.Spec.HolderIdentity != nil {
		holder = *lease.Spec.HolderIdentity
	}

	if lease.Spec.LeaseDurationSeconds != nil {
		duration = time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second
	}

	overdue.Reset(duration + leaseMargin)

	e.mutex.Lock()
	moved := e.holder != holder && !e.leading
	e.holder = holder
	e.mutex.Unlock()

	if moved {
		e.changed()
	}

	// The library counts the duration of a Lease from when it has seen the renewal itself. So it looks at each, and
	// tries at once when the Lease was given back.
	if holder != e.identity {
		e.hurry()
	}
}

// noteProblem keeps what the last try has met, and logs it when it changes.
func (e *elector) noteProblem(err error) {
	problem := ""
	if err != nil {
		problem = causeOf(err).Error()
	}

	e.mutex.Lock()
	changed := e.problem != problem
	e.problem = problem
	e.mutex.Unlock()

	if !changed {
		return
	}

	if problem != "" {
		klog.Background().Info("Cannot reach a Lease; trying again", "lease", e.lease(), "reason", problem)
	}

	e.changed()
}

// causeOf drops what a call adds to what has kept it from the API server: it would not be the same for two calls.
func causeOf(err error) error {
	if failed, isCall := errors.AsType[*url.Error](err); isCall {
		return failed.Err
	}

	return err
}

// noteHolder has a leader give up when somebody else holds its Lease. The library would go on until the renew
// deadline, and so would the controllers, beside whoever leads now.
func (e *elector) noteHolder(holder string) {
	e.mutex.Lock()
	defer e.mutex.Unlock()

	if e.leading && holder != "" && holder != e.identity {
		e.retry()
	}
}

func (e *elector) noteRenewal() {
	e.mutex.Lock()
	defer e.mutex.Unlock()

	e.renewed = e.clock.Now()
}

var errOverdue = errors.New("it was not renewed in time")

// isOverdue tells that a leader has used up its time. The library would first try to give the Lease back, and where
// the API server hangs the controllers would go on meanwhile, beside whoever has taken over.
func (e *elector) isOverdue() bool {
	e.mutex.Lock()
	defer e.mutex.Unlock()

	return e.leading && e.clock.Since(e.renewed) >= e.options.RetryPeriod+e.options.RenewDeadline
}

// lock notes what becomes of each call.
type lock struct {
	*resourcelock.LeaseLock

	elector *elector
}

// Get implements resourcelock.Interface.
func (l *lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	if l.elector.isOverdue() {
		return nil, nil, errOverdue
	}

	record, raw, err := l.LeaseLock.Get(ctx)
	if !isPassing(ctx, err) {
		l.elector.noteProblem(err)
	}

	if err == nil {
		l.elector.noteHolder(record.HolderIdentity)
	}

	return record, raw, err // not wrapped: the library looks for NotFound
}

// Create implements resourcelock.Interface.
func (l *lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	err := l.LeaseLock.Create(ctx, record)
	if !isPassing(ctx, err) {
		l.elector.noteProblem(err)
	}

	if err == nil {
		l.elector.noteRenewal()
	}

	return err // not wrapped: the library looks for conflicts
}

// Update implements resourcelock.Interface.
func (l *lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	err := l.LeaseLock.Update(ctx, record)
	if !isPassing(ctx, err) {
		l.elector.noteProblem(err)
	}

	if err == nil {
		l.elector.noteRenewal()
	}

	return err // not wrapped: the library looks for conflicts
}

// isPassing tells of errors that say nothing about whether the Lease can be had.
func isPassing(ctx context.Context, err error) bool {
	return ctx.Err() != nil || err != nil && (errors.Is(err, context.Canceled) ||
		apierrors.IsNotFound(err) || apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err))
}
