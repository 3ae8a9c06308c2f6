package conformance_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/ks-core/ks-controller-manager/pkg/kube/migration"
)

const (
	relicGroup   = "example.kubesphere.io"
	relicCount   = 30
	relicPlaces  = 2 // namespaces
	relicManager = "museum"
)

// After a migration the old version can be dropped, and everything is still there, as it was.
func TestMigratedObjectsOutliveTheirOldVersion(t *testing.T) {
	t.Parallel()

	relics := newCollection(t, "Relic", "relics")
	before := relics.all()

	if len(before) != relicCount {
		t.Fatalf("%d objects, want %d", len(before), relicCount)
	}

	migrator, patches := relics.migrator()
	if stored := relics.storedVersions(); cmp.Diff([]string{"v1", "v2"}, stored) != "" {
		t.Fatalf("stored versions are %v before the migration", stored)
	}

	want := migration.Result{Needed: true, Rewritten: relicCount, StoredVersions: []string{"v2"}}
	relics.migrate(migrator, want)

	if *patches != relicCount {
		t.Errorf("%d patches for %d objects", *patches, relicCount)
	}

	after := relics.all()
	relics.compare(before, after)

	for name := range before {
		if before[name].GetResourceVersion() == after[name].GetResourceVersion() {
			t.Errorf("%s was not written", name)
		}
	}

	// A second one does nothing. Nor would one that finds all objects done, as after a crash.
	relics.migrate(migrator, migration.Result{StoredVersions: []string{"v2"}})
	relics.claimStored("v1", "v2")
	relics.migrate(migrator, migration.Result{Needed: true, Skipped: relicCount, StoredVersions: []string{"v2"}})

	if diff := cmp.Diff(after, relics.all()); diff != "" {
		t.Errorf("after a second migration (-want +got):\n%s", diff)
	}

	relics.apply(3, "-v1", "v2")
	relics.areAll(after, "")
	relics.apply(4, "v2")
	relics.areAll(after, "to an invalid group/version: "+relicGroup+"/v1")
}

// The test above can fail: where only the list of stored versions is corrected, no object can be read.
func TestObjectsThatNobodyMigratedAreLostWithTheirVersion(t *testing.T) {
	t.Parallel()

	ruins := newCollection(t, "Ruin", "ruins")
	before := ruins.all()

	ruins.claimStored("v2")
	ruins.apply(3, "v2")

	for name, object := range before {
		_, err := ruins.read(object)
		if err == nil || !strings.Contains(err.Error(), "from an invalid group/version: "+relicGroup+"/v1") {
			t.Errorf("read %s: %v", name, err)
		}
	}

	// They are still in etcd, and come back with their version.
	ruins.apply(4, "v1", "v2")
	ruins.compare(before, ruins.all())
}

// collection is a definition of this test's own with objects stored in v1, of which v2 is now the storage
// version.
type collection struct {
	t            *testing.T
	admin        client.Client
	kind, plural string
}

func newCollection(t *testing.T, kind, plural string) collection {
	t.Helper()

	admin, err := client.New(shared.Config(), client.Options{FieldOwner: relicManager})
	if err != nil {
		t.Fatal(err)
	}

	c := collection{t: t, admin: admin, kind: kind, plural: plural}

	c.apply(1, "v1")
	t.Cleanup(c.remove)
	c.fill()
	c.apply(2, "v1", "v2")

	return c
}

// definition returns an empty one, to read or to patch.
func (c collection) definition() *unstructured.Unstructured {
	definition := &unstructured.Unstructured{}
	definition.SetAPIVersion("apiextensions.k8s.io/v1")
	definition.SetKind("CustomResourceDefinition")
	definition.SetName(c.plural + "." + relicGroup)

	return definition
}

// areAll wants to read the same objects, and an answer to who applies a field that has been applied in v1: the
// managedFields still say so, which the API server does not take once v1 is gone altogether.
func (c collection) areAll(want map[string]*unstructured.Unstructured, answer string) {
	c.t.Helper()

	for name, object := range want {
		found, err := c.read(object)
		if err != nil {
			c.t.Fatal(err)
		}

		if diff := cmp.Diff(object, found); diff != "" {
			c.t.Errorf("%s (-want +got):\n%s", name, diff)
		}

		err = c.applyOpinion(object, client.DryRunAll)
		if (err == nil) != (answer == "") || err != nil && !strings.Contains(err.Error(), answer) {
			c.t.Errorf("apply to %s: %v, want %q", name, err, answer)
		}
	}
}

