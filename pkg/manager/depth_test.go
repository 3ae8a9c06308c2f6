package manager

import (
	"context"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// depths returns the depth of the queues by controller, as the metrics tell it.
func depths(t *testing.T) map[string]float64 {
	t.Helper()

	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}

	depths := map[string]float64{}

	for _, family := range families {
		if family.GetName() != "workqueue_depth" {
			continue
		}

		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "controller" {
					depths[label.GetValue()] += metric.GetGauge().GetValue()
				}
			}
		}
	}

	return depths
}

// The queue of a controller that ends while objects wait. controller-runtime leaves their number in its metrics; a
// new release of it that does no longer, or that calls its metric otherwise, is noticed here.
func TestForgetDepth(t *testing.T) {
	for _, name := range []string{"depth-ends", "depth-stays"} {
		leaveQueued(t, name, 3)

		if depth := depths(t)[name]; depth != 3 {
			t.Fatalf("%s: %g are left, want 3: is there nothing to forget any more?", name, depth)
		}
	}

	if err := forgetDepth("depth-ends"); err != nil {
		t.Fatal(err)
	}

	left := depths(t)
	if _, found := left["depth-ends"]; found || left["depth-stays"] == 0 {
		t.Errorf("depths: %v", left)
	}

	// The next life counts from zero.
	leaveQueued(t, "depth-ends", 1)

	if depth := depths(t)["depth-ends"]; depth != 1 {
		t.Errorf("depth %g, want 1", depth)
	}

	for _, name := range []string{"depth-ends", "depth-stays", "never-was"} {
		if err := forgetDepth(name); err != nil {
			t.Error(err)
		}
	}
}

// workQueue is what a source fills.
type workQueue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// leaveQueued runs a controller until it ends with objects that wait.
func leaveQueued(t *testing.T, name string, objects int) {
	t.Helper()

	queues := make(chan workQueue, 1)
	ctx, cancel := context.WithCancel(t.Context())
	options := controller.Options{
		SkipNameValidation: new(true),
		Reconciler: reconcile.Func(func(context.Context, reconcile.Request) (reconcile.Result, error) {
			queue := <-queues

			until(func() bool { return queue.Len() == objects })
			cancel()
			until(queue.ShuttingDown) // or the next one would be taken

			return reconcile.Result{}, nil
		}),
	}

	running, err := controller.NewUnmanaged(name, options)
	if err != nil {
		t.Fatal(err)
	}

	if err := running.Watch(source.Func(func(_ context.Context, queue workQueue) error {
		for i := range objects + 1 {
			request := reconcile.Request{}
			request.Name = strings.Repeat("x", i+1)
			queue.Add(request)
		}

		queues <- queue

		return nil
	})); err != nil {
		t.Fatal(err)
	}

	if err := running.Start(ctx); err != nil {
		t.Fatal(err)
	}
}

// until waits for a condition that is about to hold.
func until(holds func() bool) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()

	for !holds() {
		<-tick.C
	}
}
