package harness

import (
	"iter"
	"math/rand/v2"
	"reflect"
	"slices"

	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/randfill"
)

// holdFinalizer keeps what the fuzzer has deleted.
const holdFinalizer = "harness.ks.kubesphere.io/hold"

// objectFuzzer makes strange variants of objects, the same for the same seed.
type objectFuzzer struct {
	scheme *runtime.Scheme
	random *rand.Rand
	filler *randfill.Filler
}

// newRandom returns the same numbers for the same seed. Nothing here is a secret.
func newRandom(seed int) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(seed), 0)) //nolint:gosec // See above.
}

func newFuzzer(s Subject, seed int) *objectFuzzer {
	const (
		nilChance   = 0.3
		maxElements = 3
		maxDepth    = 12
	)

	codecs := serializer.NewCodecFactory(s.Scheme)
	filler := randfill.NewWithSeed(int64(seed)).
		NilChance(nilChance).NumElements(0, maxElements).MaxDepth(maxDepth).
		Funcs(metafuzzer.Funcs(codecs)...).Funcs(s.Fuzz...)

	return &objectFuzzer{scheme: s.Scheme, random: newRandom(seed), filler: filler}
}

// variants returns objects, some of them changed, some missing, some on their way
// out.
func (f *objectFuzzer) variants(objects []client.Object) []client.Object {
	const rarely = 8

	var strange []client.Object

	for _, obj := range objects {
		if chance(f.random, rarely) {
			continue
		}

		variant := f.variant(obj)
		if chance(f.random, rarely) {
			variant.SetFinalizers(append(slices.Clone(variant.GetFinalizers()), holdFinalizer))
			variant.SetDeletionTimestamp(&metav1.Time{Time: epoch()})
		}

		strange = append(strange, variant)
	}

	return strange
}

// variant returns a changed copy of obj, of the same kind and name. What cannot
// be filled or converted is left as it was.
func (f *objectFuzzer) variant(obj client.Object) client.Object {
	same, isObject := obj.DeepCopyObject().(client.Object)
	if !isObject {
		return obj
	}

	sound, err := toUnstructured(f.scheme, obj)
	if err != nil {
		return same
	}

	noise, err := toUnstructured(f.scheme, f.noise(obj))
	if err != nil {
		return same
	}

	strange := emptyOf(sound.GroupVersionKind())
	for field := range mutable(sound.Object, noise.Object) {
		f.mixField(strange.Object, sound.Object, noise.Object, field)
	}

	f.mixMetadata(strange, sound, noise)

	into, isObject := reflect.TypeAssert[client.Object](reflect.New(reflect.TypeOf(obj).Elem()))
	if !isObject || intoObject(strange, into) != nil {
		return same
	}

	into.GetObjectKind().SetGroupVersionKind(sound.GroupVersionKind())

	return into
}

// mixMetadata keeps who the object is and whom it belongs to; what is written on
// it may change.
func (f *objectFuzzer) mixMetadata(strange, sound, noise *unstructured.Unstructured) {
	metadata, _, _ := unstructured.NestedMap(sound.Object, "metadata")
	other, _, _ := unstructured.NestedMap(noise.Object, "metadata")

	for _, field := range []string{"labels", "annotations"} {
		f.mixField(metadata, runtime.DeepCopyJSON(metadata), other, field)
	}

	strange.Object["metadata"] = metadata
}

// noise returns an object of the same type, filled at random.
func (f *objectFuzzer) noise(obj client.Object) client.Object {
	filled := reflect.New(reflect.TypeOf(obj).Elem()).Interface()
	f.filler.Fill(filled)

	noise, isObject := filled.(client.Object)
	if !isObject {
		return obj
	}

	return noise
}

// mutable returns the fields of both objects that may change. Their order decides
// which random numbers they get, so it is fixed.
func mutable(sound, noise map[string]any) iter.Seq[string] {
	fixed := []string{"apiVersion", "kind", "metadata"}

	return func(yield func(string) bool) {
		for _, key := range unionOfKeys(sound, noise) {
			if !slices.Contains(fixed, key) && !yield(key) {
				return
			}
		}
	}
}

func unionOfKeys(a, b map[string]any) []string {
	var keys []string
	for key := range a {
		keys = append(keys, key)
	}

	for key := range b {
		if _, both := a[key]; !both {
			keys = append(keys, key)
		}
	}

	slices.Sort(keys)

	return keys
}

func (f *objectFuzzer) mixField(into, sound, noise map[string]any, key string) {
	delete(into, key)

	if value := f.mix(sound[key], noise[key]); value != nil {
		into[key] = value
	}
}

// mix returns something between a sound value and noise, nil for nothing.
func (f *objectFuzzer) mix(sound, noise any) any {
	const (
		dropped, replaced = 1, 3
		outOf             = 10
	)

	switch dice := f.random.IntN(outOf); {
	case dice < dropped:
		return nil
	case dice < replaced:
		return noise
	}

	switch value := sound.(type) {
	case map[string]any:
		return f.mixMaps(value, noise)
	case []any:
		return f.mixLists(value, noise)
	default:
		return sound
	}
}

func (f *objectFuzzer) mixMaps(sound map[string]any, noise any) any {
	other, _ := noise.(map[string]any)
	mixed := map[string]any{}

	for _, key := range unionOfKeys(sound, other) {
		f.mixField(mixed, sound, other, key)
	}

	return mixed
}

// mixLists also repeats items, which breaks whoever thinks that names are unique.
func (f *objectFuzzer) mixLists(sound []any, noise any) any {
	const rarely = 4

	other, _ := noise.([]any)

	var mixed []any

	for i, item := range sound {
		var noisy any
		if i < len(other) {
			noisy = other[i]
		}

		if value := f.mix(item, noisy); value != nil {
			mixed = append(mixed, value)
		}

		if chance(f.random, rarely) {
			mixed = append(mixed, runtime.DeepCopyJSONValue(item))
		}
	}

	return mixed
}