// apply gives the definition these versions, the last of which is stored, those with a dash not served, and
// waits until the API server goes by it: that notices a moment later, and would store and read as before until
// then. How it is seen: the highest edition that an object may be of, tried without storing one, is the number
// of this change.
func (c collection) apply(edition int64, versions ...string) {
	c.t.Helper()

	var specs []any

	for i, version := range versions {
		specs = append(specs, map[string]any{
			"name": strings.TrimPrefix(version, "-"), "served": !strings.HasPrefix(version, "-"),
			"storage": i == len(versions)-1,
			"schema": map[string]any{"openAPIV3Schema": map[string]any{
				"type": "object", "x-kubernetes-preserve-unknown-fields": true,
				"properties": map[string]any{"edition": map[string]any{"type": "integer", "maximum": edition}},
			}},
		})
	}

	definition := c.definition()
	definition.Object["spec"] = map[string]any{
		"group": relicGroup, "scope": "Namespaced", "versions": specs,
		"names": map[string]any{"kind": c.kind, "plural": c.plural},
	}

	intent := client.ApplyConfigurationFromUnstructured(definition)
	if err := c.admin.Apply(c.t.Context(), intent, client.ForceOwnership); err != nil {
		c.t.Fatal(err)
	}

	c.eventually(c.t.Context(), "the API server knows the definition", func(ctx context.Context) error {
		probe := c.object(versions[len(versions)-1], 0)
		probe.SetName("probe")
		probe.Object["edition"] = edition

		return c.admin.Create(ctx, probe, client.DryRunAll)
	})
}

// eventually waits for the time of a test until there is no error any more.
func (c collection) eventually(ctx context.Context, what string, try func(context.Context) error) {
	c.t.Helper()

	var last error

	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, timeout, true,
		func(ctx context.Context) (bool, error) {
			last = try(ctx)

			return last == nil, nil
		})
	if err != nil {
		c.t.Fatalf("%s: %v: %v", what, err, last)
	}
}

// object returns the one with a number as it is created.
func (c collection) object(version string, number int) *unstructured.Unstructured {
	place := number % relicPlaces
	object := &unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{
			"number": int64(number), "weight": 1.5, "name": "Überrest", "nothing": map[string]any{},
			"found": []any{map[string]any{"by": "jane", "depth": nil}, "twice", true},
		},
		"status": map[string]any{"phase": "Cleaned"},
		"beside": "a field that no type of ours would have",
	}}

	object.SetAPIVersion(relicGroup + "/" + version)
	object.SetKind(c.kind)
	object.SetNamespace([]string{"default", "kube-public"}[place])
	object.SetName(fmt.Sprintf("%s-%02d", c.plural, number))
	object.SetLabels(map[string]string{"hall": strconv.Itoa(place)})
	object.SetAnnotations(map[string]string{"note": strings.Repeat("x", number)})

	return object
}

// fill stores the objects: some have finalizers, one of which is being deleted, and every other one has been
// applied, by another manager as well.
func (c collection) fill() {
	c.t.Helper()

	for number := range relicCount {
		object := c.object("v1", number)
		if number%3 == 0 {
			object.SetFinalizers([]string{"example.kubesphere.io/kept"})
		}

		if err := c.admin.Create(c.t.Context(), object); err != nil {
			c.t.Fatal(err)
		}

		if number%2 == 0 {
			if err := c.applyOpinion(object); err != nil {
				c.t.Fatal(err)
			}
		}

		if number == 0 {
			if err := c.admin.Delete(c.t.Context(), object); err != nil {
				c.t.Fatal(err)
			}
		}
	}
}

// applyOpinion has another manager own a field of the object.
func (c collection) applyOpinion(object *unstructured.Unstructured, options ...client.ApplyOption) error {
	opinion := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"opinion": "old"}}}
	opinion.SetGroupVersionKind(object.GroupVersionKind())
	opinion.SetNamespace(object.GetNamespace())
	opinion.SetName(object.GetName())

	intent := client.ApplyConfigurationFromUnstructured(opinion)

	return c.admin.Apply(c.t.Context(), intent, append(options, client.FieldOwner("visitor"))...)
}

// all reads the objects in v2.
func (c collection) all() map[string]*unstructured.Unstructured {
	c.t.Helper()

	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion(relicGroup + "/v2")
	list.SetKind(c.kind + "List")

	if err := c.admin.List(c.t.Context(), list); err != nil {
		c.t.Fatal(err)
	}

	objects := map[string]*unstructured.Unstructured{}
	for i := range list.Items {
		objects[list.Items[i].GetName()] = &list.Items[i]
	}

	return objects
}

// read gets an object from etcd, past the API server's cache.
func (c collection) read(object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(object.GroupVersionKind())

	if err := c.admin.Get(c.t.Context(), client.ObjectKeyFromObject(object), found); err != nil {
		return nil, fmt.Errorf("read %s: %w", object.GetName(), err)
	}

	return found, nil
}

