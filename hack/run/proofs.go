package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/ks-core/ks-controller-manager/test/cluster"
)

// proof shows that a domain does what its samples' conditions claim.
type proof struct {
	domain string
	claim  string
	check  func(context.Context, *cluster.Cluster) error
}

// proofs is the table of all domains.
func proofs() []proof {
	return []proof{
		{
			domain: "tenancy",
			claim:  "a workspace's manager may see and update it, not delete it, and no other workspace",
			check:  managersRuleTheirOwn,
		},
		{
			domain: "tenancy",
			claim:  "a workspace counts its namespaces",
			check:  workspacesCountNamespaces,
		},
	}
}

// proofPatience is how long an effect may take to show: the API server's authoriser learns of a new binding
// a moment after its writer.
const proofPatience = 10 * time.Second

// hold waits until the claim is true, or says why it is not.
func (p proof) hold(ctx context.Context, c *cluster.Cluster) error {
	last := errors.New("nothing was asked yet")

	// Each check has the context of the caller: the one that the timeout ends would hide the last reason.
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, proofPatience, true,
		func(context.Context) (bool, error) {
			last = p.check(ctx, c)

			return last == nil, nil
		})
	if err != nil {
		return fmt.Errorf("%s: it does not hold that %s: %w", p.domain, p.claim, last)
	}

	return nil
}
