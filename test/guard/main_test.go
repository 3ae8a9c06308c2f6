// Package guard tries to get past the admission policies of config/policy on a real control plane. The rights of the
// members of workspaces are those that a manager has made of KubeSphere's roles; then it ended, and none runs while
// anything is tried: the guard has to hold by itself.
package guard_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/limits"
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

		ctx, cancel := context.WithTimeout(context.Background(), 4*timeout)
		defer cancel()

		if err := prepare(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "prepare the control plane:", err)
			os.Exit(1)
		}
	}))
}

// prepare installs as an administrator does: the guard comes before the manager, which works under it.
func prepare(ctx context.Context) error {
	for _, step := range []func(context.Context) error{define, enforce, render, furnish, inForce} {
		if err := step(ctx); err != nil {
			return err
		}
	}

	return nil
}

// define makes our kinds, and the account of the manager.
func define(ctx context.Context) error {
	if _, err := shared.Kubectl(ctx, "apply", "--server-side", "-k", root+"/config/run"); err != nil {
		return err
	}

	_, err := shared.Kubectl(ctx, "wait", "--for=condition=Established", "crd", "--all", "--timeout=20s")

	return err
}

// furnish makes the rest of the world, and the rights that no manager gives.
func furnish(ctx context.Context) error {
	if err := applyFiles(ctx, "testdata/world.yaml", "testdata/native.yaml"); err != nil {
		return err
	}

	for policy, workspaces := range map[string]string{"small": `["full","too-full"]`, "planned": `["tried"]`} {
		status := fmt.Sprintf(`{"status":{"fullWorkspaces":%s}}`, workspaces)

		_, err := shared.Kubectl(ctx, "patch", "workspacepolicies", policy, "--subresource=status", "--type=merge",
			"--patch", status)
		if err != nil {
			return err
		}
	}

	return errors.Join(bindLimit(ctx), giveOwner(ctx))
}

// bindLimit makes the one binding that the manager makes, and keeps, of what policies say is full.
func bindLimit(ctx context.Context) error {
	client, err := clientOf(admin)
	if err != nil {
		return err
	}

	found, err := client.Get().AbsPath(tenant + "workspacepolicies").DoRaw(ctx)
	if err != nil {
		return err
	}

	var policies tenantv1beta1.WorkspacePolicyList
	if err := json.Unmarshal(found, &policies); err != nil {
		return err
	}

	binding := limits.Binding(limits.Full(policies.Items))
	if binding == nil {
		return nil // nothing is full yet
	}

	content, err := json.Marshal(binding)
	if err != nil {
		return err
	}

	const bindings = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/"

	return request{apply, bindings + limit, string(content)}.send(ctx, admin, false)
}

// giveOwner gives a namespace of team-a an owner of somebody else's, one that exists: the garbage collector runs.
func giveOwner(ctx context.Context) error {
	const owner = "some-owner"

	uid, err := shared.Kubectl(ctx, "get", "clusterroles.rbac.authorization.k8s.io", owner,
		"--output=jsonpath={.metadata.uid}")
	if err != nil {
		return err
	}

	reference := fmt.Sprintf(`{"metadata":{"ownerReferences":[{"apiVersion":"rbac.authorization.k8s.io/v1",`+
		`"kind":"ClusterRole","name":%q,"uid":%q}]}}`, owner, uid)
	_, err = shared.Kubectl(ctx, "patch", "namespace", "team-a-owned", "--type=merge", "--patch", reference)

	return err
}

// applyFiles waits until the kinds can be made, which takes a moment after they are established.
func applyFiles(ctx context.Context, files ...string) error {
	arguments := []string{"apply", "--server-side"}
	for _, file := range files {
		arguments = append(arguments, "-f", file)
	}

	return eventually(ctx, func(ctx context.Context) error {
		_, err := shared.Kubectl(ctx, arguments...)

		return err
	})
}

// enforce makes the policies and their bindings.
func enforce(ctx context.Context) error {
	for _, folder := range []string{root + "/config/policy", "testdata/self-service"} {
		if _, err := shared.Kubectl(ctx, "apply", "--server-side", "-k", folder); err != nil {
			return err
		}
	}

	return bindLimit(ctx)
}

// guard puts the policies in force.
func guard(ctx context.Context) error { return errors.Join(enforce(ctx), inForce(ctx)) }

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
