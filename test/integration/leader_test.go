package integration_test

import (
	"context"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/test/cluster"
)

// A leader that cannot renew must not go on, since a standby may be writing already.
func TestLosingTheAPIServerEndsTheProcess(t *testing.T) {
	control := cluster.ForTest(t, cluster.Options{})
	if _, err := control.Kubectl(t.Context(), "create", "namespace", accountNamespace); err != nil {
		t.Fatal(err)
	}

	config := managerConfig(t)
	config.REST = control.Config()
	config.LeaderElection.LeaseDuration = 3 * time.Second
	config.LeaderElection.RenewDeadline = 2 * time.Second

	done := make(chan error, 1)

	go func() { done <- manager.Run(t.Context(), config) }()

	clients, err := client.New(control.Config(), client.Options{Scheme: scheme()})
	if err != nil {
		t.Fatal(err)
	}

	// Nobody but KubeSphere's own manager held this Lease before, so the two never work side by side.
	key := client.ObjectKey{Namespace: "kubesphere-system", Name: "ks-controller-manager-leader-election"}

	eventually(t, "it holds KubeSphere's Lease", func(ctx context.Context) error {
		if len(done) > 0 {
			t.Fatalf("it ended early: %v", <-done)
		}

		return clients.Get(ctx, key, &coordinationv1.Lease{})
	})

	if err := control.Stop(); err != nil {
		t.Fatal(err)
	}

	select {
	case err := <-done:
		if want := "lost the Lease " + key.String(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(timeout):
		t.Error("it goes on without an API server")
	}
}
