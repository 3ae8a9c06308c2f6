package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/manager/original"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/cleanup"
)

const (
	// pageSize is how many objects are asked for at a time.
	pageSize = 500

	// cleanupWorkers is how many objects are changed at a time.
	cleanupWorkers = 8

	// cleanupTries is how often an object is looked at anew that somebody changes meanwhile.
	cleanupTries = 5
)

// cleaner finds traces in a cluster and removes them.
type cleaner struct {
	client client.Client
	kinds  func() ([]cleanup.Kind, error)
	clock  clock.PassiveClock
}

// newCleaner makes one that is held back by the API server alone.
func newCleaner(config *rest.Config) (*cleaner, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1

	live, err := client.New(config, client.Options{Scheme: clientgoscheme.Scheme})
	if err != nil {
		return nil, fmt.Errorf("cannot reach the API server at %s: %w", config.Host, err)
	}

	served, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", config.Host, err)
	}

	return &cleaner{
		client: live, clock: clock.RealClock{},
		kinds: func() ([]cleanup.Kind, error) { return servedKinds(served) },
	}, nil
}

// servedKinds finds which of the kinds that can have traces the cluster serves. A kind that is missing has none.
func servedKinds(served discovery.DiscoveryInterface) ([]cleanup.Kind, error) {
	groups, err := served.ServerGroups()
	if err != nil {
		return nil, fmt.Errorf("ask the API server which groups it serves: %w", err)
	}

	var kinds []cleanup.Kind

	for _, group := range groups.Groups {
		native, isNative := cleanup.Native()[group.Name]
		if !isNative && !slices.Contains(cleanup.Groups(), group.Name) {
			continue
		}

		resources, err := served.ServerResourcesForGroupVersion(group.PreferredVersion.GroupVersion)
		if err != nil {
			return nil, fmt.Errorf("ask the API server which kinds it serves in %s: %w",
				group.PreferredVersion.GroupVersion, err)
		}

		for _, resource := range resources.APIResources {
			isWanted := !isNative || slices.Contains(native, resource.Name)
			// Of a kind whose definition is being deleted discovery names neither create nor patch; objects that hang
			// there are what cleanup is for, and patching them works.
			if isWanted && slices.Contains(resource.Verbs, "list") && slices.Contains(resource.Verbs, "delete") {
				kinds = append(kinds, cleanup.Kind{Resource: resource.Name, GroupVersionKind: schema.GroupVersionKind{
					Group: group.Name, Version: group.PreferredVersion.Version, Kind: resource.Kind,
				}})
			}
		}
	}

	return kinds, nil
}

// guards tells of managers that run: ours, or the original, by their Lease, and an original without one by its
// Deployment.
func (c *cleaner) guards(ctx context.Context, namespace string) ([]string, error) {
	var guards []string

	for _, domain := range manager.Domains() {
		lease := &coordinationv1.Lease{}

		err := c.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: manager.LeaseName(domain)}, lease)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("look whether a manager runs: %w", err)
		}

		if holder := holderOf(lease, c.clock.Now()); err == nil && holder != "" {
			guards = append(guards, fmt.Sprintf("%s holds Lease %s/%s", holder, namespace, lease.Name))
		}
	}

	deployment := &appsv1.Deployment{}

	err := c.client.Get(ctx, client.ObjectKey{Namespace: original.Namespace, Name: original.Name}, deployment)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("look whether a manager runs: %w", err)
	}

	if finding, runs := original.Find(deployment); err == nil && runs {
		guards = append(guards, finding.Message())
	}

	return guards, nil
}

// holderOf returns who holds a Lease that has not run out.
func holderOf(lease *coordinationv1.Lease, now time.Time) string {
	spec := lease.Spec
	if spec.HolderIdentity == nil || spec.RenewTime == nil || spec.LeaseDurationSeconds == nil {
		return ""
	}

	if spec.RenewTime.Add(time.Duration(*spec.LeaseDurationSeconds) * time.Second).Before(now) {
		return ""
	}

	return *spec.HolderIdentity
}

// plan looks at everything that can have traces, page by page: of ten thousand namespaces little is kept.
func (c *cleaner) plan(ctx context.Context, options cleanup.Options) ([]cleanup.Step, error) {
	kinds, err := c.kinds()
	if err != nil {
		return nil, err
	}

	var steps []cleanup.Step

	for _, kind := range kinds {
		found, err := c.planKind(ctx, kind, options)
		if err != nil {
			return nil, err
		}

		steps = append(steps, found...)
	}

	found, err := c.planLeases(ctx, options)
	steps = append(steps, found...)
	cleanup.Sort(steps)

	return steps, err
}

