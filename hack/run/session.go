package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
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

	return errors.Join(err, s.down())
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
	err := s.say.step(ctx, "starting etcd, the API server and kube-controller-manager", s.boot)
	if err != nil {
		return err
	}

	s.watch(ctx, fail, s.cluster.Watch)

	err = s.say.step(ctx, "installing the CRDs and the manager's roles", s.install)
	if err != nil {
		return err
	}

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

func (s *session) boot(ctx context.Context) error {
	started, err := cluster.Start(ctx, cluster.Options{
		Assets:            s.options.assets,
		Dir:               s.options.dir,
		APIServerPort:     s.options.portOf(apiServerPort),
		EtcdPort:          s.options.portOf(etcdPort),
		EtcdPeerPort:      s.options.portOf(etcdPeerPort),
		ControllerManager: true,
		Logf:              func(format string, args ...any) { s.say.printf(format+"\n", args...) },
	})
	if err != nil {
		return err
	}

	s.cluster = started

	scheme := runtime.NewScheme()
	if err := apiextensionsv1.AddToScheme(scheme); err != nil {
		return fmt.Errorf("registering the kinds of CRDs: %w", err)
	}

	s.client, err = client.New(started.Config(), client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}

	return nil
}

func (s *session) install(ctx context.Context) error {
	if err := s.apply(ctx, "run"); err != nil {
		return err
	}

	return wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, s.options.timeout, true, s.crdsEstablished)
}

func (s *session) apply(ctx context.Context, folder string) error {
	_, err := s.cluster.Kubectl(ctx, "apply", "--server-side", "-k", filepath.Join(s.options.config, folder))

	return err
}

func (s *session) crdsEstablished(ctx context.Context) (bool, error) {
	crds := &apiextensionsv1.CustomResourceDefinitionList{}
	if err := s.client.List(ctx, crds); err != nil {
		return false, err
	}

	for i := range crds.Items {
		if !established(&crds.Items[i]) {
			return false, nil
		}
	}

	return true, nil
}

func established(crd *apiextensionsv1.CustomResourceDefinition) bool {
	for _, condition := range crd.Status.Conditions {
		if condition.Type == apiextensionsv1.Established {
			return condition.Status == apiextensionsv1.ConditionTrue
		}
	}

	return false
}

// startManager starts the manager and reports how long its controllers took and what memory it holds.
func (s *session) startManager(ctx context.Context, fail context.CancelCauseFunc) error {
	var count int

	err := s.say.step(ctx, "starting the manager", func(ctx context.Context) error {
		page, err := newStatusPage(ctx, s.cluster, s.options.portOf(diagnosticsPort))
		if err != nil {
			return err
		}

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

	s.say.printf("API server ready -> all %d controllers running: %s\n",
		count, seconds(time.Since(s.cluster.APIServerReady())))

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

// check applies the samples, shows the table until they are as expected, and proves their effects. Its error
// names everything that is not as it should be.
func (s *session) check(ctx context.Context) error {
	var samples []sample

	err := s.say.step(ctx, "applying the samples", func(ctx context.Context) error {
		if err := s.apply(ctx, "samples"); err != nil {
			return err
		}

		var err error

		samples, err = s.readSamples(ctx)

		return err
	})
	if err != nil {
		return err
	}

	s.say.printf("\n")

	problems := []error{s.follow(ctx, samples)}

	s.say.printf("\n")

	for _, proof := range proofs() {
		err := proof.hold(ctx, s.cluster)
		if err == nil {
			s.say.printf("proven (%s): %s\n", proof.domain, proof.claim)
		}

		problems = append(problems, err)
	}

	return errors.Join(problems...)
}

func (s *session) readSamples(ctx context.Context) ([]sample, error) {
	stream, err := s.cluster.Kubectl(ctx, "kustomize", filepath.Join(s.options.config, "samples"))
	if err != nil {
		return nil, err
	}

	return readSamples(strings.NewReader(stream), func(kind schema.GroupVersionKind) (bool, error) {
		return reportsConditions(ctx, s.client, kind)
	})
}

// follow shows the table until every sample is as expected, or says which is not in time.
func (s *session) follow(ctx context.Context, samples []sample) error {
	if len(samples) == 0 {
		return errors.New("no sample reports conditions: there is nothing to wait for")
	}

	rows := make([]row, len(samples))

	err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, s.options.timeout, true,
		func(ctx context.Context) (bool, error) {
			done := true

			for i, sample := range samples {
				observed, err := observe(ctx, s.client, sample)
				if err != nil {
					return false, err
				}

				rows[i] = observed
				done = done && observed.asExpected()
			}

			s.table.update(rows, time.Now())

			return done, nil
		})
	if err == nil {
		return nil
	}

	if wait.Interrupted(err) && ctx.Err() == nil {
		err = fmt.Errorf("not within %s", s.options.timeout)
	}

	return errors.Join(append(problemsOf(rows), fmt.Errorf("waiting for the samples: %w", err))...)
}

func problemsOf(rows []row) []error {
	var problems []error

	for _, r := range rows {
		if !r.asExpected() {
			problems = append(problems, errors.New(r.problem()))
		}
	}

	return problems
}

// showTheWay tells how to go on, with a kubectl that fits.
func (s *session) showTheWay() error {
	link := filepath.Join(filepath.Dir(s.options.manager), "kubectl")
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("replacing the link to kubectl: %w", err)
	}

	if err := os.Symlink(filepath.Join(s.cluster.Assets(), "kubectl"), link); err != nil {
		return fmt.Errorf("linking kubectl: %w", err)
	}

	s.say.printf(`
Everything is up. In another terminal:

    export KUBECONFIG=%s
    %[2]s get workspacetemplates,workspaces
    %[2]s describe workspacetemplate broken
    %[2]s get workspace payments --as=alice

The manager writes to %[3]s. Ctrl-C stops it all.
`, s.cluster.Kubeconfig(), link, filepath.Join(s.options.dir, "manager.log"))

	return nil
}

// down stops what runs: the manager first, so that it can give its Lease back.
func (s *session) down() error {
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

func absolute(path string) string {
	if resolved, err := filepath.Abs(path); err == nil {
		return resolved
	}

	return path
}
