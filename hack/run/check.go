package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
)

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

	// Each look has the context of the caller, so that the timeout leaves no row half read.
	err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, s.options.timeout, true,
		func(context.Context) (bool, error) {
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
    %[2]s --as=alice auth can-i update workspace/payments

The manager writes to %[3]s. Ctrl-C stops it all.
`, s.cluster.Kubeconfig(), link, filepath.Join(s.options.dir, "manager.log"))

	return nil
}