func (c *cleaner) planKind(
	ctx context.Context, kind cleanup.Kind, options cleanup.Options,
) ([]cleanup.Step, error) {
	var (
		steps    []cleanup.Step
		page     = &metav1.PartialObjectMetadataList{}
		selector = client.MatchingLabelsSelector{Selector: kind.Selector()}
	)

	for {
		continued := page.Continue
		page = &metav1.PartialObjectMetadataList{}
		page.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))

		err := c.client.List(ctx, page, selector, client.Limit(pageSize), client.Continue(continued))
		if apierrors.IsNotFound(err) {
			return nil, nil // its definition has gone meanwhile
		}

		if err != nil {
			return nil, fmt.Errorf("list %s: %w", kind, err)
		}

		for i := range page.Items {
			// A copy, or the few that are kept would keep the whole page.
			if step, needed := cleanup.StepFor(kind, page.Items[i].DeepCopy(), options); needed {
				steps = append(steps, step)
			}
		}

		if page.Continue == "" {
			return steps, nil
		}
	}
}

// planLeases looks for the Leases by their names: a cluster has one for each node.
func (c *cleaner) planLeases(ctx context.Context, options cleanup.Options) ([]cleanup.Step, error) {
	kind := cleanup.Kind{
		GroupVersionKind: coordinationv1.SchemeGroupVersion.WithKind("Lease"), Resource: "leases",
	}

	var steps []cleanup.Step

	for _, name := range options.Leases {
		lease, err := c.read(ctx, kind, name)
		if apierrors.IsNotFound(err) {
			continue
		}

		if err != nil {
			return nil, fmt.Errorf("look for Lease %s: %w", name, err)
		}

		if step, needed := cleanup.StepFor(kind, lease, options); needed {
			steps = append(steps, step)
		}
	}

	return steps, nil
}

func (c *cleaner) read(
	ctx context.Context, kind cleanup.Kind, key client.ObjectKey,
) (*metav1.PartialObjectMetadata, error) {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(kind.GroupVersionKind)

	err := c.client.Get(ctx, key, object)

	return object, err
}

// performAll takes the steps of one phase, several at a time.
func (c *cleaner) performAll(ctx context.Context, rows []cleanupRow, unfree string, options cleanup.Options) {
	var group errgroup.Group

	group.SetLimit(cleanupWorkers)

	for i := range rows {
		row := &rows[i]

		if unfree != "" && row.LetsWorkspaceGo() {
			row.Result, row.Error = resultSkipped, unfree+" would be deleted with it; see there"

			continue
		}

		group.Go(func() error {
			row.Result = resultDone

			if err := c.performOne(ctx, row.Step, options); err != nil {
				row.Result, row.Error = resultFailed, err.Error()
			}

			return nil // each row has its own
		})
	}

	_ = group.Wait()
}

// performOne changes one object. When somebody else does so meanwhile, it is looked at anew.
func (c *cleaner) performOne(ctx context.Context, step cleanup.Step, options cleanup.Options) error {
	for try := 1; ; try++ {
		err := c.change(ctx, step)
		if !apierrors.IsConflict(err) || try == cleanupTries {
			return err
		}

		key := client.ObjectKey{Namespace: step.Namespace, Name: step.Name}

		object, err := c.read(ctx, step.Kind, key)
		if err != nil {
			return client.IgnoreNotFound(err)
		}

		again, needed := cleanup.StepFor(step.Kind, object, options)
		if !needed {
			return nil
		}

		step = again
	}
}

// change takes off an object what is to be taken off, and deletes it where that is due. What is gone is done.
func (c *cleaner) change(ctx context.Context, step cleanup.Step) error {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(step.Kind.GroupVersionKind)
	object.Namespace, object.Name = step.Namespace, step.Name

	patch, err := step.Patch()
	if err != nil {
		return err
	}

	if patch != nil {
		err = c.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch))
		if err != nil {
			return client.IgnoreNotFound(err)
		}
	}

	if !step.Delete {
		return nil
	}

	same := client.Preconditions(step.Same())

	return client.IgnoreNotFound(c.client.Delete(ctx, object, &same))
}
