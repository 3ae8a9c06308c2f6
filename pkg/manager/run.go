package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

const (
	// shutdownTimeout bounds how long what has no work in flight may take to end. It is over quickly unless the API
	// server is gone, and then a successor should not have to wait.
	shutdownTimeout = 2 * time.Second
)

// Run hosts the wanted controllers until the context ends. It returns an error of one line when it could not
// start, or had to stop because it may no longer write.
func Run(ctx context.Context, config Config) error {
	if err := config.Catalog.Validate(); err != nil {
		return fmt.Errorf("the table of controllers is wrong: %w", err)
	}

	if err := checkReachable(config.REST); err != nil {
		return err
	}

	// The background logger is all that controller-runtime's own packages know of.
	ctrl.SetLogger(klog.FromContext(ctx))

	process, err := newProcess(config)
	if err != nil {
		return err
	}

	unregister, err := newCollector(config, process.rows).register()
	if err != nil {
		return err
	}
	defer unregister()

	return process.run(ctx)
}

// run starts everything, and ends everything in the order that loses nothing: first the controllers, then the
// Leases, so that a successor starts when we have stopped, then what both stand on.
func (p *process) run(ctx context.Context) error {
	// What fails ends everything else. The floors below outlive the context that ends the controllers.
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)

	floor, closeFloor := context.WithCancel(context.WithoutCancel(ctx))
	defer closeFloor()

	stopEvents, err := p.startEvents(floor)
	if err != nil {
		return err
	}

	foundations := p.startAll(floor, fail, p.foundations())
	leases := p.startAll(floor, fail, p.elections())

	p.keep(ctx)

	err = errors.Join(leases.stop(), foundations.stop())

	stopEvents()

	closing, cancel := context.WithTimeout(floor, shutdownTimeout)
	defer cancel()

	// A reflector in the pause between two tries ends only after it; the process does not wait for that.
	if errClose := errors.Join(p.stores.Close(closing), p.leaseStores.Close(closing)); errClose != nil {
		klog.FromContext(ctx).Info("Left behind on stopping", "reason", errClose.Error())
	}

	return err
}

// foundations is what runs as long as any controller does.
func (p *process) foundations() []func(context.Context) error {
	tasks := []func(context.Context) error{p.definitions.Run, p.serveDiagnostics, p.serveProbes}
	if p.originals != nil {
		tasks = append(tasks, p.originals.run)
	}

	return tasks
}

// elections is what holds the Leases.
func (p *process) elections() []func(context.Context) error {
	tasks := make([]func(context.Context) error, 0, len(p.electors))
	for _, elector := range p.electors {
		tasks = append(tasks, elector.run)
	}

	return tasks
}

// tasks are goroutines with an owner that waits for them.
type tasks struct {
	group  *errgroup.Group
	cancel context.CancelFunc
}

// startAll runs tasks until stop. The first that fails ends the whole process.
func (*process) startAll(
	ctx context.Context, fail context.CancelCauseFunc, run []func(context.Context) error,
) *tasks {
	ctx, cancel := context.WithCancel(ctx)
	started := &tasks{group: &errgroup.Group{}, cancel: cancel}

	for _, task := range run {
		started.group.Go(func() error {
			err := task(ctx)
			if err != nil {
				fail(err)
			}

			return err
		})
	}

	return started
}

func (t *tasks) stop() error {
	t.cancel()

	return t.group.Wait()
}

// keep runs the keepers, and what else writes, until the context ends and all have stopped.
func (p *process) keep(ctx context.Context) {
	var group errgroup.Group

	for _, keeper := range p.keepers {
		group.Go(func() error {
			keeper.run(ctx)

			return nil
		})
	}

	group.Go(func() error {
		p.migrations.run(ctx)

		return nil
	})

	_ = group.Wait() // none has an error

	<-ctx.Done() // also where there is no controller at all
}

// startEvents has events written until the returned function is called.
func (p *process) startEvents(ctx context.Context) (func(), error) {
	if err := p.broadcaster.StartRecordingToSinkWithContext(ctx); err != nil {
		return nil, fmt.Errorf("start to record events: %w", err)
	}

	return p.broadcaster.Shutdown, nil
}
