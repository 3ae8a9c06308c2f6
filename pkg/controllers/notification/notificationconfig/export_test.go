package notificationconfig

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/settings"
	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Kind is a kind that the controller looks after.
type Kind struct {
	Name   string
	Object client.Object
	List   client.ObjectList
}

// Kinds are all of them.
func Kinds() []Kind {
	made := make([]Kind, 0, len(kinds()))
	for _, one := range kinds() {
		made = append(made, Kind{Name: one.name, Object: one.object(), List: one.list()})
	}

	return made
}

// NewForTest makes the controller with Secrets read anew each time.
func NewForTest(dependencies manager.Dependencies, versions stores.Digests) *manager.Controller {
	return newController(settings.Default(), dependencies, fresh{dependencies.Live},
		newConfigMaps(versions, dependencies.Live))
}

// Dependents are who is woken by a change of a Secret or a ConfigMap.
func Dependents(ctx context.Context, reader client.Reader, object client.Object) []string {
	find := finder{reader}

	var found []string

	for _, request := range find.naming(object.GetObjectKind().GroupVersionKind().Kind)(ctx, object) {
		found = append(found, request.String())
	}

	return found
}

type fresh struct{ live client.Reader }

func (f fresh) Get(ctx context.Context, key types.NamespacedName) (*corev1.Secret, error) {
	found := &corev1.Secret{}

	return found, f.live.Get(ctx, key, found)
}
