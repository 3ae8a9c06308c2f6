package agent

import (
	"context"
	"fmt"
	"slices"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// Watch is the objects of a cluster that a selector chooses. Where the definition of the kind is missing it waits for
// it, and what it has seen stays when the API server is away.
type Watch struct {
	informer cache.SharedIndexInformer
	changes  chan struct{}
}

// NewWatch returns a watch of one namespace, or of all with an empty one.
func NewWatch(config *rest.Config, namespace string, selector labels.Selector) (*Watch, error) {
	client, err := clientFor(config)
	if err != nil {
		return nil, err
	}

	source := cache.NewFilteredListWatchFromClient(client, monitoringv1.PrometheusRuleName, namespace,
		func(options *metav1.ListOptions) { options.LabelSelector = selector.String() })
	watch := &Watch{
		informer: cache.NewSharedIndexInformer(source, &monitoringv1.PrometheusRule{}, 0, cache.Indexers{}),
		changes:  make(chan struct{}, 1),
	}

	if err := watch.informer.SetTransform(slim); err != nil {
		return nil, fmt.Errorf("watch PrometheusRules: %w", err)
	}

	_, err = watch.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { watch.changed() },
		UpdateFunc: func(any, any) { watch.changed() },
		DeleteFunc: func(any) { watch.changed() },
	})
	if err != nil {
		return nil, fmt.Errorf("watch PrometheusRules: %w", err)
	}

	return watch, nil
}

func clientFor(config *rest.Config) (*rest.RESTClient, error) {
	scheme := runtime.NewScheme()
	if err := monitoringv1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register PrometheusRules: %w", err)
	}

	metav1.AddToGroupVersion(scheme, metav1.SchemeGroupVersion)

	config = rest.CopyConfig(config)
	config.GroupVersion = &monitoringv1.SchemeGroupVersion
	config.APIPath = "/apis"
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()

	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", config.Host, err)
	}

	return client, nil
}

// slim drops what is not looked at. It may be large.
func slim(object any) (any, error) {
	if rule, is := object.(*monitoringv1.PrometheusRule); is {
		rule.ManagedFields, rule.Annotations = nil, nil
	}

	return object, nil
}

// changed leaves a note that something has changed, if none lies there.
func (w *Watch) changed() {
	select {
	case w.changes <- struct{}{}:
	default:
	}
}

// Changes says that something has changed.
func (w *Watch) Changes() <-chan struct{} { return w.changes }

// Run goes on until the context ends.
func (w *Watch) Run(ctx context.Context) { w.informer.RunWithContext(ctx) }

// Wait returns when all objects have been seen once.
func (w *Watch) Wait(ctx context.Context) error {
	if !cache.WaitForCacheSync(ctx.Done(), w.informer.HasSynced) {
		return fmt.Errorf("the PrometheusRules could not be listed in time: %w; check that the kind is installed and "+
			"that this account may list and watch it", context.Cause(ctx))
	}

	return nil
}

// Rules are the objects as they were seen last.
func (w *Watch) Rules() []*monitoringv1.PrometheusRule {
	objects := w.informer.GetStore().List()
	rules := make([]*monitoringv1.PrometheusRule, 0, len(objects))

	for _, object := range objects {
		// One that is on its way out still counts until it is gone.
		if rule, is := object.(*monitoringv1.PrometheusRule); is {
			rules = append(rules, rule)
		}
	}

	return slices.Clip(rules)
}
