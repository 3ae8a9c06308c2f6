package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/yaml"

	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// cogs kinds come and go side by side, rounds times each: a hundred cycles in all.
const (
	cogs   = 4
	rounds = 25
)

// cog is a kind that comes and goes, with its controller, which holds each object with a finalizer.
type cog struct {
	kind     schema.GroupVersionKind
	resource string
}

func newCog(number int) cog {
	return cog{kind: groupVersion.WithKind(fmt.Sprintf("Cog%d", number)), resource: fmt.Sprintf("cog%ds", number)}
}

func (c cog) definition() string { return c.resource + "." + c.kind.Group }

func (c cog) descriptor() manager.Descriptor {
	return manager.Descriptor{
		Name: strings.ToLower(c.kind.Kind), Domain: manager.Edge, Summary: "Holds each object.",
		Gate:     features.Workspace, // any gate that is on
		Requires: []manager.Required{{GroupVersionKind: c.kind, Revision: revision}},
		Caches:   []manager.Cached{{Kind: c.kind, Resource: c.resource, Depth: manager.MetadataOnly}},
		Writes: []rbacv1.PolicyRule{{
			APIGroups: []string{c.kind.Group}, Resources: []string{c.resource}, Verbs: []string{"patch"},
		}},
		New: func(dependencies manager.Dependencies) (*manager.Controller, error) {
			return &manager.Controller{
				Reconciler: &cogReconciler{cog: c, client: dependencies.Client},
				Watches: []manager.Watch{{
					Object: manager.MetadataOf(c.kind), Handler: &handler.EnqueueRequestForObject{},
				}},
				Indexes: []manager.Index{{
					Object: manager.MetadataOf(c.kind), Field: "name",
					Value: func(object client.Object) []string { return []string{object.GetName()} },
				}},
			}, nil
		},
	}
}

// cogReconciler holds each object with a finalizer.
type cogReconciler struct {
	cog    cog
	client client.Client
}

// Reconcile implements reconcile.Reconciler.
func (r *cogReconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	found := &metav1.PartialObjectMetadataList{}
	found.SetGroupVersionKind(r.cog.kind)

	if err := r.client.List(ctx, found, client.MatchingFields{"name": request.Name}); err != nil {
		return reconcile.Result{}, fmt.Errorf("find it: %w", err)
	}

	if len(found.Items) == 0 {
		return reconcile.Result{}, nil
	}

	object := &found.Items[0]
	if !object.DeletionTimestamp.IsZero() {
		_, err := kube.RemoveFinalizers(ctx, r.client, object, finalizer)

		return kube.Result(err)
	}

	_, err := kube.AddFinalizer(ctx, r.client, object, finalizer)

	return kube.Result(err)
}

// apply installs the definition: that of gadgets under other names.
func (c cog) apply(ctx context.Context, revision string) error {
	content, err := os.ReadFile("testdata/gadgets.yaml")
	if err != nil {
		return fmt.Errorf("read the definition: %w", err)
	}

	text := strings.NewReplacer("gadgets", c.resource, "gadget", strings.ToLower(c.kind.Kind), "Gadget", c.kind.Kind,
		`schema-revision: "2"`, fmt.Sprintf("schema-revision: %q", revision)).Replace(string(content))

	definition := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &definition.Object); err != nil {
		return fmt.Errorf("parse the definition: %w", err)
	}

	return admin.Apply(ctx, client.ApplyConfigurationFromUnstructured(definition),
		client.FieldOwner("test"), client.ForceOwnership)
}

// cycle lets the kind come with an object that the controller holds, makes its definition an old one every fourth
// time, and takes it away. An API server takes five seconds over a definition that still has objects, so only every
// tenth time the object is left to that.
func (c cog) cycle(ctx context.Context, started *running, round int) error {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(c.kind)
	object.SetName(fmt.Sprintf("round-%d", round))

	name := strings.ToLower(c.kind.Kind)
	steps := []func(context.Context) error{
		func(ctx context.Context) error { return c.apply(ctx, "2") },
		func(ctx context.Context) error {
			return client.IgnoreAlreadyExists(admin.Create(ctx, object.DeepCopy()))
		},
		func(ctx context.Context) error { return held(ctx, object) },
	}

	if round%4 == 0 {
		steps = append(steps,
			func(ctx context.Context) error { return c.apply(ctx, "1") },
			func(ctx context.Context) error { return started.stands(ctx, name, manager.ReasonCRDOutdated) },
			func(ctx context.Context) error { return c.apply(ctx, "2") },
			func(ctx context.Context) error { return started.stands(ctx, name, manager.ReasonRunning) },
		)
	}

	if round%10 != 0 {
		steps = append(steps,
			func(ctx context.Context) error { return client.IgnoreNotFound(admin.Delete(ctx, object.DeepCopy())) },
			func(ctx context.Context) error { return gone(ctx, object.DeepCopy()) },
		)
	}

	steps = append(steps,
		func(ctx context.Context) error { return deleteDefinition(ctx, c.definition()) },
		func(ctx context.Context) error { return gone(ctx, definitions.Reference(c.definition())) },
		func(ctx context.Context) error { return started.stands(ctx, name, manager.ReasonCRDMissing) },
	)

	for i, step := range steps {
		if err := until(ctx, step); err != nil {
			return fmt.Errorf("%s, round %d, step %d: %w", name, round, i, err)
		}
	}

	return nil
}

