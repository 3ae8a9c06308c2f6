package install_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/controllers"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// held keeps a pod until its process has ended, as a kubelet does.
const held = "install.example.com/process"

// node stands in for the nodes of a cluster: while pods of the Deployment are there it runs one manager, in this
// process and as their ServiceAccount, and says of the pods what their probes would.
type node struct {
	running *process
}

// process is a manager.
type process struct {
	probes string
	cancel context.CancelFunc
	done   chan error
}

func startNode(t *testing.T) {
	t.Helper()

	// The test's own context ends before its clean-up, which may need the manager.
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	started := &node{}

	var done sync.WaitGroup

	done.Go(func() {
		wait.UntilWithContext(ctx, func(ctx context.Context) {
			if err := started.step(ctx); err != nil && ctx.Err() == nil {
				t.Logf("node: %v", err) // it is tried again
			}
		}, 50*time.Millisecond)
	})

	t.Cleanup(func() {
		cancel()
		done.Wait()

		if err := started.stop(); err != nil {
			t.Errorf("the manager ended with an error: %v", err)
		}
	})
}

// step looks at the pods once.
func (n *node) step(ctx context.Context) error {
	pods := &corev1.PodList{}

	err := admin.List(ctx, pods, client.InNamespace(accountNamespace), client.MatchingLabels{"app": accountName})
	if err != nil {
		return fmt.Errorf("list the pods: %w", err)
	}

	isWanted := slices.ContainsFunc(pods.Items, func(pod corev1.Pod) bool { return pod.DeletionTimestamp.IsZero() })
	if !isWanted {
		if err := n.stop(); err != nil {
			return fmt.Errorf("the manager ended with an error: %w", err)
		}
	}

	for i := range pods.Items {
		if err := n.serve(ctx, &pods.Items[i]); err != nil {
			return fmt.Errorf("pod %s: %w", pods.Items[i].Name, err)
		}
	}

	return nil
}

// serve brings one pod on its way.
func (n *node) serve(ctx context.Context, pod *corev1.Pod) error {
	before := client.MergeFrom(pod.DeepCopy())

	switch {
	case !pod.DeletionTimestamp.IsZero():
		if n.running != nil || len(pod.Finalizers) == 0 {
			return nil // another pod needs it
		}

		pod.Finalizers = slices.DeleteFunc(pod.Finalizers, func(name string) bool { return name == held })

		return client.IgnoreNotFound(admin.Patch(ctx, pod, before))
	case !slices.Contains(pod.Finalizers, held):
		pod.Finalizers = append(pod.Finalizers, held)

		return admin.Patch(ctx, pod, before)
	case n.running == nil:
		return n.start(ctx)
	case pod.Status.Phase == corev1.PodRunning || !n.running.isReady(ctx):
		return nil
	}

	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{
		{Type: corev1.ContainersReady, Status: corev1.ConditionTrue}, {Type: corev1.PodReady, Status: corev1.ConditionTrue},
	}

	return admin.Status().Patch(ctx, pod, before)
}

// start runs a manager with the flags of the Deployment.
func (n *node) start(ctx context.Context) error {
	account, err := shared.ServiceAccountConfig(ctx, accountNamespace, accountName)
	if err != nil {
		return err
	}

	gates, err := features.New()
	if err != nil {
		return fmt.Errorf("make the gates: %w", err)
	}

	catalog := controllers.Catalog()

	selection, err := manager.Select(catalog, []string{"*"}, nil)
	if err != nil {
		return err
	}

	probes, err := freeAddress(ctx)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	n.running = &process{probes: probes, cancel: cancel, done: make(chan error, 1)}

	go func(done chan<- error) {
		done <- manager.Run(ctx, manager.Config{
			Name: accountName, Version: "test", REST: account, Catalog: catalog, Selection: selection, Gates: gates,
			Diagnostics: manager.Diagnostics{Address: "0"}, ProbeAddress: probes,
			LeaderElection: manager.LeaderElection{
				Enabled: true, Namespace: accountNamespace,
				LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second,
			},
		})
	}(n.running.done)

	return nil
}

// stop ends the manager and waits for its end.
func (n *node) stop() error {
	if n.running == nil {
		return nil
	}

	n.running.cancel()
	err := <-n.running.done
	n.running = nil

	return err
}

// isReady asks the probe that the Deployment names.
func (p *process) isReady(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.probes+"/readyz", http.NoBody)
	if err != nil {
		return false
	}

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}

	defer func() { _ = response.Body.Close() }()

	return response.StatusCode == http.StatusOK
}

// freeAddress returns an address that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}

	defer func() { _ = listener.Close() }()

	return listener.Addr().String(), nil
}
