package stores

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
)

func keyOf(namespace, name string) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: name}
}

// at returns an object in a version.
func at(namespace, name, version string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, ResourceVersion: version,
	}}
}

// told is what a subscriber was told, and what it makes of it.
type told struct {
	lines []string
	known map[types.NamespacedName]string
	wrong []string
}

func subscriber() (*told, *versionHandler) {
	t := &told{known: map[types.NamespacedName]string{}}

	return t, &versionHandler{changed: func(key types.NamespacedName, before, after string, initial bool) {
		line := fmt.Sprintf("%s %s>%s", key, before, after)
		if initial {
			line += " initial"
		}

		if t.lines = append(t.lines, line); before == after || t.known[key] != before {
			t.wrong = append(t.wrong, line)
		}

		if t.known[key] = after; after == "" {
			delete(t.known, key)
		}
	}}
}

func TestVersions(t *testing.T) {
	t.Parallel()

	tombstone := toolscache.DeletedFinalStateUnknown{Key: "n/a", Obj: at("n", "a", "1")}
	secret := &corev1.Secret{ObjectMeta: at("n", "a", "1").ObjectMeta}

	tests := map[string]struct {
		do   func(*Versions) error
		want []string
		left map[types.NamespacedName]string
	}{
		"add":            {func(v *Versions) error { return v.Add(at("n", "a", "1")) }, []string{"n/a >1"}, map[types.NamespacedName]string{keyOf("n", "old"): "1", keyOf("n", "a"): "1"}},
		"of any type":    {func(v *Versions) error { return v.Add(secret) }, []string{"n/a >1"}, map[types.NamespacedName]string{keyOf("n", "old"): "1", keyOf("n", "a"): "1"}},
		"cluster-scoped": {func(v *Versions) error { return v.Add(at("", "a", "1")) }, []string{"/a >1"}, map[types.NamespacedName]string{keyOf("n", "old"): "1", keyOf("", "a"): "1"}},
		"update":         {func(v *Versions) error { return v.Update(at("n", "old", "2")) }, []string{"n/old 1>2"}, map[types.NamespacedName]string{keyOf("n", "old"): "2"}},
		"update unknown": {func(v *Versions) error { return v.Update(at("n", "a", "2")) }, []string{"n/a >2"}, map[types.NamespacedName]string{keyOf("n", "old"): "1", keyOf("n", "a"): "2"}},
		"no change":      {func(v *Versions) error { return v.Update(at("n", "old", "1")) }, nil, map[types.NamespacedName]string{keyOf("n", "old"): "1"}},
		"delete":         {func(v *Versions) error { return v.Delete(at("n", "old", "3")) }, []string{"n/old 1>"}, map[types.NamespacedName]string{}},
		"delete unknown": {func(v *Versions) error { return v.Delete(tombstone) }, nil, map[types.NamespacedName]string{keyOf("n", "old"): "1"}},
		"tombstone": {func(v *Versions) error {
			return v.Delete(toolscache.DeletedFinalStateUnknown{Obj: at("n", "old", "1")})
		}, []string{"n/old 1>"}, map[types.NamespacedName]string{}},
		"replace":             {func(v *Versions) error { return v.Replace([]any{at("n", "a", "5")}, "9") }, []string{"n/old 1>", "n/a >5"}, map[types.NamespacedName]string{keyOf("n", "a"): "5"}},
		"replace by the same": {func(v *Versions) error { return v.Replace([]any{at("n", "old", "1")}, "9") }, nil, map[types.NamespacedName]string{keyOf("n", "old"): "1"}},
		"replace by nothing":  {func(v *Versions) error { return v.Replace(nil, "9") }, []string{"n/old 1>"}, map[types.NamespacedName]string{}},
		"resync":              {func(v *Versions) error { return v.Resync() }, nil, map[types.NamespacedName]string{keyOf("n", "old"): "1"}},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			versions := newVersions(metav1.Object.GetResourceVersion)
			if err := versions.Replace([]any{at("n", "old", "1")}, "1"); err != nil {
				t.Fatal(err)
			}

			got, handler := subscriber()
			cancel := versions.subscribe(handler)
			got.lines = nil // of what was there

			if err := test.do(versions); err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(test.want, got.lines); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}

			if diff := cmp.Diff(test.left, flat(versions)); diff != "" {
				t.Errorf("kept (-want +got):\n%s", diff)
			}

			cancel()

			got.lines = nil

			if err := versions.Add(at("n", "late", "1")); err != nil || got.lines != nil {
				t.Errorf("told after its end: %v, %v", got.lines, err)
			}
		})
	}
}

func TestVersionsOfWhatHasNone(t *testing.T) {
	t.Parallel()

	versions := newVersions(metav1.Object.GetResourceVersion)

	for name, err := range map[string]error{
		"add":     versions.Add("text"),
		"delete":  versions.Delete(toolscache.DeletedFinalStateUnknown{Key: "n/a"}),
		"replace": versions.Replace([]any{at("n", "a", "1"), 1}, "1"),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}

	if versions.Len() != 0 || versions.isSynced() {
		t.Errorf("%d objects, synced %t", versions.Len(), versions.isSynced())
	}
}

