package manager

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"

	"github.com/ks-core/ks-controller-manager/pkg/kube/guard"
	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
)

// keeper keeps one controller in the state that its circumstances ask for. It is a loop of its own, woken by
// whatever may change them, so that a controller that is slow to start or stop holds up no other.
type keeper struct {
	process    *process
	descriptor Descriptor
	history    *guard.History

	woken chan struct{}

	// Set by others, read by the loop.
	readsDoubted  atomic.Bool // a list or watch was refused
	writesDoubted atomic.Bool // a write was refused
	mutex         sync.Mutex
	panic         string // that has not been answered by a restart yet

	// Of the loop alone.
	life         *life
	starts       int
	restarts     int
	lastFailure  string
	pause        backOff
	readsAsked   time.Time // zero: they must be asked for
	readsOf      string    // the variant they were asked for
	deniedReads  []string
	writesAsked  time.Time
	deniedWrites []string
	panicText    string
	told         Row // what was last announced by an event
}

// lookAround is how often a keeper looks at its controller without being woken: for what tells nobody, such as an
// object that loops.
const lookAround = 5 * time.Second

func newKeeper(process *process, descriptor Descriptor) *keeper {
	return &keeper{
		process: process, descriptor: descriptor, history: guard.NewHistory(), woken: make(chan struct{}, 1),
	}
}

// wake has the keeper look again.
func (k *keeper) wake() {
	select {
	case k.woken <- struct{}{}:
	default: // it has been told already
	}
}

// run keeps the controller until the context ends, and then stops it.
func (k *keeper) run(ctx context.Context) {
	timer := k.process.clock.NewTimer(0)
	defer timer.Stop()

	for {
		select {
		case <-ctx.Done():
			k.end()

			return
		case <-k.woken:
		case <-timer.C():
		}

		again := k.step(ctx)

		timer.Stop()
		timer = k.process.clock.NewTimer(again)
	}
}

// step does what the circumstances ask for now, and returns when to look again at the latest.
func (k *keeper) step(ctx context.Context) time.Duration {
	now := k.process.circumstances(k.descriptor.Domain)

	if row, stays := k.staysToRelease(now); stays {
		k.report(row, now)

		return lookAround
	}

	if row, isBlocked := blocked(k.descriptor, now); isBlocked {
		k.end()
		k.report(row, now)
		k.readsAsked = time.Time{} // they are asked for anew when the way is free

		return lookAround
	}

	wanted := variantOf(k.descriptor, now)

	if row, refused := k.checkReads(ctx, wanted); refused {
		k.end()
		k.report(row, now)

		return askAgain
	}

	if remaining := k.ensureLife(ctx, wanted); remaining > 0 {
		k.report(Row{State: Failed, Reason: ReasonBackOff, Message: k.lastFailure}, now)

		return remaining
	}

	k.report(k.ensureRunning(ctx, now), now)

	return k.nextLook()
}

// staysToRelease tells of a controller that has lost one of its kinds while the definition of another waits for its
// finalizers, as when all definitions are removed together. What it has in memory is enough to take them off.
func (k *keeper) staysToRelease(now circumstances) (Row, bool) {
	row, isBlocked := blocked(k.descriptor, now)
	_, terminating := seen(k.descriptor, now)

	isWorking := k.life != nil && k.life.started() && !k.life.hasEnded()
	if !isBlocked || row.Reason != ReasonCRDMissing || !isWorking || len(terminating) == 0 {
		return Row{}, false
	}

	return standing(nil, terminating, RoleName(k.descriptor.Domain), nil, ""), true
}

// nextLook is sooner where a restart is due.
func (k *keeper) nextLook() time.Duration {
	if remaining := k.pause.remaining(k.process.clock.Now()); remaining > 0 {
		return min(remaining, lookAround)
	}

	return lookAround
}

// checkReads asks whether the process may keep in memory what the controller reads: before its stores exist, and
// again when one was refused. A row is returned when it may not.
func (k *keeper) checkReads(ctx context.Context, wanted variant) (Row, bool) {
	doubted := k.readsDoubted.Swap(false)
	now := k.process.clock.Now()
	isDue := len(k.deniedReads) > 0 && now.Sub(k.readsAsked) >= askAgain

	if k.readsAsked.IsZero() || k.readsOf != wanted.identity || doubted || isDue {
		denied, err := k.process.permissions.denied(ctx, readRights(wanted.caches(k.descriptor)))
		if err != nil {
			return k.unreachable(err)
		}

		k.readsAsked, k.readsOf, k.deniedReads = now, wanted.identity, denied
	}

	if len(k.deniedReads) == 0 {
		return Row{}, false
	}

	return Row{State: Waiting, Reason: ReasonForbidden, Message: "it may not " + strings.Join(k.deniedReads, ", ") +
		" (bind ClusterRole " + RoleName(k.descriptor.Domain) + " to " + k.process.account(ctx) + ")"}, true
}

// unreachable returns the row of a controller whose rights cannot be asked for. One that runs goes on.
func (k *keeper) unreachable(err error) (Row, bool) {
	k.readsDoubted.Store(true)

	if k.life != nil {
		return Row{}, false
	}

	return Row{State: Waiting, Reason: ReasonUnreachable, Message: err.Error()}, true
}

