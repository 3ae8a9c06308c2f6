// Package doubles stands in for a cluster in the tests of the delivery service: objects that can be put and deleted
// while they are watched, Secrets and ConfigMaps that can be read, and a record of what was asked for.
package doubles

import (
	"strconv"
	"sync/atomic"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/metadata"
	metadatafake "k8s.io/client-go/metadata/fake"
	kubetesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	fakesource "k8s.io/client-go/tools/cache/testing"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/follow"
)

// Namespace is where the process runs.
const Namespace = "kubesphere-monitoring-system"

// World is a cluster.
type World struct {
	test    testing.TB
	sources map[follow.Kind]*source
	version atomic.Int64

	// Clients read Secrets and ConfigMaps, Metadata watches their names.
	Clients  *fake.Clientset
	Metadata metadata.Interface

	names *metadatafake.FakeMetadataClient
}

// source gives the objects of a kind; it knows nothing of lists that come as watches.
type source struct {
	*fakesource.FakeControllerSource
}

// IsWatchListSemanticsUnSupported is asked by who would list by watching.
func (source) IsWatchListSemanticsUnSupported() bool { return true }

// New makes a cluster without objects.
func New(tb testing.TB) *World {
	tb.Helper()

	scheme := metadatafake.NewTestScheme()
	if err := metav1.AddMetaToScheme(scheme); err != nil {
		tb.Fatal(err)
	}

	names := metadatafake.NewSimpleMetadataClient(scheme)
	world := &World{
		test: tb, sources: map[follow.Kind]*source{}, Clients: fake.NewClientset(), Metadata: names, names: names,
	}

	for _, kind := range []follow.Kind{
		follow.KindManager, follow.KindConfig, follow.KindReceiver, follow.KindRouter, follow.KindSilence,
		follow.KindInhibitRule, follow.KindPolicy,
	} {
		world.sources[kind] = &source{fakesource.NewFakeControllerSource()}
	}

	return world
}

// Listers are how the objects are listed and watched.
func (w *World) Listers() follow.Listers {
	made := follow.Listers{}
	for kind, one := range w.sources {
		made[kind] = cache.ListerWatcher(one)
	}

	return made
}

// Object is any object of notification.
type Object interface {
	runtime.Object
	metav1.Object
}

// Put adds objects, or replaces those with their names: each time as a further generation.
func (w *World) Put(objects ...Object) {
	w.test.Helper()

	for _, one := range objects {
		kind := kindOf(one)
		one.SetGeneration(w.version.Add(1))

		if one.GetUID() == "" {
			one.SetUID(types.UID("uid-of-" + one.GetName()))
		}

		copied, is := one.DeepCopyObject().(Object)
		if !is {
			w.test.Fatalf("%T is no object", one)
		}

		w.sources[kind].Modify(copied)
	}
}

// Delete takes objects out.
func (w *World) Delete(objects ...Object) {
	for _, one := range objects {
		copied, _ := one.DeepCopyObject().(Object)
		w.sources[kindOf(one)].Delete(copied)
	}
}

// Hide has a kind not be there.
func (w *World) Hide(kind follow.Kind) {
	w.sources[kind].ListError = apierrors.NewNotFound(schema.GroupResource{Resource: string(kind)}, "")
}

func kindOf(object Object) follow.Kind {
	switch object.(type) {
	case *notificationv2beta2.NotificationManager:
		return follow.KindManager
	case *notificationv2beta2.Config:
		return follow.KindConfig
	case *notificationv2beta2.Receiver:
		return follow.KindReceiver
	case *notificationv2beta2.Router:
		return follow.KindRouter
	case *notificationv2beta2.Silence:
		return follow.KindSilence
	case *notificationv2beta2.InhibitRule:
		return follow.KindInhibitRule
	default:
		return follow.KindPolicy
	}
}