// compare wants nothing changed but the resourceVersion, not even in the managedFields.
func (c collection) compare(want, got map[string]*unstructured.Unstructured) {
	c.t.Helper()

	plain := func(objects map[string]*unstructured.Unstructured) map[string]any {
		stripped := map[string]any{}

		for name, object := range objects {
			object = object.DeepCopy()
			object.SetResourceVersion("")
			stripped[name] = object.Object
		}

		return stripped
	}

	if diff := cmp.Diff(plain(want), plain(got)); diff != "" {
		c.t.Errorf("objects (-want +got):\n%s", diff)
	}
}

// migrator returns one for an account with the rights it asks for and no others, and counts what it patches.
func (c collection) migrator() (*migration.Migrator, *int) {
	c.t.Helper()

	account := c.plural + "-migrator"
	c.allow(account)

	config, err := shared.User(account)
	if err != nil {
		c.t.Fatal(err)
	}

	limited, err := client.NewWithWatch(config, client.Options{})
	if err != nil {
		c.t.Fatal(err)
	}

	definition := c.definition()

	c.eventually(c.t.Context(), "the API server knows the role", func(ctx context.Context) error {
		return limited.Get(ctx, client.ObjectKeyFromObject(definition), definition)
	})

	object := c.object("v2", 0)
	if err := limited.Get(c.t.Context(), client.ObjectKeyFromObject(object), object); !apierrors.IsForbidden(err) {
		c.t.Errorf("the account may read an object: %v", err)
	}

	patches := 0
	counting := interceptor.NewClient(limited, interceptor.Funcs{
		Patch: func(ctx context.Context, inner client.WithWatch, object client.Object, patch client.Patch,
			options ...client.PatchOption,
		) error {
			patches++

			return inner.Patch(ctx, object, patch, options...)
		},
	})

	return migration.New(counting, migration.Options{PageSize: 7, Interval: time.Millisecond}), &patches
}

func (c collection) allow(account string) {
	c.t.Helper()

	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: account}, Rules: migration.Rules(relicGroup, c.plural),
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: account},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: account},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: account}},
	}

	for _, object := range []client.Object{role, binding} {
		if err := c.admin.Create(c.t.Context(), object); err != nil {
			c.t.Fatal(err)
		}

		c.t.Cleanup(func() {
			if err := c.admin.Delete(context.WithoutCancel(c.t.Context()), object); err != nil {
				c.t.Error(err)
			}
		})
	}
}

func (c collection) migrate(migrator *migration.Migrator, want migration.Result) {
	c.t.Helper()

	got, err := migrator.Migrate(c.t.Context(), c.definition().GetName())
	if err != nil {
		c.t.Fatal(err)
	}

	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("result (-want +got):\n%s", diff)
	}

	if diff := cmp.Diff(want.StoredVersions, c.storedVersions()); diff != "" {
		c.t.Errorf("stored versions (-want +got):\n%s", diff)
	}
}

func (c collection) storedVersions() []string {
	c.t.Helper()

	definition := c.definition()

	if err := c.admin.Get(c.t.Context(), client.ObjectKeyFromObject(definition), definition); err != nil {
		c.t.Fatal(err)
	}

	versions, _, err := unstructured.NestedStringSlice(definition.Object, "status", "storedVersions")
	if err != nil {
		c.t.Fatal(err)
	}

	return versions
}

// claimStored writes status.storedVersions, whatever is stored.
func (c collection) claimStored(versions ...string) {
	c.t.Helper()

	definition := c.definition()

	data, err := json.Marshal(map[string]any{"status": map[string]any{"storedVersions": versions}})
	if err != nil {
		c.t.Fatal(err)
	}

	patch := client.RawPatch("application/merge-patch+json", data)
	if err := c.admin.Status().Patch(c.t.Context(), definition, patch); err != nil {
		c.t.Fatal(err)
	}
}

// remove deletes the definition with its objects, whose finalizers nobody else takes off.
func (c collection) remove() {
	ctx := context.WithoutCancel(c.t.Context())
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))

	for number := range relicCount {
		object := c.object("v2", number)
		if err := client.IgnoreNotFound(c.admin.Patch(ctx, object, patch)); err != nil {
			c.t.Error(err)
		}
	}

	definition := c.definition()
	if err := c.admin.Delete(ctx, definition); err != nil {
		c.t.Error(err)
	}

	c.eventually(ctx, "the definition is gone", func(ctx context.Context) error {
		err := c.admin.Get(ctx, client.ObjectKeyFromObject(definition), definition)
		if err == nil {
			return errStillThere
		}

		return client.IgnoreNotFound(err)
	})
}

var errStillThere = errors.New("it is still there")