// ensureLife makes the controller where there is none, and anew where it has ended, has panicked, or was made for
// something else than is there now. It returns how long to wait before the next try, zero when there is a life.
func (k *keeper) ensureLife(ctx context.Context, wanted variant) time.Duration {
	now := k.process.clock.Now()

	if k.life != nil && k.life.hasEnded() {
		k.fail(now, fmt.Errorf("it ended: %w", k.life.err))
		k.end()
	}

	k.notePanic(now)

	remaining := k.pause.remaining(now)
	isStale := k.life != nil && k.life.variant.identity != wanted.identity
	isRestartDue := k.life != nil && k.panicText != "" && remaining == 0

	switch {
	case k.life != nil && !isStale && !isRestartDue:
		return 0
	case k.life == nil && remaining > 0:
		return remaining
	}

	// The new one is made before the old one is let go of, so that stores that both use stay filled.
	made, err := k.newLife(ctx, wanted)
	if err != nil {
		k.fail(now, err)
		k.end()

		return k.pause.remaining(now)
	}

	k.end()
	k.life = made
	k.panicText = ""

	return 0
}

// fail notes why the controller could not be made or has ended, and when to try again.
func (k *keeper) fail(now time.Time, err error) {
	k.lastFailure = err.Error()
	k.restarts++
	k.pause.fail(now)

	klog.Background().Info("Controller failed; trying again with back-off", "controller", k.descriptor.Name,
		"reason", k.lastFailure, "pause", k.pause.pause.String())
}

// notePanic plans a restart for a panic that was recovered. Until it is due the controller goes on: only the
// object at fault is held back.
func (k *keeper) notePanic(now time.Time) {
	k.mutex.Lock()
	text := k.panic
	k.panic = ""
	k.mutex.Unlock()

	if text == "" {
		return
	}

	if k.panicText == "" && k.life != nil {
		k.fail(now, fmt.Errorf("recovered from a panic: %s", text))
	}

	k.panicText = text
}

// ensureRunning starts the controller when its stores are filled and the process leads, and returns its row.
func (k *keeper) ensureRunning(ctx context.Context, now circumstances) Row {
	if awaited := k.life.view.Awaited(); len(awaited) > 0 && !k.life.started() {
		return Row{State: Starting, Reason: ReasonCachesSyncing, Message: strings.Join(awaited, ", ")}
	}

	if leads, why := k.process.leads(k.descriptor.Domain); !leads {
		return Row{State: Standby, Reason: ReasonNotLeader, Message: why}
	}

	if !k.life.started() {
		if err := k.life.start(ctx, k); err != nil {
			k.fail(k.process.clock.Now(), err)
			k.end()

			return Row{State: Failed, Reason: ReasonBackOff, Message: k.lastFailure}
		}

		k.starts++
		k.writesDoubted.Store(true)
	}

	if k.life.unsynced.Load() > 0 {
		return Row{State: Starting, Reason: ReasonCachesSyncing, Message: "looking at all objects"}
	}

	k.checkWrites(ctx)

	_, terminating := seen(k.descriptor, now)

	return standing(k.deniedWrites, terminating, RoleName(k.descriptor.Domain),
		lasting(k.history.Troubles(k.process.clock.Now()), k.process.clock.Now()), k.panicText)
}

// checkWrites asks whether the process may write what the controller writes: at its start, and again when a write
// was refused or while one is. A refusal may have other reasons than a missing right.
func (k *keeper) checkWrites(ctx context.Context) {
	now := k.process.clock.Now()

	isDue := now.Sub(k.writesAsked) >= askAgain
	if !isDue || !k.writesDoubted.Load() && len(k.deniedWrites) == 0 {
		return
	}

	k.writesDoubted.Store(false)

	denied, err := k.process.permissions.denied(ctx, writeRights(k.descriptor.Writes))
	if err != nil {
		k.writesDoubted.Store(true)

		return
	}

	k.writesAsked, k.deniedWrites = now, denied
}

// end stops the controller, if there is one, and lets go of all it had.
func (k *keeper) end() {
	if k.life == nil {
		return
	}

	k.life.stop()
	k.life.release()
	k.life = nil
	k.writesAsked, k.deniedWrites = time.Time{}, nil
}

// report puts the row on the board and tells of what has changed.
func (k *keeper) report(row Row, now circumstances) {
	row.Name, row.Domain = k.descriptor.Name, k.descriptor.Domain
	row.Starts, row.Restarts, row.LastFailure = k.starts, k.restarts, k.lastFailure

	row.Definitions, _ = seen(k.descriptor, now)
	if k.life != nil {
		for _, kind := range k.life.variant.present {
			row.Optional = append(row.Optional, k.descriptor.wanted(kind).Name())
		}

		slices.Sort(row.Optional)
	}

	k.tell(row)
}

// storeFailed is told by a store what keeps it from listing and watching.
func (k *keeper) storeFailed(_ stores.Spec, err error) {
	if apierrors.IsForbidden(err) {
		k.readsDoubted.Store(true)
		k.wake()
	}
}

// writeForbidden is told that the API server has refused a write.
func (k *keeper) writeForbidden() {
	if !k.writesDoubted.Swap(true) {
		k.wake()
	}
}

// panicked is told of a panic that was recovered.
func (k *keeper) panicked(where string, cause any) {
	k.mutex.Lock()
	k.panic = where + ": " + firstLine(fmt.Sprint(cause))
	k.mutex.Unlock()

	k.wake()
}

func firstLine(text string) string {
	const longest = 200

	line, _, _ := strings.Cut(text, "\n")

	return strings.ToValidUTF8(line[:min(len(line), longest)], "")
}