// held returns nil when the controller holds the object.
func held(ctx context.Context, object *unstructured.Unstructured) error {
	seen := object.DeepCopy()
	if err := admin.Get(ctx, client.ObjectKeyFromObject(object), seen); err != nil {
		return fmt.Errorf("read it: %w", err)
	}

	if len(seen.GetFinalizers()) == 0 {
		return errors.New("it is not held")
	}

	return nil
}

// stands returns nil when a controller is where it is for this reason.
func (r *running) stands(ctx context.Context, name, reason string) error {
	row, err := r.row(ctx, name)
	if err == nil && row.Reason != reason {
		err = fmt.Errorf("it is %s for %s: %s", row.State, row.Reason, row.Message)
	}

	return err
}

// until repeats a step until it is done.
func until(ctx context.Context, step func(context.Context) error) error {
	var last error

	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, timeout, true,
		func(ctx context.Context) (bool, error) {
			last = step(ctx)

			return last == nil, nil
		})
	if err != nil {
		return fmt.Errorf("%w: %w", err, last)
	}

	return nil
}

// What a controller leaves behind at each of its ends adds up in a process that lives for months: handlers,
// informers, watches, goroutines, series of metrics.
func TestHundredCyclesLeaveNothingBehind(t *testing.T) {
	widgetController, watched := widgets()
	catalog := manager.Catalog{widgetController}
	kinds := make([]cog, 0, cogs)

	for number := range cogs {
		kinds = append(kinds, newCog(number))
		catalog = append(catalog, kinds[number].descriptor())

		t.Cleanup(func() {
			if err := deleteDefinition(context.WithoutCancel(t.Context()), kinds[number].definition()); err != nil {
				t.Error(err)
			}
		})
	}

	grantFor(t, catalog.OfDomain(manager.Edge))

	started := start(t, catalog)
	others := watchBystander(t, started, watched)

	// The first cycles fill what is kept for good: metrics by controller, pools, types.
	const warmUp = 2

	cycleAll(t, started, kinds, 0, warmUp)

	before := measure(t)

	cycleAll(t, started, kinds, warmUp, warmUp+rounds)

	after := measure(t)
	t.Logf("%d cycles: goroutines %d -> %d, heap %d -> %d KiB", cogs*rounds,
		before.goroutines, after.goroutines, before.heap/1024, after.heap/1024)
	before.compare(t, after)

	for _, kind := range kinds {
		row, err := started.row(t.Context(), strings.ToLower(kind.kind.Kind))
		if err != nil || row.Restarts != 0 || row.Starts < rounds {
			t.Errorf("something failed on the way: %+v, %v", row, err)
		}
	}

	others.check(t)
}

// cycleAll lets all kinds come and go side by side.
func cycleAll(t *testing.T, started *running, kinds []cog, from, to int) {
	t.Helper()

	group, ctx := errgroup.WithContext(t.Context())

	for _, kind := range kinds {
		group.Go(func() error {
			for round := from; round < to; round++ {
				if err := kind.cycle(ctx, started, round); err != nil {
					return err
				}
			}

			return nil
		})
	}

	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// grantFor gives the account what the controllers need of a domain, until the test ends.
func grantFor(t *testing.T, catalog manager.Catalog) {
	t.Helper()

	role := manager.RoleName(catalog[0].Domain)
	if err := grant(t.Context(), role, catalog.Rules()); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		gadget, _ := gadgets()
		if err := grant(context.WithoutCancel(t.Context()), role, manager.Catalog{gadget}.Rules()); err != nil {
			t.Error(err)
		}
	})
}

// footprint is what a process holds.
type footprint struct {
	goroutines int
	heap       uint64 // bytes in use after a collection
}

// measure takes the footprint once what is ending has ended: the smallest of the last moments.
func measure(t *testing.T) footprint {
	t.Helper()

	smallest := footprint{goroutines: runtime.NumGoroutine()}

	always(t, 2*time.Second, "measure", func(context.Context) error {
		smallest.goroutines = min(smallest.goroutines, runtime.NumGoroutine())

		return nil
	})

	var memory runtime.MemStats

	for range 3 { // finalizers take more than one
		runtime.GC() //nolint:revive // what is measured is what a collection leaves
	}

	runtime.ReadMemStats(&memory)
	smallest.heap = memory.HeapAlloc

	return smallest
}

// heapMargin is what the heap may differ by. What a life of a controller holds, such as an informer with its buffers,
// is several times this in a hundred lives.
const heapMargin = 1 << 20

func (f footprint) compare(t *testing.T, after footprint) {
	t.Helper()

	if after.goroutines > f.goroutines {
		var stacks strings.Builder

		_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
		t.Errorf("%d goroutines more than before:\n%s", after.goroutines-f.goroutines, &stacks)
	}

	if after.heap > f.heap+heapMargin {
		t.Errorf("the heap grew by %d KiB", (after.heap-f.heap)/1024)
	}
}
