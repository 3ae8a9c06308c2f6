package scale

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

// census counts the objects of all kinds that can be listed, and those that the manager has made among them.
func census(ctx context.Context, config *rest.Config) (all, made map[string]int, err error) {
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("making a client: %w", err)
	}

	objects, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("making a client: %w", err)
	}

	resources, err := listable(kinds)
	if err != nil {
		return nil, nil, err
	}

	all, made = map[string]int{}, map[string]int{}

	for _, resource := range resources {
		name := resource.GroupResource().String()
		if err := countAll(ctx, objects.Resource(resource), name, all, made); err != nil {
			return nil, nil, err
		}
	}

	return all, made, nil
}

// listable are the resources that can be listed, each in one version. Events are no state.
func listable(kinds discovery.ServerResourcesInterface) ([]schema.GroupVersionResource, error) {
	served, err := kinds.ServerPreferredResources()
	if err != nil {
		return nil, fmt.Errorf("asking for the kinds that are served: %w", err)
	}

	var resources []schema.GroupVersionResource

	for _, list := range served {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, fmt.Errorf("reading the kinds that are served: %w", err)
		}

		for _, resource := range list.APIResources {
			if slices.Contains(resource.Verbs, "list") && resource.Name != "events" {
				resources = append(resources, version.WithResource(resource.Name))
			}
		}
	}

	return resources, nil
}

func countAll(ctx context.Context, objects metadata.Getter, name string, all, made map[string]int) error {
	page := metav1.ListOptions{Limit: pageSize}

	for {
		list, err := objects.List(ctx, page)
		if err != nil {
			return err
		}

		for i := range list.Items {
			all[name]++

			if list.Items[i].Labels["app.kubernetes.io/managed-by"] == kube.ManagerName {
				made[name]++
			}
		}

		page.Continue = list.Continue
		if page.Continue == "" {
			return nil
		}
	}
}
