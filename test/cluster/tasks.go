package cluster

import (
	"context"
	"sync"
)

// tasks are the goroutines of a cluster. They outlive the calls that start them and end with the cluster.
type tasks struct {
	group sync.WaitGroup

	mutex   sync.Mutex
	cancels []context.CancelFunc
}

// run starts work with a context that keeps the values of ctx and ends at stop.
func (t *tasks) run(ctx context.Context, work func(context.Context)) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))

	t.mutex.Lock()
	defer t.mutex.Unlock()

	t.cancels = append(t.cancels, cancel)
	t.group.Go(func() { work(ctx) })
}

// stop ends all work and waits for it.
func (t *tasks) stop() {
	t.mutex.Lock()
	for _, cancel := range t.cancels {
		cancel()
	}
	t.mutex.Unlock()

	t.group.Wait()
}
