// Package guard tries to get past the admission policies of config/policy on a real control plane, where no manager
// runs: the guard has to hold by itself.
package guard_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/ks-core/ks-controller-manager/test/cluster"
)

const (
	root    = "../.."
	timeout = time.Minute
)

// shared is the control plane of all tests of this package.
var shared *cluster.Cluster

func TestMain(m *testing.M) {
	os.Exit(cluster.Main(m, cluster.Options{ControllerManager: true}, func(c *cluster.Cluster) {
		shared = c

		ctx, cancel := context.WithTimeout(context.Background(), 3*timeout)
		defer cancel()

		if err := errors.Join(install(ctx), grant(ctx), guard(ctx)); err != nil {
			fmt.Fprintln(os.Stderr, "prepare the control plane:", err)
			os.Exit(1)
		}
	}))
}

// install makes the definitions, and the world that the tests are about.
func install(ctx context.Context) error {
	steps := [][]string{
		{"apply", "--server-side", "-k", root + "/config/run"},
		{"wait", "--for=condition=Established", "crd", "--all", "--timeout=20s"},
	}

	for _, step := range steps {
		if _, err := shared.Kubectl(ctx, step...); err != nil {
			return err
		}
	}

	// A kind can be made a moment after it is established.
	if err := eventually(ctx, func(ctx context.Context) error {
		_, err := shared.Kubectl(ctx, "apply", "--server-side", "-f", "testdata/world.yaml")

		return err
	}); err != nil {
		return err
	}

	for policy, workspaces := range map[string]string{"small": `["full"]`, "planned": `["tried"]`} {
		status := fmt.Sprintf(`{"status":{"fullWorkspaces":%s}}`, workspaces)

		_, err := shared.Kubectl(ctx, "patch", "workspacepolicies", policy, "--subresource=status", "--type=merge",
			"--patch", status)
		if err != nil {
			return err
		}
	}

	return nil
}

// grant gives everybody their rights. What is rendered is what the manager makes of the roles of a workspace.
func grant(ctx context.Context) error {
	_, err := shared.Kubectl(ctx, "apply", "--server-side",
		"-f", "testdata/rendered.yaml", "-f", "testdata/native.yaml")

	return err
}

// guard puts the policies in force.
func guard(ctx context.Context) error {
	for _, folder := range []string{root + "/config/policy", "testdata/self-service"} {
		if _, err := shared.Kubectl(ctx, "apply", "--server-side", "-k", folder); err != nil {
			return err
		}
	}

	return inForce(ctx)
}

// inForce waits until every policy is asked. An API server takes changes of policies over once a second, and knows a
// kind of parameters later still.
func inForce(ctx context.Context) error {
	return eventually(ctx, func(ctx context.Context) error {
		errs := []error{isSelfServed(ctx)}
		for _, attempt := range probes() {
			errs = append(errs, attempt.stopped(ctx))
		}

		return errors.Join(errs...)
	})
}

// eventually waits until a condition holds, and says what was missing when it never did.
func eventually(ctx context.Context, holds func(context.Context) error) error {
	var last error

	// An API server looks for kinds of parameters only every 30 s.
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, timeout, true,
		func(ctx context.Context) (bool, error) {
			err := holds(ctx)
			if ctx.Err() == nil || last == nil {
				last = err // later ones would only tell that the time is over
			}

			return err == nil, nil
		})
	if err != nil {
		return fmt.Errorf("%w: %w", err, last)
	}

	return nil
}
