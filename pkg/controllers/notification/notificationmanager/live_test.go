package notificationmanager_test

import (
	"slices"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/test/cluster"
)

// The same promises against a real API server, with its definitions, defaults and validation.
func TestLive(t *testing.T) {
	control := cluster.ForTest(t, cluster.Options{})

	for _, arguments := range [][]string{
		{
			"apply", "--server-side", "-f",
			"../../../../config/crd/bases/notification.kubesphere.io_notificationmanagers.yaml",
		},
		{"wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"},
		{"create", "namespace", namespace},
		{"create", "namespace", "federated"},
		{"create", "namespace", "templates"},
	} {
		if _, err := control.Kubectl(t.Context(), arguments...); err != nil {
			t.Fatal(err)
		}
	}

	live := subject(t)
	live.Seeds = 1
	live.Volatile = []string{"clusterIP", "clusterIPs"} // It gives a new Service another address.
	// What a server would not store has no place in it.
	live.Worlds = slices.DeleteFunc(live.Worlds, func(world harness.World) bool {
		return world.Fails || world.Name == "paused"
	})

	admin, err := client.NewWithWatch(control.Config(), client.Options{Scheme: live.Scheme})
	if err != nil {
		t.Fatal(err)
	}

	harness.RunOn(t, harness.Live(admin), live)
}
