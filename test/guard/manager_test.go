package guard_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/controllers"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// render has a manager make native roles and bindings of what testdata/members.yaml says, and ends it: from then on
// none runs.
func render(ctx context.Context) error {
	if err := applyFiles(ctx, "testdata/members.yaml"); err != nil {
		return err
	}

	return withManager(ctx, func(ctx context.Context) error {
		for _, objects := range [][]string{
			{"workspacetemplates/team-a"},
			{"workspaces/team-a", "workspaces/team-b"},
			{"workspaceroles", "--all"},
			{
				"workspacerolebindings", "team-a-admin", "team-a-robot", "team-a-carol", "team-a-vera",
				"team-a-greedy", "team-a-x", "team-b-admin",
			},
			{"--namespace=team-a-one", "roles.iam.kubesphere.io/greedy"},
			{
				"--namespace=team-a-one", "rolebindings.iam.kubesphere.io/greedy",
				"rolebindings.iam.kubesphere.io/alice-admin",
			},
		} {
			wait := append([]string{"wait", "--for=condition=Ready", "--timeout=20s"}, objects...)
			// kubectl gives up at once on what is not there yet.
			err := eventually(ctx, func(ctx context.Context) error {
				_, err := shared.Kubectl(ctx, wait...)

				return err
			})
			if err != nil {
				return err
			}
		}

		err := eventually(ctx, func(ctx context.Context) error {
			return errors.Join(promisesKept(ctx), acrossIsRefused(ctx), rendered(ctx))
		})
		if err != nil {
			return err
		}

		return bindsWhatIsFull(ctx)
	})
}

// bindsWhatIsFull has the manager make the binding of the limit with no rights but its own, keep it, write it no more
// often than it must, and remove it when nothing is full any more.
func bindsWhatIsFull(ctx context.Context) error {
	const values = "{.spec.validationActions}{.spec.matchResources.objectSelector.matchExpressions[*].values}"

	if err := applyFiles(ctx, "testdata/brief.yaml"); err != nil {
		return err
	}

	errKept := errors.Join(
		eventually(ctx, binding(values, `["Deny"]["brief"]`)),
		change(ctx, "validatingadmissionpolicybindings/"+limit, `{"spec":{"validationActions":["Warn"]}}`),
		eventually(ctx, binding(values, `["Deny"]["brief"]`)),
		isLeftAlone(ctx),
	)

	_, errDelete := shared.Kubectl(ctx, "delete", "-f", "testdata/brief.yaml")

	return errors.Join(errKept, errDelete, eventually(ctx, binding(values, "")))
}

// isLeftAlone has the manager look again, for changes that do not concern the binding, and wants that it has not been
// written. The manager reports before it looks at the binding: the second report shows that the first look is over.
func isLeftAlone(ctx context.Context) error {
	const version = "--output=jsonpath={.metadata.uid}/{.metadata.resourceVersion}"

	before, errBefore := shared.Kubectl(ctx, "get", "validatingadmissionpolicybindings", limit, version)
	errSeen := errors.Join(
		change(ctx, "workspacepolicies/brief", `{"spec":{"priority":7}}`), eventually(ctx, isReportedOn),
		change(ctx, "workspacepolicies/brief", `{"spec":{"priority":8}}`), eventually(ctx, isReportedOn),
	)
	after, errAfter := shared.Kubectl(ctx, "get", "validatingadmissionpolicybindings", limit, version)

	if before != after {
		errAfter = errors.Join(errAfter, fmt.Errorf("the binding of the limit was %s and is %s", before, after))
	}

	return errors.Join(errBefore, errSeen, errAfter)
}

func isReportedOn(ctx context.Context) error {
	seen, err := shared.Kubectl(ctx, "get", "workspacepolicies", "brief",
		"--output=jsonpath={.metadata.generation}={.status.observedGeneration}")
	if generation, observed, _ := strings.Cut(seen, "="); err == nil && generation != observed {
		err = errors.New("the policy was not looked at again")
	}

	return err
}

// binding tells whether the binding of the limit has something; nothing where it is not there.
func binding(path, want string) func(context.Context) error {
	return func(ctx context.Context) error {
		found, err := shared.Kubectl(ctx, "get", "validatingadmissionpolicybindings", limit, "--ignore-not-found",
			"--output=jsonpath="+path)
		if err == nil && found != want {
			err = fmt.Errorf("the binding of the limit has %q, not %q", found, want)
		}

		return err
	}
}

func change(ctx context.Context, object, patch string) error {
	_, err := shared.Kubectl(ctx, "patch", object, "--type=merge", "--patch", patch)

	return err
}

// acrossIsRefused waits for the manager to have looked at the binding that reaches for another workspace.
func acrossIsRefused(ctx context.Context) error {
	reason, err := shared.Kubectl(ctx, "get", "workspacerolebindings", "team-a-across",
		`--output=jsonpath={.status.conditions[?(@.type=="Ready")].reason}`)
	if err == nil && reason != "RoleOfAnotherWorkspace" {
		err = errors.New("the binding to a role of another workspace is " + reason)
	}

	return err
}

// withManager runs the manager as its service account, with the roles that an installation gives it, while something
// is done; when it returns, the manager has ended.
func withManager(ctx context.Context, do func(context.Context) error) error {
	config, err := managerConfig(ctx)
	if err != nil {
		return err
	}

	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)

	go func() {
		defer stop() // there is no use in waiting for the work of a manager that has failed

		ended <- manager.Run(running, config)
	}()

	errDo := do(running)

	stop()

	return errors.Join(errDo, <-ended)
}

func managerConfig(ctx context.Context) (manager.Config, error) {
	account, errAccount := shared.ServiceAccountConfig(ctx, "kubesphere-system", "ks-controller-manager")
	gates, errGates := features.New()
	catalog := controllers.Catalog()
	selection, errSelection := manager.Select(catalog, []string{"*"}, nil)

	return manager.Config{
		Name: "ks-controller-manager", Version: "test", REST: account,
		Catalog: catalog, Selection: selection, Gates: gates,
		LeaderElection: manager.LeaderElection{
			Enabled: true, Namespace: "kubesphere-system",
			LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 200 * time.Millisecond,
		},
	}, errors.Join(errAccount, errGates, errSelection)
}
