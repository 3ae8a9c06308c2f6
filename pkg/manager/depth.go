package manager

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// forgetDepth takes the depth of a controller's queue off the metrics. controller-runtime leaves there what was
// queued when a queue was shut down, and the queue of the controller's next life would count on from that.
func forgetDepth(controller string) error {
	depth, err := queueDepth()
	if err == nil {
		depth.DeletePartialMatch(prometheus.Labels{labelController: controller})
	}

	return err
}

// queueDepth returns controller-runtime's own gauge, which only its registry hands out: to whoever comes with one
// that looks the same.
func queueDepth() (*prometheus.GaugeVec, error) {
	same := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Subsystem: metrics.WorkQueueSubsystem, Name: metrics.DepthKey,
		Help: "Current depth of workqueue by workqueue and priority",
	}, []string{"name", labelController, "priority"})

	err := metrics.Registry.Register(same)
	if err == nil {
		metrics.Registry.Unregister(same)

		return nil, errors.New("find the depth of the work queues: there is no such metric")
	}

	if taken, isTaken := errors.AsType[prometheus.AlreadyRegisteredError](err); isTaken {
		if depth, isGauge := taken.ExistingCollector.(*prometheus.GaugeVec); isGauge {
			return depth, nil
		}
	}

	return nil, fmt.Errorf("find the depth of the work queues: %w", err)
}