// What comes before the first list is complete, and what a subscriber finds, is initial.
func TestVersionsTellWhatIsInitial(t *testing.T) {
	t.Parallel()

	versions := newVersions(metav1.Object.GetResourceVersion)
	early, handler := subscriber()
	versions.subscribe(handler)

	for _, step := range []func() error{
		func() error { return versions.Add(at("n", "a", "1")) },
		func() error { return versions.Replace([]any{at("n", "a", "2")}, "2") },
		func() error { return versions.Update(at("n", "a", "3")) },
		func() error { return versions.Replace([]any{at("n", "a", "4")}, "4") },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}

	late, handler := subscriber()
	versions.subscribe(handler)

	if err := versions.Delete(at("n", "a", "5")); err != nil {
		t.Fatal(err)
	}

	want := []string{"n/a >1 initial", "n/a 1>2 initial", "n/a 2>3", "n/a 3>4", "n/a 4>"}
	if diff := cmp.Diff(want, early.lines); diff != "" {
		t.Errorf("an early subscriber (-want +got):\n%s", diff)
	}

	if diff := cmp.Diff([]string{"n/a >4 initial", "n/a 4>"}, late.lines); diff != "" {
		t.Errorf("a late subscriber (-want +got):\n%s", diff)
	}
}

func TestVersionsTransformer(t *testing.T) {
	t.Parallel()

	transform := newVersions(metav1.Object.GetResourceVersion).Transformer()

	whole := &corev1.Secret{
		ObjectMeta: at("n", "a", "1").ObjectMeta,
		Data:       map[string][]byte{"k": []byte("v")},
	}
	whole.Labels = map[string]string{"a": "b"}

	got, err := transform(whole)
	if err != nil {
		t.Fatal(err)
	}

	kept, isNoted := got.(*noted)
	if !isNoted {
		t.Fatalf("kept a %T", got)
	}

	want := at("n", "a", "1").ObjectMeta
	if diff := cmp.Diff(want, kept.ObjectMeta); diff != "" || kept.value != "1" {
		t.Errorf("kept value %q (-want +got):\n%s", kept.value, diff)
	}

	tombstone := toolscache.DeletedFinalStateUnknown{Key: "n/a", Obj: whole}
	if got, err := transform(tombstone); err != nil || !cmp.Equal(tombstone, got) {
		t.Errorf("a tombstone became %v, %v", got, err)
	}
}

// flat returns all that is known by its key.
func flat(v *Versions) map[types.NamespacedName]string {
	all := map[types.NamespacedName]string{}
	for _, key := range v.keysLocked() {
		all[key] = v.versions[key.Namespace][key.Name]
	}

	return all
}

// drawn returns one of a few objects in one of a few versions.
func drawn(namespace, name, version int) *metav1.PartialObjectMetadata {
	return at("mno"[namespace:namespace+1], "abcde"[name:name+1], strconv.Itoa(version+1))
}

// model is what Versions should be: a map, and subscribers that come and go.
type model struct {
	versions *Versions
	known    map[types.NamespacedName]string
	told     map[*told]func()
	parted   map[*told]int // how much those had been told that are gone
}

// step draws one operation from three bytes.
func (m *model) step(operation, which, version byte) error {
	object := drawn(int(which%3), int(which/3%5), int(version%4))
	key := keyOf(object.Namespace, object.Name)

	switch operation % 7 {
	case 0:
		m.known[key] = object.ResourceVersion

		return m.versions.Add(object)
	case 1:
		m.known[key] = object.ResourceVersion

		return m.versions.Update(object)
	case 2:
		delete(m.known, key)

		return m.versions.Delete(object)
	case 3:
		delete(m.known, key)

		return m.versions.Delete(toolscache.DeletedFinalStateUnknown{Obj: object})
	case 4:
		return m.replace(which, version)
	case 5:
		t, handler := subscriber()
		m.told[t] = m.versions.subscribe(handler)
	default:
		for t, cancel := range m.told {
			cancel()
			delete(m.told, t)
			m.parted[t] = len(t.lines)

			break
		}
	}

	return nil
}

// replace lists anew: some of what is known, some of it in another version, and some news.
func (m *model) replace(seed, seed2 byte) error {
	random := rand.New(rand.NewPCG(uint64(seed), uint64(seed2))) //nolint:gosec // drawn again from the same bytes

	clear(m.known)

	var list []any

	for range random.IntN(8) {
		object := drawn(random.IntN(3), random.IntN(5), random.IntN(4))
		m.known[keyOf(object.Namespace, object.Name)] = object.ResourceVersion
		list = append(list, object)
	}

	return m.versions.Replace(list, "")
}