// Secret puts a Secret.
func (w *World) Secret(namespace, name string, labels, data map[string]string) {
	w.test.Helper()

	content := map[string][]byte{}
	for key, value := range data {
		content[key] = []byte(value)
	}

	w.store("secrets", &corev1.Secret{ObjectMeta: w.metaOf(namespace, name, labels), Data: content})
}

// ConfigMap puts a ConfigMap.
func (w *World) ConfigMap(namespace, name string, data map[string]string) {
	w.test.Helper()
	w.store("configmaps", &corev1.ConfigMap{ObjectMeta: w.metaOf(namespace, name, nil), Data: data})
}

func (w *World) metaOf(namespace, name string, labels map[string]string) metav1.ObjectMeta {
	const decimal = 10

	return metav1.ObjectMeta{
		Namespace: namespace, Name: name, Labels: labels,
		ResourceVersion: strconv.FormatInt(w.version.Add(1), decimal),
	}
}

// store puts an object where it is read, and then its name where it is watched.
func (w *World) store(resource string, object Object) {
	w.test.Helper()

	kind := corev1.SchemeGroupVersion.WithResource(resource)
	put(w.test, w.Clients.Tracker(), kind, object, object.GetNamespace())
	put(w.test, w.names.Tracker(), kind, &metav1.PartialObjectMetadata{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: kindOfCore(resource)},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: object.GetNamespace(), Name: object.GetName(), ResourceVersion: object.GetResourceVersion(),
		},
	}, object.GetNamespace())
}

func kindOfCore(resource string) string {
	if resource == "secrets" {
		return "Secret"
	}

	return "ConfigMap"
}

// tracker keeps objects.
type tracker interface {
	Create(
		kind schema.GroupVersionResource, object runtime.Object, namespace string, options ...metav1.CreateOptions,
	) error
	Update(
		kind schema.GroupVersionResource, object runtime.Object, namespace string, options ...metav1.UpdateOptions,
	) error
}

func put(
	tb testing.TB, into tracker, kind schema.GroupVersionResource, object runtime.Object, namespace string,
) {
	tb.Helper()

	err := into.Create(kind, object, namespace)
	if apierrors.IsAlreadyExists(err) {
		err = into.Update(kind, object, namespace)
	}

	if err != nil {
		known, _ := meta.Accessor(object)
		tb.Fatalf("put %s: %v", known.GetName(), err)
	}
}

// Asked is how often something was asked of the API server, by verb, resource and name; "*" stands for a list or a
// watch.
func (w *World) Asked(verb, resource, name string) int {
	count := 0

	for _, action := range w.Clients.Actions() {
		if action.GetVerb() != verb || action.GetResource().Resource != resource {
			continue
		}

		named, is := action.(interface{ GetName() string })
		if name == "*" || is && named.GetName() == name {
			count++
		}
	}

	return count
}

// Rewrite puts an object again in the generation it has, as who writes its status does.
func (w *World) Rewrite(object Object) {
	copied, is := object.DeepCopyObject().(Object)
	if !is {
		w.test.Fatalf("%T is no object", object)
	}

	w.sources[kindOf(object)].Modify(copied)
}

// Forbid has the names of Secrets and ConfigMaps not be listed nor watched.
func (w *World) Forbid(why error) {
	w.names.PrependReactor("list", "*", func(kubetesting.Action) (bool, runtime.Object, error) {
		return true, nil, why
	})
}

// Allow lets a user receive the notifications of a namespace.
func (w *World) Allow(user, namespace string) {
	w.Clients.PrependReactor("create", "subjectaccessreviews",
		func(action kubetesting.Action) (bool, runtime.Object, error) {
			create, is := action.(kubetesting.CreateAction)
			if !is {
				return false, nil, nil
			}

			asked, _ := create.GetObject().(*authorizationv1.SubjectAccessReview)
			said := asked.DeepCopy()
			said.Status.Allowed = said.Spec.User == user && said.Spec.ResourceAttributes.Namespace == namespace

			return true, said, nil
		})
}
