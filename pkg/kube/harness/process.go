package harness

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// process is a reconciler from its start to its end.
type process struct {
	trial      *trial
	meter      *meter
	reconciler reconcile.Reconciler
}

// start constructs the reconciler anew. It dies after lifetime writes, or never
// when that is zero.
func (tr *trial) start(lifetime int) *process {
	m := &meter{lifetime: lifetime}

	return &process{trial: tr, meter: m, reconciler: tr.subject.New(Environment{
		Client:   m.client(tr.server),
		Recorder: m,
		Clock:    tr.clock.read,
	})}
}

// run is what one call of Reconcile did.
type run struct {
	counts

	key types.NamespacedName
	err error
}

var errPanic = errors.New("panic")

// reconcile handles one request. A panic becomes an error.
func (p *process) reconcile(ctx context.Context, key types.NamespacedName) (result run) {
	defer func() {
		if cause := recover(); cause != nil {
			result.err = fmt.Errorf("%w: %v\n%s", errPanic, cause, debug.Stack())
		}

		result.key = key
		result.counts = p.meter.take()
	}()

	_, result.err = p.reconciler.Reconcile(ctx, reconcile.Request{NamespacedName: key})

	return result
}

// maxRounds bounds how long a trial waits for silence. Each round is a chance
// for every object to see what the others did.
const maxRounds = 20

// outcome is what happened until nothing happened any more.
type outcome struct {
	runs []run
	// last are the runs of the last round.
	last []run
	// quiet is set when the last round wrote nothing.
	quiet bool
}

// settle handles every request, round after round, until a whole round writes
// nothing, the process dies, or patience ends. In between it does what
// Kubernetes' garbage collector would.
func (p *process) settle(ctx context.Context) (outcome, error) {
	var result outcome

	for range maxRounds {
		before := len(result.runs)

		writes, err := p.round(ctx, &result)
		if err != nil {
			return result, err
		}

		result.last = result.runs[before:]

		if p.meter.dead() {
			return result, nil
		}

		collected, err := p.trial.collect(ctx)
		if err != nil {
			return result, err
		}

		if writes+collected == 0 {
			result.quiet = true

			return result, nil
		}
	}

	return result, nil
}

// round handles every request once and returns the number of writes that the
// server did: what it refuses may well be tried again.
func (p *process) round(ctx context.Context, result *outcome) (int, error) {
	keys, err := p.trial.requests(ctx)
	if err != nil {
		return 0, err
	}

	writes := 0

	for _, key := range keys {
		if p.meter.dead() {
			break
		}

		one := p.reconcile(ctx, key)
		writes += len(one.done)
		result.runs = append(result.runs, one)
	}

	return writes, nil
}

// panicked returns the first panic.
func (o outcome) panicked() error {
	for _, one := range o.runs {
		if errors.Is(one.err, errPanic) {
			return fmt.Errorf("reconciling %s: %w", one.key, one.err)
		}
	}

	return nil
}

// settled runs a new process in a world until it is quiet.
func (tr *trial) settled(ctx context.Context, world World) (outcome, error) {
	if err := tr.plant(ctx, world.Objects); err != nil {
		return outcome{}, err
	}

	return tr.start(0).settle(ctx)
}

// collect deletes the objects whose owners have all gone, and returns how many.
func (tr *trial) collect(ctx context.Context) (int, error) {
	objects, err := tr.objects(ctx)
	if err != nil {
		return 0, err
	}

	present := map[types.UID]bool{}
	for _, obj := range objects {
		present[obj.GetUID()] = true
	}

	collected := 0

	for _, obj := range objects {
		if obj.GetDeletionTimestamp() != nil || len(obj.GetOwnerReferences()) == 0 {
			continue
		}

		orphan, err := tr.orphaned(ctx, obj, present)
		if err != nil {
			return collected, err
		}

		if !orphan {
			continue
		}

		if err := tr.remove(ctx, obj); err != nil {
			return collected, err
		}

		collected++
	}

	return collected, nil
}

// orphaned tells whether all owners of an object are gone. Those present need not
// be looked for.
func (tr *trial) orphaned(
	ctx context.Context, obj *unstructured.Unstructured, present map[types.UID]bool,
) (bool, error) {
	for _, owner := range obj.GetOwnerReferences() {
		if present[owner.UID] {
			return false, nil
		}

		exists, err := tr.exists(ctx, owner)
		if err != nil || exists {
			return false, err
		}
	}

	return true, nil
}

// exists looks for an owner that is not one of the trial's objects. Only its UID
// counts: the reference does not say whether it has a namespace.
func (tr *trial) exists(ctx context.Context, owner metav1.OwnerReference) (bool, error) {
	list := emptyListOf(schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind))
	if err := tr.server.List(ctx, list); err != nil {
		return false, fmt.Errorf("looking for the owner %s: %w", owner.Name, err)
	}

	return slices.ContainsFunc(list.Items, func(item unstructured.Unstructured) bool {
		return item.GetUID() == owner.UID
	}), nil
}
