package stores

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
)

// newInformer makes an informer whose watches are drained.
func newInformer(
	source toolscache.ListerWatcher, object runtime.Object, resync time.Duration, indexers toolscache.Indexers,
) toolscache.SharedIndexInformer {
	if listWatch, isPlain := source.(*toolscache.ListWatch); isPlain && listWatch.WatchFuncWithContext != nil {
		open := listWatch.WatchFuncWithContext

		listWatch.WatchFuncWithContext = func(
			ctx context.Context, options metav1.ListOptions,
		) (watch.Interface, error) {
			opened, err := open(ctx, options)
			if err != nil {
				return nil, err
			}

			return drained{opened}, nil
		}
	}

	return toolscache.NewSharedIndexInformer(source, object, resync, indexers)
}

// drained is a watch that has a reader until its end. The filter that controller-runtime puts around watches of
// metadata would otherwise wait for good with what arrives when the informer has stopped reading, which is most
// often the news that the watch has ended.
type drained struct{ watch.Interface }

// Stop implements watch.Interface.
func (d drained) Stop() {
	d.Interface.Stop()

	go func() {
		for range d.ResultChan() {
		}
	}()
}
