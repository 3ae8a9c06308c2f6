package kube_test

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

// dice makes random intents of a Deployment, the same for the same seed.
type dice struct{ *rand.Rand }

func newDice(seed uint64) dice {
	return dice{rand.New(rand.NewPCG(seed, 0))} //nolint:gosec // The same numbers are wanted, not secret ones.
}

// some returns a few of values, in random order. Not none: of an empty list whose
// items are tracked one by one no record is kept, so that an Applier, which cannot
// see that such a list is not atomic, writes it again while others have items there.
func (d dice) some(values ...any) []any {
	d.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })

	return values[:1+d.IntN(len(values))]
}

// maybe sets one of values, or nothing.
func (d dice) maybe(in map[string]any, key string, values ...any) {
	if i := d.IntN(len(values) + 1); i < len(values) {
		in[key] = values[i]
	}
}

func (d dice) intent() *unstructured.Unstructured {
	metadata := map[string]any{"name": "a", "namespace": "b"}
	d.maybe(metadata, "labels", map[string]any{"x": "1"}, map[string]any{"x": "2", "y": ""}, map[string]any{})
	d.maybe(metadata, "finalizers", d.some("x/a", "x/b", "x/c"))

	pod := map[string]any{}
	d.maybe(pod, "containers", d.containers())
	d.maybe(pod, "initContainers", d.containers())
	d.maybe(pod, "nodeSelector", map[string]any{"a": "b"}, map[string]any{"a": "c", "d": "e"}, map[string]any{})
	d.maybe(pod, "tolerations", d.some(map[string]any{"key": "a"}, map[string]any{"key": "b", "operator": "Exists"}))
	d.maybe(pod, "securityContext",
		map[string]any{}, map[string]any{"runAsUser": int64(0)}, map[string]any{"runAsNonRoot": false})
	d.maybe(pod, "volumes", d.some(
		map[string]any{"name": "v", "emptyDir": map[string]any{}},
		map[string]any{"name": "w", "emptyDir": map[string]any{"sizeLimit": "1024Mi"}},
	))

	spec := map[string]any{"template": map[string]any{"spec": pod}}
	d.maybe(spec, "replicas", int64(0), int64(1), int64(2))
	d.maybe(spec, "paused", true, false)

	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec,
	}}
}

func (d dice) containers() []any {
	return d.some(d.container("c"), d.container("d"), d.container("e"))
}

func (d dice) container(name string) any {
	container := map[string]any{"name": name}
	d.maybe(container, "image", "i", "j", "")
	d.maybe(container, "command", []any{}, []any{"a"}, []any{"a", "b"})
	d.maybe(container, "tty", true, false)
	d.maybe(container, "env", d.some(
		map[string]any{"name": "A", "value": ""}, map[string]any{"name": "B", "value": "1"},
		map[string]any{"name": "C"}))
	d.maybe(container, "ports", d.some(
		map[string]any{"containerPort": int64(80)}, map[string]any{"containerPort": int64(80), "protocol": "UDP"},
		map[string]any{"containerPort": int64(443), "protocol": "TCP", "name": "https"}))
	d.maybe(container, "resources", map[string]any{}, map[string]any{"limits": map[string]any{"cpu": "1000m"}},
		map[string]any{"limits": map[string]any{"cpu": "1"}, "requests": map[string]any{"memory": "1Gi"}})

	return container
}

// scenario is two servers with the same history: one has all intents applied by
// force, come what may, the other only where the Applier thinks it must.
type scenario struct {
	always, careful client.Client
	applier         *kube.Applier
	writes          *[]string
	skipped         int
}

func newScenario(t *testing.T) *scenario {
	t.Helper()

	always, _ := server(t)
	careful, writes := server(t)

	return &scenario{always: always, careful: careful, applier: kube.NewApplier(careful, owner), writes: writes}
}

