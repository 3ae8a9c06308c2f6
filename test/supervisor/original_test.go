package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/manager/original"
)

const originalImage = "kubesphere/ks-controller-manager:v3.4.1"

// tenants returns a controller of tenancy, the domain in which KubeSphere's own manager works, over gadgets.
func tenants(t *testing.T) manager.Descriptor {
	t.Helper()

	descriptor := thingController("tenant", manager.Tenancy, gadgetKind, "gadgets", &behaviour{runs: map[string]int{}},
		func() client.Object { return &Gadget{} })

	// A role of its own: that of the domain belongs to the product. Its Lease is among the rights of every process.
	if err := grant(t.Context(), "test-tenants", manager.Catalog{descriptor}.Rules()); err != nil {
		t.Fatal(err)
	}

	// Other tests count on what the account may not do.
	t.Cleanup(func() {
		if err := grant(context.WithoutCancel(t.Context()), "test-tenants", nil); err != nil {
			t.Error(err)
		}
	})

	return descriptor
}

// installOriginal makes a Deployment as KubeSphere 3.4 has it, and removes it when the test ends.
func installOriginal(t *testing.T, flags ...string) *appsv1.Deployment {
	t.Helper()

	labels := map[string]string{"app": original.Name, "tier": "backend", "version": "v3.4.1"}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: original.Namespace, Name: original.Name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(1)),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: original.Name, Image: originalImage,
					Command: append([]string{"controller-manager", "--logtostderr=true"}, flags...),
					Ports:   []corev1.ContainerPort{{ContainerPort: 8080}, {ContainerPort: 8443}},
				}}},
			},
		},
	}
	create(t, deployment)
	t.Cleanup(func() { scale(t, deployment, 0) })
	eventually(t, timeout, "it has a pod", hasReplicas(deployment, 1))

	return deployment
}

// scale sets how many pods a Deployment shall have, and waits until it has them.
func scale(t *testing.T, deployment *appsv1.Deployment, replicas int32) {
	t.Helper()

	ctx := context.WithoutCancel(t.Context())
	patch := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas))

	if err := admin.Patch(ctx, deployment, patch); err != nil {
		t.Fatal(err)
	}

	if t.Context().Err() == nil {
		eventually(t, timeout, "it has its pods", hasReplicas(deployment, replicas))
	}
}

// hasReplicas returns nil when a Deployment has a number of pods. No kubelet runs them: they stay Pending.
func hasReplicas(deployment *appsv1.Deployment, want int32) func(context.Context) error {
	return func(ctx context.Context) error {
		err := admin.Get(ctx, client.ObjectKeyFromObject(deployment), deployment)
		if err == nil && deployment.Status.Replicas != want {
			err = fmt.Errorf("it has %d", deployment.Status.Replicas)
		}

		return err
	}
}

// KubeSphere's own manager runs without election unless told otherwise, so nothing but its Deployment tells that it
// writes to the same objects.
func TestOriginalWithoutElection(t *testing.T) {
	widgetController, watched := widgets()
	catalog := manager.Catalog{tenants(t), widgetController}

	withGadgets(t)

	deployment := installOriginal(t)
	started := start(t, catalog)
	others := watchBystander(t, started, watched)

	object := gadget("of-two-managers", "a")
	create(t, object)

	row := started.waitFor(t, "tenant", manager.Waiting, manager.ReasonOriginalRunning)
	for _, want := range []string{
		"Deployment " + client.ObjectKeyFromObject(deployment).String(), originalImage, "without leader election",
		"kubectl -n kubesphere-system scale deployment ks-controller-manager --replicas=0",
	} {
		if !strings.Contains(row.Message, want) {
			t.Errorf("the message does not say %q: %q", want, row.Message)
		}
	}

	always(t, quiet, "it leaves the object alone", func(ctx context.Context) error {
		if observed(ctx, object) == nil {
			return errors.New("it writes")
		}

		return nil
	})

	scale(t, deployment, 0)
	started.waitFor(t, "tenant", manager.Running, manager.ReasonRunning)
	eventually(t, timeout, "it works", func(ctx context.Context) error { return observed(ctx, object) })

	scale(t, deployment, 1)
	started.waitFor(t, "tenant", manager.Waiting, manager.ReasonOriginalRunning)

	scale(t, deployment, 0)

	row = started.waitFor(t, "tenant", manager.Running, manager.ReasonRunning)
	if row.Starts != 2 || row.Restarts != 0 {
		t.Errorf("it was started %d times, %d of them after a failure", row.Starts, row.Restarts)
	}

	others.check(t)
}

// An original with election holds the Lease that ours waits for.
func TestOriginalWithElection(t *testing.T) {
	widgetController, watched := widgets()
	catalog := manager.Catalog{tenants(t), widgetController}

	withGadgets(t)
	seize(t, manager.Tenancy, "ks-controller-manager-6d9c_0a1b")

	deployment := installOriginal(t, "--leader-elect=true")
	started := start(t, catalog)
	others := watchBystander(t, started, watched)

	object := gadget("of-two-managers", "a")
	create(t, object)

	row := started.waitFor(t, "tenant", manager.Standby, manager.ReasonNotLeader)
	eventually(t, timeout, "the message names the holder and the Deployment", func(ctx context.Context) error {
		var err error

		row, err = started.row(ctx, "tenant")
		for _, want := range []string{
			"is held by ks-controller-manager-6d9c_0a1b",
			"Deployment " + client.ObjectKeyFromObject(deployment).String(), originalImage, "with leader election",
		} {
			if err == nil && !strings.Contains(row.Message, want) {
				err = fmt.Errorf("it does not say %q: %q", want, row.Message)
			}
		}

		return err
	})

	others.check(t)

	// It lets go as client-go does, while its Deployment stays.
	letGo := client.RawPatch("application/merge-patch+json",
		[]byte(`{"spec":{"holderIdentity":"","leaseDurationSeconds":1}}`))
	if err := admin.Patch(t.Context(), leaseOf(manager.Tenancy), letGo); err != nil {
		t.Fatal(err)
	}

	eventually(t, handover, "ours has taken over", started.works)
	eventually(t, timeout, "it works", func(ctx context.Context) error { return observed(ctx, object) })
	others.check(t)
}

// Ours may be installed under the name of the original.
func TestOursIsNotTheOriginal(t *testing.T) {
	catalog := manager.Catalog{tenants(t)}

	withGadgets(t)

	deployment := installOriginal(t)
	started := start(t, catalog)
	started.waitFor(t, "tenant", manager.Waiting, manager.ReasonOriginalRunning)

	mark := fmt.Appendf(nil, `{"spec":{"template":{"metadata":{"annotations":{%q:%q}}}}}`,
		original.Mark, original.MarkValue)
	if err := admin.Patch(t.Context(), deployment, client.RawPatch("application/merge-patch+json", mark)); err != nil {
		t.Fatal(err)
	}

	started.waitFor(t, "tenant", manager.Running, manager.ReasonRunning)

	if err := started.stop(); err != nil {
		t.Fatal(err)
	}

	again := start(t, catalog)
	again.waitFor(t, "tenant", manager.Running, manager.ReasonRunning)
}
