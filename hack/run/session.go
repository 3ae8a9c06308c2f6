package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/test/cluster"
	"github.com/ks-core/ks-controller-manager/test/cluster/process"
)

// kubeconfigName is what the control plane calls the administrator's kubeconfig in its folder.
const kubeconfigName = "kubeconfig"

// session is one run: what it has started, and how it tells of it.
type session struct {
	options options
	say     announcer
	table   display

	cluster *cluster.Cluster
	manager *process.Process
	client  client.Client

	watchers sync.WaitGroup
}

// run brings everything up, shows it, and takes it down again.
func (s *session) run(ctx context.Context) error {
	watched, fail := context.WithCancelCause(ctx)
	err := s.work(watched, fail)

	switch {
	case ctx.Err() != nil && s.options.once:
		err = errors.New("interrupted")
	case ctx.Err() != nil:
		s.say.printf("\n")

		err = nil // asked to stop, which is how a run ends
	case watched.Err() != nil:
		err = context.Cause(watched) // what a watcher has seen, not what failed because of it
	}

	fail(nil)

	stopping := context.WithoutCancel(ctx)

	return errors.Join(err, s.say.step(stopping, "stopping what runs", s.down))
}

// work is the run from top to bottom. It ends early with the context, or when fail is called.
func (s *session) work(ctx context.Context, fail context.CancelCauseFunc) error {
	if err := s.up(ctx, fail); err != nil {
		return err
	}

	err := s.check(ctx)
	if s.options.once || ctx.Err() != nil {
		return err
	}

	if err != nil {
		s.say.printf("\n%v\n", err)
	}

	if err := s.showTheWay(); err != nil {
		return err
	}

	<-ctx.Done()

	return context.Cause(ctx)
}

// up starts the control plane and the manager.
func (s *session) up(ctx context.Context, fail context.CancelCauseFunc) error {
	err := s.say.step(ctx, "starting etcd, the API server and kube-controller-manager, installing CRDs and roles",
		s.boot)
	if err != nil {
		return err
	}

	s.watch(ctx, fail, s.cluster.Watch)

	return s.startManager(ctx, fail)
}

// watch cancels the run when a program ends by itself.
func (s *session) watch(ctx context.Context, fail context.CancelCauseFunc, ended func(context.Context) error) {
	s.watchers.Go(func() {
		if err := ended(ctx); err != nil {
			fail(err)
		}
	})
}

// startManager starts the manager and reports how long its controllers took and what memory it holds.
func (s *session) startManager(ctx context.Context, fail context.CancelCauseFunc) error {
	var (
		count   int
		started time.Time
	)

	err := s.say.step(ctx, "starting the manager", func(ctx context.Context) error {
		page, err := newStatusPage(ctx, s.cluster, s.options.portOf(diagnosticsPort))
		if err != nil {
			return err
		}

		started = time.Now()

		s.manager, err = startManager(ctx, s.options, s.cluster)
		if err != nil {
			return err
		}

		s.watch(ctx, fail, s.managerEnded)

		count, err = page.awaitControllers(ctx, s.options.timeout)

		return err
	})
	if err != nil {
		return err
	}

	s.say.printf("all %d controllers run, %s after the manager was started and %s after the API server was ready\n",
		count, seconds(time.Since(started)), seconds(time.Since(s.cluster.APIServerReady())))

	used, err := memoryOf(s.manager.PID())
	if err == nil {
		s.say.printf("the manager's memory: RssAnon %s, RssFile %s\n", used.anonymous, used.file)
	}

	return nil
}

func (s *session) managerEnded(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.manager.Exited():
		return s.manager.Failure()
	}
}

// down stops what runs: the manager first, so that it can give its Lease back.
func (s *session) down(context.Context) error {
	var errs []error

	if s.manager != nil {
		errs = append(errs, s.manager.Stop())
	}

	if s.cluster != nil {
		errs = append(errs, s.cluster.Stop())
	}

	s.watchers.Wait()

	return errors.Join(errs...)
}