// others lets somebody else take fields over, on both servers.
func (s *scenario) others(t *testing.T, intent *unstructured.Unstructured) {
	t.Helper()

	for _, c := range []client.Client{s.always, s.careful} {
		configuration := client.ApplyConfigurationFromUnstructured(intent.DeepCopy())
		if err := c.Apply(t.Context(), configuration, client.FieldOwner("other"), client.ForceOwnership); err != nil {
			t.Fatalf("applying somebody else's: %v", err)
		}
	}
}

func (s *scenario) ours(t *testing.T, intent *unstructured.Unstructured) {
	t.Helper()

	forced := client.ApplyConfigurationFromUnstructured(intent.DeepCopy())
	if err := s.always.Apply(t.Context(), forced, owner, client.ForceOwnership); err != nil {
		t.Fatalf("applying by force: %v", err)
	}

	for _, again := range []bool{false, true} {
		*s.writes = nil

		reasons := &[]string{}
		ctx := log.IntoContext(t.Context(), funcr.New(func(_, args string) { *reasons = append(*reasons, args) },
			funcr.Options{Verbosity: 1}))

		_, err := s.applier.Apply(ctx, s.cached(t), client.ApplyConfigurationFromUnstructured(intent.DeepCopy()))
		if err != nil {
			t.Fatalf("Apply = %v", err)
		}

		if again && len(*s.writes) > 0 {
			t.Errorf("Apply writes again: %v\n%v", *reasons, intent)
		}

		if len(*s.writes) == 0 && !again {
			s.skipped++
		}
	}
}

func (s *scenario) cached(t *testing.T) client.Object {
	t.Helper()

	obj := &appsv1.Deployment{}

	err := s.careful.Get(t.Context(), client.ObjectKey{Namespace: "b", Name: "a"}, obj)
	if apierrors.IsNotFound(err) {
		return nil
	}

	if err != nil {
		t.Fatalf("reading the child: %v", err)
	}

	return obj
}

// contentOn returns what the object is like on a server.
func contentOn(t *testing.T, c client.Client) map[string]any {
	t.Helper()

	obj := &appsv1.Deployment{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "b", Name: "a"}, obj); err != nil {
		t.Fatalf("reading the child: %v", err)
	}

	obj.ObjectMeta = metav1.ObjectMeta{Name: obj.Name, Labels: obj.Labels, Finalizers: obj.Finalizers}

	values, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		t.Fatalf("converting the child: %v", err)
	}

	return withoutEmpty(values)
}

// withoutEmpty drops what is as good as absent.
func withoutEmpty(values map[string]any) map[string]any {
	kept := map[string]any{}

	for key, value := range values {
		switch v := value.(type) {
		case nil:
			continue
		case map[string]any:
			if v = withoutEmpty(v); len(v) > 0 {
				kept[key] = v
			}
		case []any:
			if len(v) > 0 {
				kept[key] = v
			}
		default:
			kept[key] = v
		}
	}

	return kept
}

// TestApplySkipsOnlyWhatChangesNothing holds the comparison against the server's
// own: whatever happened before, an Applier leaves the same object behind as one
// that always writes, and has nothing to do the second time.
func TestApplySkipsOnlyWhatChangesNothing(t *testing.T) {
	t.Parallel()

	const (
		seeds = 30
		steps = 8
	)

	for seed := range uint64(seeds) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()

			random := newDice(seed)
			tried := newScenario(t)
			wanted := random.intent()

			for step := range steps {
				switch random.IntN(3) {
				case 0:
					tried.others(t, random.intent())
				case 1:
					wanted = random.intent()
				}

				tried.ours(t, wanted)

				diff := cmp.Diff(contentOn(t, tried.always), contentOn(t, tried.careful))
				if diff != "" {
					t.Fatalf("after step %d, wanting %v (-always +careful):\n%s", step, wanted, diff)
				}
			}

			if tried.skipped == steps {
				t.Error("nothing was ever written")
			}
		})
	}
}
