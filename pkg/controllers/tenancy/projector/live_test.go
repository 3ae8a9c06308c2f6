package projector_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/test/cluster"
)

// The same promises against a real API server, with its definitions, defaults and validation.
func TestLive(t *testing.T) {
	control := cluster.ForTest(t, cluster.Options{})

	for _, arguments := range [][]string{
		{"apply", "--server-side", "-k", "../../../../config/crd"},
		{"wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"},
		{"create", "namespace", "ns"},
		{"create", "namespace", "other"},
	} {
		if _, err := control.Kubectl(t.Context(), arguments...); err != nil {
			t.Fatal(err)
		}
	}

	for _, subject := range []func(*testing.T) harness.Subject{
		roleSubject, globalRoleBindingSubject, // one of the cluster, one of a namespace; a role, a binding
	} {
		s := subject(t)
		s.Seeds = 1
		s.Worlds = slices.DeleteFunc(s.Worlds, func(world harness.World) bool {
			return !slices.Contains(liveWorlds(), world.Name)
		})

		// A server lets nobody change the role of a binding.
		s.Drifts = slices.DeleteFunc(s.Drifts, func(drift harness.Drift) bool { return drift.Name == "another role" })

		if err := corev1.AddToScheme(s.Scheme); err != nil {
			t.Fatal(err)
		}

		admin, err := client.NewWithWatch(control.Config(), client.Options{Scheme: s.Scheme})
		if err != nil {
			t.Fatal(err)
		}

		t.Run(s.Name, func(t *testing.T) { harness.RunOn(t, harness.Live(admin), s) })
	}
}

// liveWorlds are those in which a server may have something to say.
func liveWorlds() []string {
	return []string{
		"no rules", "of templates", "a long name", "left by KubeSphere", "what 4.1 made", "all kinds of subjects",
		"one administrator twice", "administrators of 4.1", "to a ClusterRole",
	}
}