// check compares all there is to see with the model.
func (m *model) check(t *testing.T) {
	t.Helper()

	if diff := cmp.Diff(m.known, flat(m.versions)); diff != "" {
		t.Fatalf("kept (-want +got):\n%s", diff)
	}

	if m.versions.Len() != len(m.known) {
		t.Fatalf("%d objects, want %d", m.versions.Len(), len(m.known))
	}

	for subscribed := range m.told {
		if diff := cmp.Diff(m.known, subscribed.known); diff != "" || len(subscribed.wrong) > 0 {
			t.Fatalf("a subscriber was told wrongly: %v (-want +got):\n%s", subscribed.wrong, diff)
		}
	}

	for parted, lines := range m.parted {
		if len(parted.lines) != lines {
			t.Fatalf("told after its end: %v", parted.lines[lines:])
		}
	}
}

func FuzzVersions(f *testing.F) {
	f.Add([]byte{5, 0, 0, 0, 1, 1, 4, 2, 3, 1, 1, 2, 5, 0, 0, 2, 1, 0, 6, 0, 0, 3, 1, 1, 4, 0, 0})

	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same seeds each time

	for range 50 {
		operations := make([]byte, 3*100)
		for i := range operations {
			operations[i] = byte(random.UintN(1 << 8)) //nolint:gosec // it fits
		}

		f.Add(operations)
	}

	f.Fuzz(func(t *testing.T, operations []byte) {
		m := &model{
			versions: newVersions(metav1.Object.GetResourceVersion), known: map[types.NamespacedName]string{},
			told: map[*told]func(){}, parted: map[*told]int{},
		}

		for ; len(operations) >= 3; operations = operations[3:] {
			if err := m.step(operations[0], operations[1], operations[2]); err != nil {
				t.Fatal(err)
			}

			m.check(t)
		}
	})
}

// followedSecrets is how many Secrets the benchmark follows, in followedNamespaces.
const (
	followedSecrets    = 20_000
	followedNamespaces = 400
)

// release is the metadata of a Secret as Helm writes it, the most common kind of Secret, as it is after
// TransformMetadata.
func release(i int) *metav1.PartialObjectMetadata {
	name := fmt.Sprintf("sh.helm.release.v1.application-%d.v%d", i/10, i%10)

	return &metav1.PartialObjectMetadata{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: fmt.Sprintf("project-%d", i%followedNamespaces), Name: name,
			UID:             types.UID(fmt.Sprintf("%08x-aaaa-bbbb-cccc-%012x", i, i)),
			ResourceVersion: strconv.Itoa(1_000_000 + i), CreationTimestamp: metav1.Now(),
			Labels: map[string]string{
				decoded("name"): fmt.Sprintf("application-%d", i/10), decoded("owner"): decoded("helm"),
				decoded("status"): decoded("superseded"), decoded("version"): strconv.Itoa(i % 10),
				decoded("modifiedAt"): strconv.Itoa(1_700_000_000 + i),
			},
		},
	}
}

// decoded returns a string as a decoder does: with memory of its own.
func decoded(text string) string { return strings.Clone(text) }

// BenchmarkBytesPerObject reports what an object costs in memory that is followed by its version, beside one whose
// metadata is kept.
func BenchmarkBytesPerObject(b *testing.B) {
	keepers := map[string]func() any{
		"versions": func() any {
			versions := newVersions(metav1.Object.GetResourceVersion)
			transform := versions.Transformer()

			list := make([]any, 0, followedSecrets)
			for i := range followedSecrets {
				slim, _ := transform(release(i))
				list = append(list, slim)
			}

			if err := versions.Replace(list, "1"); err != nil {
				b.Fatal(err)
			}

			return versions
		},
		"metadata": func() any {
			kept := map[types.NamespacedName]*metav1.PartialObjectMetadata{}

			for i := range followedSecrets {
				object := release(i)
				kept[keyOf(object.Namespace, object.Name)] = object
			}

			return kept
		},
	}

	for name, keep := range keepers {
		b.Run(name, func(b *testing.B) {
			var bytes float64

			for b.Loop() {
				before := heap()
				kept := keep()
				bytes += float64(heap()) - float64(before)

				runtime.KeepAlive(kept)
			}

			b.ReportMetric(bytes/float64(b.N)/followedSecrets, "B/object")
		})
	}
}

// heap returns how many bytes are in use.
func heap() uint64 {
	runtime.GC() //nolint:revive // what is counted is what is left
	runtime.GC() //nolint:revive // the first may leave what had been marked already

	var stats runtime.MemStats

	runtime.ReadMemStats(&stats)

	return stats.HeapAlloc
}

// The model catches a store that forgets to tell.
func TestModelCatchesWhatIsNotTold(t *testing.T) {
	t.Parallel()

	got, handler := subscriber()
	versions := newVersions(metav1.Object.GetResourceVersion)
	versions.subscribe(handler)

	versions.versions["n"] = map[string]string{"a": "1"} // past its door

	if maps.Equal(got.known, flat(versions)) {
		t.Error("the subscriber knows what it was not told")
	}

	if err := versions.Update(at("n", "a", "2")); err != nil || len(got.wrong) != 1 {
		t.Errorf("a gap was not noticed: %v, %v", got.wrong, err)
	}
}
