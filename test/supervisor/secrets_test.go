package supervisor_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// KubeSphere's manager kept every Secret of the cluster in memory, content and all. Here Secrets are followed by key
// and version, and one that an object names is read once for each version.
func TestSecretsAreFollowedByVersion(t *testing.T) {
	gadgetController, _ := gadgets()
	gadgetController.Caches = append(gadgetController.Caches, manager.Cached{
		Kind: corev1.SchemeGroupVersion.WithKind("Secret"), Resource: "secrets", Depth: manager.VersionOnly,
	})

	grantFor(t, manager.Catalog{gadgetController})
	withGadgets(t)

	for i := range 50 {
		create(t, secret(fmt.Sprintf("nobodys-%d", i), strings.Repeat("x", 10_000)))
	}

	started := start(t, manager.Catalog{gadgetController})

	object := gadget("holder", "a")
	object.Spec.Secret = "holder" // it wakes the gadget of its name
	create(t, object)
	eventually(t, timeout, "it works without the secret", sizeIs(object, 0))

	named := secret("holder", "12345")
	create(t, named)
	eventually(t, timeout, "it sees the secret", sizeIs(object, 5))

	// Runs for other reasons read nothing.
	for i := range 3 {
		change(t, object, strconv.Itoa(i))
		eventually(t, timeout, "it runs again", func(ctx context.Context) error { return observed(ctx, object) })
	}

	named.Data["key"] = []byte("1234567")
	if err := admin.Update(t.Context(), named); err != nil {
		t.Fatal(err)
	}

	eventually(t, timeout, "it sees the new version", sizeIs(object, 7))

	if err := admin.Delete(t.Context(), named); err != nil {
		t.Fatal(err)
	}

	eventually(t, timeout, "it sees that it is gone", sizeIs(object, 0))

	reads := slices.DeleteFunc(started.calls.since(time.Time{}, "/secrets/"), func(made string) bool {
		return !strings.HasPrefix(made, http.MethodGet)
	})
	if want := []string{"GET /api/v1/namespaces/default/secrets/holder"}; !slices.Equal(reads, slices.Repeat(want, 2)) {
		t.Errorf("live reads of secrets: %v, want one of each of two versions", reads)
	}

	status, err := started.status(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	index := slices.IndexFunc(status.Caches, func(cached manager.CacheRow) bool { return cached.Resource == "secrets" })
	if index < 0 || status.Caches[index].Depth != manager.VersionOnly || status.Caches[index].Objects < 50 ||
		!slices.Equal(status.Caches[index].Users, []string{"gadget"}) {
		t.Errorf("what the page says is kept: %+v", status.Caches)
	}
}

func secret(name, value string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: name},
		Data:       map[string][]byte{"key": []byte(value)},
	}
}

func sizeIs(object *Gadget, want int) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := admin.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}

		if object.Status.Size != want || object.Status.Observed != object.Spec.Value {
			return fmt.Errorf("it reports %+v, want size %d", object.Status, want)
		}

		return nil
	}
}
