package stores

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
)

// lateWatch has one more event when it was told to stop, as a stream has that breaks off by that.
type lateWatch struct {
	events chan watch.Event
	stop   func()
}

func newLateWatch() *lateWatch {
	made := &lateWatch{events: make(chan watch.Event)}
	made.stop = sync.OnceFunc(func() {
		go func() {
			defer close(made.events)

			made.events <- watch.Event{Type: watch.Error, Object: &metav1.Status{}}
		}()
	})

	return made
}

func (w *lateWatch) ResultChan() <-chan watch.Event { return w.events }

func (w *lateWatch) Stop() { w.stop() }

// The filter is what controller-runtime puts around watches of metadata. A goroutine that waits for good fails the
// test.
func TestWatchesAreDrained(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &toolscache.ListWatch{
			ListWithContextFunc: func(context.Context, metav1.ListOptions) (runtime.Object, error) {
				return &corev1.ConfigMapList{}, nil
			},
			WatchFuncWithContext: func(context.Context, metav1.ListOptions) (watch.Interface, error) {
				pass := func(event watch.Event) (watch.Event, bool) { return event, true }

				return watch.Filter(newLateWatch(), pass), nil
			},
		}

		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})

		go func() {
			defer close(ended)

			newInformer(source, &corev1.ConfigMap{}, 0, nil).RunWithContext(ctx)
		}()

		synctest.Wait()
		cancel()
		<-ended
	})
}
