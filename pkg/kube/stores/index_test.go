package stores_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
)

// byLabel is an index by the value of a label.
func byLabel(name string) client.IndexerFunc {
	return func(object client.Object) []string {
		if value, found := object.GetLabels()[name]; found {
			return []string{value}
		}

		return nil
	}
}

// found lists the names that a view finds by its field.
func found(ctx context.Context, view *stores.View, value string) ([]string, error) {
	var list corev1.ConfigMapList
	if err := view.List(ctx, &list, client.MatchingFields{"field": value}); err != nil {
		return nil, err
	}

	names := []string{}
	for _, item := range list.Items {
		names = append(names, item.Name)
	}

	slices.Sort(names)

	return names, nil
}

func TestIndexesOfUsersDoNotClash(t *testing.T) {
	w := newWorld(t)
	w.configMap(t, "ab", map[string]string{"a": "x", "b": "y"})
	w.configMap(t, "a", map[string]string{"a": "x"})

	views := map[string]*stores.View{}

	for _, name := range []string{"a", "b"} {
		view := w.filled(t, stores.User{Name: name}, w.configMaps(stores.Full))

		// A user that was made anew asks for its indexes again; the first is kept.
		for range 2 {
			if err := view.Index(t.Context(), &corev1.ConfigMap{}, "field", byLabel(name)); err != nil {
				t.Fatal(err)
			}
		}

		views[name] = view
	}

	again := w.filled(t, stores.User{Name: "a"}, w.configMaps(stores.Full))
	if err := again.Index(t.Context(), &corev1.ConfigMap{}, "field", byLabel("a")); err != nil {
		t.Fatal(err)
	}

	if stores := len(w.Report()); stores != 1 {
		t.Fatalf("%d stores", stores)
	}

	// One that comes later is found, too.
	w.configMap(t, "late", map[string]string{"a": "x"})
	eventually(t, "the new object is seen", func() error {
		return views["a"].Get(t.Context(), w.key("late"), &corev1.ConfigMap{})
	})

	tests := []struct {
		view  *stores.View
		value string
		want  []string
	}{
		{views["a"], "x", []string{"a", "ab", "late"}},
		{views["a"], "y", []string{}},
		{views["b"], "x", []string{}},
		{views["b"], "y", []string{"ab"}},
		{again, "x", []string{"a", "ab", "late"}},
	}

	for i, test := range tests {
		got, err := found(t.Context(), test.view, test.value)
		if err != nil {
			t.Error(err)
		}

		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%d: found by %s (-want +got):\n%s", i, test.value, diff)
		}
	}

	stranger := w.filled(t, stores.User{Name: "stranger"}, w.configMaps(stores.Full))
	if names, err := found(t.Context(), stranger, "x"); err == nil {
		t.Errorf("a user without an index found %v", names)
	}
}

func TestIndexGoesWithItsStore(t *testing.T) {
	w := newWorld(t)
	w.configMap(t, "one", map[string]string{"a": "x", "b": "y"})

	for _, label := range []string{"a", "b"} {
		view := w.filled(t, stores.User{Name: "user"}, w.configMaps(stores.Full))
		if err := view.Index(t.Context(), &corev1.ConfigMap{}, "field", byLabel(label)); err != nil {
			t.Fatal(err)
		}

		value := map[string]string{"a": "x", "b": "y"}[label]
		if names, err := found(t.Context(), view, value); err != nil || len(names) != 1 {
			t.Errorf("by label %s: %v, %v", label, names, err)
		}

		view.Release()
	}
}

func TestIndexThatPanics(t *testing.T) {
	w := newWorld(t)
	w.configMap(t, "good", map[string]string{"a": "x"})
	w.configMap(t, "bad", nil)

	panics := make(chan string, 100)
	view := w.filled(t, stores.User{
		Name: "user", OnPanic: func(where string, cause any) { panics <- fmt.Sprint(where, ": ", cause) },
	}, w.configMaps(stores.Full))

	index := func(object client.Object) []string {
		if object.GetName() == "bad" {
			panic("bad") //nolint:forbidigo // the point of the test
		}

		return []string{"all"}
	}
	if err := view.Index(t.Context(), &corev1.ConfigMap{}, "field", index); err != nil {
		t.Fatal(err)
	}

	if said := <-panics; said != "index by field: bad" {
		t.Errorf("a panic in %q", said)
	}

	w.configMap(t, "also-good", nil)
	eventually(t, "the store goes on", func() error {
		names, err := found(t.Context(), view, "all")
		if err == nil && !slices.Equal(names, []string{"also-good", "good"}) {
			err = fmt.Errorf("found %v", names)
		}

		return err
	})
}
